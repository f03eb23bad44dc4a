"""Data by name or path: the bundled digits, a folder of IDX files, an npz, a text table."""

import zipfile
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np

from ..border.files import LIMIT, open_content
from ..errors import expected
from ..storage.archive import open_archive
from .dataset import make_dataset
from .idx import read_idx, read_idx_folder
from .tables import read_arrays, read_npz, read_table, table_shape

DIGITS_HOLDOUT = 360


def read_digits():
    """Return the bundled digits: x_train (1797, 8, 8) of 0..16 and y_train (1797,), uint8.

    The test part of "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak (1998),
    UCI Machine Learning Repository, https://doi.org/10.24432/C50P49, licensed CC BY 4.0.
    """
    with resources.as_file(resources.files(__package__) / "digits.csv.gz") as path:
        table = read_table(path, -1)
    images, labels = table.x.astype(np.uint8), table.y.astype(np.uint8)
    return {"x_train": images.reshape(-1, 8, 8), "y_train": labels}


def kind_of(source):
    """Return "digits", "idx", "npz" or "table" for a name or path, by what is there.

    Parameters
    ----------
    source : "digits", str or path

    Raises
    ------
    FileNotFoundError
        Where nothing is.
    """
    path = Path(source)
    if str(source) == "digits":
        return "digits"
    if path.is_dir():
        return "idx"
    if not path.exists():
        raise FileNotFoundError(
            f"data: expected 'digits' or a path, found nothing at {str(path)!r}"
        )
    return "npz" if zipfile.is_zipfile(path) or path.suffix == ".npz" else "table"


def load(source="digits", *, target=None, task=None, holdout=None, seed=0, dtype="float32",
         encoding=None):  # fmt: skip
    """Return the `Dataset` of a name or path.

    Parameters
    ----------
    source : "digits" or path
        The bundled digits; a folder with MNIST's four IDX files, plain or gzipped; an npz with
        x_train, y_train, x_test and y_test; or a delimited text table (`read_table`).
    target : str or int
        The target's column, for a text table only, which needs it.
    task : str, optional
        "categorical", "bernoulli" or "normal"; by default "normal" where the targets are numbers
        of a text table or floating point, else "categorical".
    holdout : int, optional
        Training rows to hold out. By default 360 of the digits, a fifth of a text table, and none
        of IDX files and an npz, which have a test part.
    seed : int
        What draws held-out rows of digits and text tables.
    dtype : "float32" or "float64"
        Of the batches.
    encoding : Encoding, optional
        A recorded one, used instead of learning one from the training rows.

    Raises
    ------
    ValueError
        For a file that is not what it should be; the message names it, what was wanted and found.
    OSError
        Where a file cannot be read.
    """
    kind = kind_of(source)
    columns = None
    if kind != "table" and target is not None:
        raise expected("target", f"none: {source} is no text table", repr(target))
    if kind == "table":
        if target is None:
            raise expected("target", f"the target's column in the text table {source}", "none")
        table = read_table(source, target)
        arrays, columns, target = {"x_train": table.x, "y_train": table.y}, *table[2:]
    else:
        readers = {"digits": lambda _: read_digits(), "idx": read_idx_folder, "npz": read_npz}
        arrays = readers[kind](source)
    if holdout is None:
        fifth = len(arrays["x_train"]) // 5
        holdout = {"digits": DIGITS_HOLDOUT, "table": fifth}.get(kind, 0)
    return make_dataset(source, kind, arrays, task=task, holdout=holdout, seed=seed, dtype=dtype,
                        encoding=encoding, columns=columns, target=target)  # fmt: skip


def read_inputs(source, encoding, dtype="float32"):
    """Return `Rows` of inputs alone, for predictions.

    Parameters
    ----------
    source : "digits" or path
        The digits; a folder of IDX files (its test images) or one IDX file of images; an npy of
        rows, an npz with an array ``x`` (or ``x_test``); a text table with the run's input columns
        (found by name where there is a header), with or without its target.
    encoding : Encoding
    dtype : "float32" or "float64"

    Raises
    ------
    ValueError, OSError
        As `load`.
    """
    return encoding.encode_x(_stored_inputs(source, encoding), dtype, str(source))


def _stored_inputs(source, encoding):
    kind = kind_of(source)
    if kind == "digits":
        return read_digits()["x_train"]
    if kind == "idx":
        return read_idx_folder(source)["x_test"]
    if kind == "npz":
        with open_archive(source, limit=2 * LIMIT) as archive:
            name = "x" if "x" in archive.names or "x_test" not in archive.names else "x_test"
        return read_arrays(source, [name])[name]
    with open_content(source) as stream:
        magic = stream.read(6)
    if magic[:3] == b"\0\0\x08":
        return read_idx(source, "images")
    if magic == b"\x93NUMPY":
        try:
            return np.load(source, allow_pickle=False, mmap_mode="r")
        except ValueError as error:
            raise expected(source, "an npy array of numbers", f"another file ({error})") from None
    return _input_columns(source, encoding)


def _input_columns(source, encoding):
    """Return the input columns of a text table that may hold others: (N, I)."""
    table = read_inputs_table(source, encoding)
    if table.columns is None or encoding.columns is None:
        return table.x
    missing = [name for name in encoding.columns if name not in table.columns]
    if missing:
        raise expected(source, f"a column {missing[0]!r}", ", ".join(table.columns[:12]))
    return table.x[:, [table.columns.index(name) for name in encoding.columns]]


def read_inputs_table(source, encoding):
    """Return a text `Table` without the run's target column, if it has one.

    Parameters
    ----------
    source : str or path
    encoding : Encoding
        The run's.
    """
    width, header = table_shape(source)
    has_target = encoding.target is not None and (
        encoding.target in header if header else width == encoding.inputs + 1
    )
    return read_table(source, encoding.target if has_target else None)


def only_test(dataset):
    """Return a `Dataset` that a run was not trained on: all there is to score is its test part.

    The test part of IDX files and of an npz; of others every row.

    Parameters
    ----------
    dataset : Dataset
    """
    test = dataset.test if dataset.test is not None else dataset.train
    return replace(dataset, validation=None, test=test)
