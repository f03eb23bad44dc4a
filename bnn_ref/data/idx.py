"""IDX files, the format of MNIST: a big-endian header of sizes, then unsigned bytes.

Source: LeCun, Cortes and Burges, "The MNIST database", section "File formats".
"""

import math
from pathlib import Path

import numpy as np

from ..border.files import LIMIT, open_content, read_at_most
from ..errors import expected

RANKS = {"images": 3, "labels": 1}
PARTS = {"train": ("train-images", "train-labels"), "test": ("t10k-images", "t10k-labels")}


def read_idx(path, kind):
    """Return the bytes of one IDX file, plain or gzipped, as an array.

    Parameters
    ----------
    path : path
    kind : str
        "images" (rank 3) or "labels" (rank 1).

    Returns
    -------
    uint8 array (N, height, width) or (N,), read-only

    Raises
    ------
    ValueError
        For a file that is not this kind, not of the length its header says, or without rows; the
        message names the file, what was wanted and what was found.
    OSError
        Where the file cannot be read.
    """
    rank = RANKS[kind]
    with open_content(path) as stream:
        header = bytes(read_at_most(stream, 4 + 4 * rank))
        _check_magic(path, kind, header)
        if len(header) < 4 + 4 * rank:
            raise expected(path, f"a header of {4 + 4 * rank} bytes", f"{len(header)} bytes")
        shape = tuple(int(n) for n in np.frombuffer(header, ">u4", rank, 4))
        size = math.prod(shape)
        what = f"{size} bytes after the header ({shape[0]} {kind}"
        what += f" of {shape[1]}x{shape[2]})" if rank == 3 else ")"
        if size == 0:
            raise expected(path, f"at least one of its {kind}", f"sizes {shape}")
        if size > LIMIT:
            raise expected(path, f"at most {LIMIT} bytes", what)
        content = read_at_most(stream, size + 1)
    if len(content) != size:
        found = "more" if len(content) > size else f"{len(content)}"
        raise expected(path, what, found)
    content = np.frombuffer(content, np.uint8).reshape(shape)
    content.flags.writeable = False
    return content


def _check_magic(path, kind, header):
    """Raise the `ValueError` for a file whose first four bytes are not this kind's."""
    if not header:
        raise expected(path, f"an IDX file of {kind}", "an empty file")
    wanted = bytes([0, 0, 8, RANKS[kind]])
    if header[:4] == wanted:
        return
    for other, rank in RANKS.items():
        if header[:4] == bytes([0, 0, 8, rank]):
            raise expected(path, f"an IDX file of {kind}", other)
    found = f"{header[:4].hex(' ')} ({bytes(header)!r:.40})"
    raise expected(path, f"an IDX file of {kind} (first bytes {wanted.hex(' ')})", found)


def find_file(folder, stem, kind):
    """Return the path of one of the four files, plain before gzipped.

    Raises
    ------
    ValueError
        Where none of its usual names is in the folder.
    """
    names = [f"{stem}{dot}idx{RANKS[kind]}-ubyte{end}" for end in ("", ".gz") for dot in "-."]
    for name in names:
        if (Path(folder) / name).exists():
            return Path(folder) / name
    there = sorted(entry.name for entry in Path(folder).iterdir())
    found = ", ".join(there[:8]) + (", ..." if there[8:] else "") if there else "an empty folder"
    raise expected(folder, f"an IDX file {names[0]} (or .gz)", found)


def read_idx_folder(folder):
    """Return the four arrays of a folder with MNIST's file names.

    Returns
    -------
    dict of x_train (N, height, width), y_train (N,), x_test, y_test, all uint8

    Raises
    ------
    ValueError, OSError
        As `find_file` and `read_idx`; also where there are not as many labels as images, or the
        parts' images differ in size.
    """
    arrays = {}
    for part, (images, labels) in PARTS.items():
        images, labels = find_file(folder, images, "images"), find_file(folder, labels, "labels")
        x, y = read_idx(images, "images"), read_idx(labels, "labels")
        if len(x) != len(y):
            raise expected(labels, f"{len(x)} labels, one for each image of {images}", len(y))
        arrays[f"x_{part}"], arrays[f"y_{part}"] = x, y
    if arrays["x_test"].shape[1:] != arrays["x_train"].shape[1:]:
        size = "{}x{}".format(*arrays["x_train"].shape[1:])
        found = "{}x{}".format(*arrays["x_test"].shape[1:])
        raise expected(images, f"images of {size}, as in the training part", found)
    return arrays
