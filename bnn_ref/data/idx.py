"""IDX files, the format of MNIST: a big-endian header of a type and sizes, then the numbers.

Source: LeCun, Cortes and Burges, "The MNIST database", section "File formats".
"""

from __future__ import annotations

import math
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..border.files import LIMIT, open_content, read_at_most
from ..errors import expected

RANKS = {"images": 3, "labels": 1}
TYPES = {
    0x08: (">u1", "ubyte"),
    0x09: (">i1", "byte"),
    0x0B: (">i2", "short"),
    0x0C: (">i4", "int"),
    0x0D: (">f4", "float"),
    0x0E: (">f8", "double"),
}  # the third byte: NumPy's dtype, and the word in a file's usual name
PARTS = {"train": ("train-images", "train-labels"), "test": ("t10k-images", "t10k-labels")}


def read_idx(path: str | PathLike[str], kind: str) -> NDArray[Any]:
    """Return the numbers of one IDX file, plain or gzipped, as an array.

    Parameters
    ----------
    path : path
    kind : str
        "images" (rank 3) or "labels" (rank 1).

    Returns
    -------
    array (N, height, width) or (N,) of the file's type in native byte order, read-only

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
        dtype = _stored_dtype(path, kind, header)
        if len(header) < 4 + 4 * rank:
            raise expected(path, f"a header of {4 + 4 * rank} bytes", f"{len(header)} bytes")
        shape = tuple(int(n) for n in np.frombuffer(header, ">u4", rank, 4))
        size = math.prod(shape) * dtype.itemsize
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
    content = np.frombuffer(content, dtype).reshape(shape)
    content = content.astype(dtype.newbyteorder("="), copy=False)
    content.flags.writeable = False
    return content


def _stored_dtype(path, kind, header):
    """Return the dtype that a header names, or raise where its first bytes are not this kind's."""
    if not header:
        raise expected(path, f"an IDX file of {kind}", "an empty file")
    if header[:2] == b"\0\0" and len(header) >= 4 and header[2] in TYPES:
        if header[3] == RANKS[kind]:
            return np.dtype(TYPES[header[2]][0])
        for other, rank in RANKS.items():
            if header[3] == rank:
                raise expected(path, f"an IDX file of {kind}", other)
    wanted = bytes([0, 0, 8, RANKS[kind]])
    found = f"{header[:4].hex(' ')} ({bytes(header)!r:.40})"
    raise expected(path, f"an IDX file of {kind} (first bytes {wanted.hex(' ')})", found)


def find_file(folder: str | PathLike[str], stem: str, kind: str) -> Path:
    """Return the path of one of the four files, plain before gzipped.

    Raises
    ------
    ValueError
        Where none of its usual names is in the folder.
    """
    names = [
        f"{stem}{dot}idx{RANKS[kind]}-{word}{end}"
        for _, word in TYPES.values()
        for end in ("", ".gz")
        for dot in "-."
    ]
    for name in names:
        if (Path(folder) / name).exists():
            return Path(folder) / name
    there = sorted(entry.name for entry in Path(folder).iterdir())
    found = ", ".join(there[:8]) + (", ..." if there[8:] else "") if there else "an empty folder"
    raise expected(folder, f"an IDX file {names[0]} (or .gz)", found)


def read_idx_folder(folder: str | PathLike[str]) -> dict[str, NDArray[Any]]:
    """Return the four arrays of a folder with MNIST's file names.

    Returns
    -------
    dict of x_train (N, height, width), y_train (N,), x_test, y_test

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
