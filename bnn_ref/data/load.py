"""Data by name or path: the bundled digits, a folder of IDX files, an npz, a text table."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..border.files import open_content, open_file
from ..errors import expected
from ..likelihoods import LIKELIHOODS, Categorical, Normal
from ..storage.archive import open_npy
from .cells import is_number
from .cifar import is_cifar, read_cifar
from .columns import read_table, target_names, target_numbers
from .dataset import Dataset, make_dataset
from .encoding import check_task
from .idx import read_idx, read_idx_folder
from .layout import select_to_score, select_to_train
from .npz import array_names, read_arrays, read_npz
from .reading import Reading
from .rows import Rows
from .said import say_columns, say_task

if TYPE_CHECKING:
    from .encoding import Encoding

DIGITS_HOLDOUT = 360
IDX, NPY = "one IDX file alone", "one npy array alone"
FOLDERS: dict[str, Callable[..., dict[str, NDArray[Any]]]] = {
    "idx": read_idx_folder,
    "cifar": read_cifar,
}


def read_digits() -> dict[str, NDArray[np.uint8]]:
    """Return the bundled digits: x_train (1797, 8, 8) of 0..16 and y_train (1797,), uint8.

    The test part of "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak (1998),
    UCI Machine Learning Repository, https://doi.org/10.24432/C50P49, licensed CC BY 4.0.
    """
    packed = (resources.files(__package__) / "digits.csv.gz").read_bytes()
    text = io.StringIO(gzip.decompress(packed).decode("ascii"))
    table = np.loadtxt(text, np.uint8, delimiter=",")
    return {"x_train": table[:, :-1].reshape(-1, 8, 8).copy(), "y_train": table[:, -1].copy()}


def kind_of(source: str | os.PathLike[str]) -> str:
    """Return "digits", "idx", "cifar", "npz" or "table" for a name or path, by what is there.

    Parameters
    ----------
    source : "digits", str or path

    Raises
    ------
    FileNotFoundError
        Where nothing is.
    ValueError
        For a pipe or a device.
    """
    path = Path(source)
    if str(source) == "digits":
        return "digits"
    if path.is_dir():
        return "cifar" if is_cifar(path) else "idx"
    if not path.exists():
        raise FileNotFoundError(
            f"data: expected 'digits' or a path, found nothing at {str(path)!r}"
        )
    with open_file(path) as file:
        return "npz" if zipfile.is_zipfile(file) or path.suffix == ".npz" else "table"


def load(
    source: str | os.PathLike[str] = "digits",
    *,
    target: str | int | None = None,
    task: str | None = None,
    holdout: int | None = None,
    seed: int = 0,
    dtype: DTypeLike = "float32",
    encoding: Encoding | None = None,
    reading: Reading | None = None,
) -> Dataset:
    """Return the `Dataset` of a name or path.

    Parameters
    ----------
    source : "digits" or path
        The bundled digits; a folder with MNIST's four IDX files, plain or gzipped (Fashion-MNIST
        and its like have the same), or with CIFAR-10's binary files; an npz with
        x_train and y_train, and with x_test and y_test where it has a test part; or a delimited
        text table, which pandas reads.
    target : str or int
        The target's column, for a text table only, which needs it. With an encoding the run's by
        default.
    task : str, optional
        One of `likelihoods.tasks`; by default "normal" where the targets are numbers of a text
        table or floating point, else "categorical".
    holdout : int, optional
        Training rows to hold out. By default 360 of the digits, a fifth of a text table and of an
        npz without a test part, else none.
    seed : int
        What draws held-out rows, but the first rows of IDX files and of an npz with a test part.
    dtype : "float32" or "float64"
        Of the batches.
    encoding : Encoding, optional
        A recorded one, used instead of learning one from the training rows. The columns of a text
        table are then found by the names it has for them.
    reading : Reading, optional
        How a text table or an npz is read.

    Warns
    -----
    UserWarning
        As `make_dataset`.

    Raises
    ------
    ValueError
        For a file that is not what it should be; the message names it, what was wanted and found.
    ImportError
        For a text table where pandas is not installed.
    OSError
        Where a file cannot be read.
    """
    kind, reading = kind_of(source), reading or Reading()
    if kind != "table" and target is not None:
        raise expected("target", f"none: {source} is no text table", repr(target))
    notes, layout = [], None
    if kind == "table":
        arrays, table = _load_table(source, target, task, encoding, reading)
        layout, notes = table.layout, say_columns(table, reading)
    elif kind == "npz":
        arrays = read_npz(source, reading)
    else:
        arrays = read_digits() if kind == "digits" else FOLDERS[kind](source)
    if holdout is None:
        fifth = 0 if "x_test" in arrays else len(arrays["x_train"]) // 5
        holdout = DIGITS_HOLDOUT if kind == "digits" else fifth
    dataset = make_dataset(source, kind, arrays, task=task, holdout=holdout, seed=seed, dtype=dtype,
                           encoding=encoding, layout=layout)  # fmt: skip
    if kind != "digits":
        notes = [say_task(dataset), *notes]
    return replace(dataset, notes=tuple(notes))


def _array_in(source):
    """Return which file of one array it is by its first bytes, `IDX` or `NPY`, or None."""
    with open_content(source) as stream:
        magic = stream.read(6)
    return IDX if magic[:2] == b"\0\0" else NPY if magic == b"\x93NUMPY" else None


def _load_table(source, target, task, encoding, reading):
    """Return (arrays x_train and y_train, `Table`) of a text table."""
    if (found := _array_in(source)) is not None:
        wanted = (
            "a folder of IDX or CIFAR-10 files, an npz with x_train and y_train, or a text table"
        )
        raise expected(source, wanted, found)
    layout = None if encoding is None else encoding.layout
    if target is None and layout is None:
        raise expected("target", f"the target's column in the text table {source}", "none")

    def choose(path, header, width):
        if layout is None:
            return select_to_train(path, header, width, reading, target)
        return select_to_score(path, header, width, layout, target)

    table = read_table(source, reading, choose)
    if encoding is not None:
        task, classes = encoding.task, encoding.classes
        names = classes is not None
    else:
        classes = None
        if task is None:
            numbers = all(is_number(cell, reading.decimal) for cell in table.y)
            task = (Normal if numbers else Categorical).task
        names = LIKELIHOODS[check_task(task)].targets.classes
    if names:
        y = target_names(source, table, classes)
    else:
        y = target_numbers(source, table, reading.decimal)
    return {"x_train": table.x, "y_train": y}, table


class Inputs(NamedTuple):
    """Rows to predict.

    Attributes
    ----------
    rows : Rows (N, I)
    notes : list of str
        What was read and how it was taken, a line each.
    """

    rows: Rows
    notes: list[str]


def read_inputs(
    source: str | os.PathLike[str],
    encoding: Encoding,
    dtype: DTypeLike = "float32",
    reading: Reading | None = None,
) -> Inputs:
    """Return the `Inputs` of rows to predict.

    Parameters
    ----------
    source : "digits" or path
        The digits; a folder of IDX files (its test images) or one IDX file of images; an npy of
        rows, an npz with an array ``x`` (or ``x_test``); a text table with the run's input columns
        (found by name where there is a header), whatever else is in it.
    encoding : Encoding
    dtype : "float32" or "float64"
    reading : Reading, optional
        Its ``arrays`` may name the npz's array, as x_train.

    Raises
    ------
    ValueError, ImportError, OSError
        As `load`.
    """
    values, notes = _stored_inputs(source, encoding, reading or Reading())
    return Inputs(encoding.encode_x(values, dtype, str(source)), notes)


def _stored_inputs(source, encoding, reading):
    """Return (stored values, notes)."""
    kind = kind_of(source)
    if kind == "digits":
        return read_digits()["x_train"], []
    if kind in FOLDERS:
        return FOLDERS[kind](source)["x_test"], []
    if kind == "npz":
        said, names = dict(reading.arrays), array_names(source)
        plain = "x" if "x" in names or "x_test" not in names else "x_test"
        name = said.get("x_train", said.get("x_test", plain))
        return read_arrays(source, [name])[name], []
    array = _array_in(source)
    if array == IDX:
        return read_idx(source, "images"), []
    if array == NPY:
        return open_npy(source), []

    def choose(path, header, width):
        if encoding.layout is None:
            return select_to_train(path, header, width, reading)
        return select_to_score(path, header, width, encoding.layout, with_target=False)

    if reading.missing_rows == "drop":  # a prediction has the rows of its table
        reading = replace(reading, missing_rows="refuse")
    table = read_table(source, reading, choose)
    return table.x, say_columns(table, reading)


def only_test(dataset: Dataset) -> Dataset:
    """Return a `Dataset` that a run was not trained on: all there is to score is its test part.

    The test part of IDX files and of an npz; where there is none, every row.

    Parameters
    ----------
    dataset : Dataset
    """
    test = dataset.test if dataset.test is not None else dataset.train
    return replace(dataset, validation=None, test=test)
