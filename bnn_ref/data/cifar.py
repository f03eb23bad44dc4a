"""CIFAR-10's binary files: records of a label and 32x32 pixels in three planes of colour.

Source: Krizhevsky (2009), "Learning multiple layers of features from tiny images", and the
description of the binary version beside the data.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..border.files import read_file
from ..errors import expected

TRAIN, TEST = tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"
SIDE, CHANNELS, CLASSES = 32, 3, 10
RECORD = 1 + CHANNELS * SIDE * SIDE  # bytes
MOST = 100_000 * RECORD


def is_cifar(folder: str | PathLike[str]) -> bool:
    """Return whether a folder holds a file of that name."""
    return any((Path(folder) / name).exists() for name in (*TRAIN, TEST))


def read_file_of_records(path: str | PathLike[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return (images (N, 32, 32, 3), labels (N,)) of one file, uint8.

    Raises
    ------
    ValueError
        For a file that is not whole records, without one, or with a label above 9.
    OSError
        Where it cannot be read.
    """
    content = np.frombuffer(read_file(path, MOST), np.uint8)
    if len(content) == 0 or len(content) % RECORD:
        raise expected(path, f"records of {RECORD} bytes, at least one", f"{len(content)} bytes")
    records = content.reshape(-1, RECORD)
    labels = records[:, 0]
    if labels.max() >= CLASSES:
        row = int(np.argmax(labels >= CLASSES))
        raise expected(path, f"labels below {CLASSES}", f"{labels[row]} in record {row}")
    planes = records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels.copy()


def read_cifar(folder: str | PathLike[str]) -> dict[str, NDArray[np.uint8]]:
    """Return x_train (N, 32, 32, 3), y_train (N,), x_test and y_test of a folder's files.

    Those of the five training files that are there, in order, and the test file.

    Raises
    ------
    ValueError
        Where there is no training file or no test file, or one is not what it should be.
    OSError
        Where one cannot be read.
    """
    there = [Path(folder) / name for name in TRAIN if (Path(folder) / name).exists()]
    if not there or not (Path(folder) / TEST).exists():
        missing = TEST if there else TRAIN[0]
        raise expected(
            folder, f"CIFAR-10's binary files, {missing} among them", "none of that name"
        )
    parts = [read_file_of_records(path) for path in there]
    x_test, y_test = read_file_of_records(Path(folder) / TEST)
    x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
