"""Arrays of an npz: a training part and, where there is one, a test part."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..border.files import LIMIT
from ..errors import expected
from ..storage.archive import ArchiveError, open_archive
from .cells import check_name

if TYPE_CHECKING:
    from .reading import Reading


def array_names(path: str | PathLike[str]) -> tuple[str, ...]:
    """Return the names of an npz's arrays.

    Parameters
    ----------
    path : path

    Raises
    ------
    ValueError
        For a file that is no sound npz.
    """
    try:
        with open_archive(path, limit=2 * LIMIT) as archive:
            return archive.names
    except ArchiveError as error:
        raise ValueError(f"{path}: {error}") from None


def read_arrays(path: str | PathLike[str], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return those arrays of an npz by name; others in it are not read.

    Text becomes an object array of `str`.

    Parameters
    ----------
    path : path
    names : sequence of str

    Raises
    ------
    ValueError
        For a file that is no sound npz, a missing array, or one that is neither numbers nor text.
    """
    try:
        with open_archive(path, limit=2 * LIMIT) as archive:
            for name in names:
                if name not in archive.names:
                    found = ", ".join(archive.names[:12]) or "no array"
                    wanted = f"one of this name in {path} (--arrays x=NAME,y=NAME says others)"
                    raise expected(f"array {name!r}", wanted, found)
            return {name: _plain(path, name, archive.read(name)) for name in names}
    except ArchiveError as error:
        raise ValueError(f"{path}: {error}") from None


def _plain(path, name, array):
    """Return an array of numbers as it is, one of text as an object array without its padding."""
    if array.dtype.kind != "U":
        return array
    check_name("x" * int(np.char.str_len(array).max(initial=0)), f"{path}: text of {name}")
    return array.astype(object)


def read_npz(path: str | PathLike[str], reading: Reading) -> dict[str, NDArray[Any]]:
    """Return the arrays x_train, y_train and, where the npz has them, x_test and y_test.

    Parameters
    ----------
    path : path
    reading : Reading
        Whose ``arrays`` says which names the npz has for them.

    Raises
    ------
    ValueError
        For a missing array, as many targets as not rows, targets of another rank than 1 or 2,
        tables of different widths, no rows.
    OSError
        Where the file cannot be read.
    """
    there, said = array_names(path), dict(reading.arrays)
    tested = [n for n in ("x_test", "y_test") if n in said or reading.array(n) in there]
    wanted = ("x_train", "y_train", *(("x_test", "y_test") if tested else ()))
    names = {name: reading.array(name) for name in wanted}
    stored_arrays = read_arrays(path, list(dict.fromkeys(names.values())))
    arrays = {name: stored_arrays[stored] for name, stored in names.items()}
    for part in ("train", "test")[: len(arrays) // 2]:
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        x_name, y_name = names[f"x_{part}"], names[f"y_{part}"]
        if x.dtype == object:
            raise expected(f"{path}: {x_name}", "numbers", "text")
        if x.ndim < 2 or 0 in x.shape:
            raise expected(f"{path}: {x_name}", "a shape (rows, columns), neither 0", x.shape)
        if y.ndim == 0 or len(y) != len(x):
            raise expected(f"{path}: {y_name}", f"{len(x)} rows, as {x_name}", f"shape {y.shape}")
        if y.ndim > 2 or 0 in y.shape or (y.dtype == object and y.size != len(x)):
            wanted = "a target or several numbers a row"
            raise expected(f"{path}: {y_name}", wanted, f"shape {y.shape}")
    shapes = [arrays[name].shape[1:] for name in arrays if name.startswith("x")]
    if shapes[-1] != shapes[0]:
        wanted = f"rows of shape {shapes[0]}, as {names['x_train']}"
        raise expected(f"{path}: {names['x_test']}", wanted, shapes[-1])
    return arrays
