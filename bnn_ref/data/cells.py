"""Cells of a text table: which hold a number, which hold nothing, and what the others are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import expected

MOST_LEVELS = 1000  # values of a one-hot encoded column
LONGEST_NAME = 200  # characters of a class or of a one-hot encoded value
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COMMA = str.maketrans({",": ".", ".": "_"})  # with a decimal comma a point is no number's


def is_number(cell: str, decimal: str = ".") -> bool:
    """Return whether a cell holds a number: digits, one decimal, a sign, an exponent, no more.

    ``nan``, ``inf``, ``1_0`` and digits of other scripts, which `float` takes, are text.

    Parameters
    ----------
    cell : str
    decimal : "." or ","
    """
    cell = cell.translate(_COMMA) if decimal == "," else cell
    return _NUMBER.fullmatch(cell) is not None


def strip(cells: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return cells without white space around them.

    Parameters
    ----------
    cells : object array of str (N,)
    """
    return np.array([cell.strip() for cell in cells], object)


def parse_numbers(
    cells: NDArray[np.object_], decimal: str = "."
) -> tuple[NDArray[np.float64] | None, int | None]:
    """Return (values, place of the first cell that holds no finite number, or None).

    Parameters
    ----------
    cells : object array of str (N,)
    decimal : "." or ","

    Returns
    -------
    values : float64 array (N,), the nearest number to each cell; None where one holds none
    place : int or None
    """
    plain = "\n".join(cells)
    plain = plain.isascii() and "_" not in plain
    if decimal == ",":
        cells = np.array([cell.translate(_COMMA) for cell in cells], object)
        plain = False
    try:
        values = cells.astype(np.float64)
    except ValueError:
        values = None
    if values is not None and plain and np.isfinite(values).all():
        return values, None
    for place, cell in enumerate(cells):
        if _NUMBER.fullmatch(cell.strip()) is None or not np.isfinite(float(cell)):
            return None, place
    return values, None


def sort_names(names: Iterable[str]) -> list[str]:
    """Return class names or one-hot values in order: by value where all are numbers, else as text.

    Names of one value (``7`` and ``007``) are different names.

    Parameters
    ----------
    names : iterable of str
    """
    names = list(names)
    if all(is_number(name) for name in names):
        return sorted(names, key=lambda name: (float(name), name))
    return sorted(names)


class Levels:
    """The values of a text column and their places, given or met one by one.

    Parameters
    ----------
    given : list of str, optional
        The only values there may be; by default whatever comes.
    """

    open: bool
    places: dict[str, int]

    def __init__(self, given: Sequence[str] | None = None) -> None:
        self.open = given is None
        self.places = {name: place for place, name in enumerate(given or ())}

    def encode(self, cells: NDArray[np.object_]) -> tuple[NDArray[np.intp], int | None]:
        """Return (places (N,), place of the first cell of an unknown value, or None).

        Parameters
        ----------
        cells : object array of str (N,)

        Raises
        ------
        ValueError
            For more than `MOST_LEVELS` values, or one of more than `LONGEST_NAME` characters.
        """
        if self.open:
            for cell in dict.fromkeys(cells):
                check_name(cell)
                self.places.setdefault(cell, len(self.places))
            if len(self.places) > MOST_LEVELS:
                raise expected("a one-hot encoded column", f"at most {MOST_LEVELS} values", "more")
        codes = np.fromiter((self.places.get(cell, -1) for cell in cells), np.int64, len(cells))
        unknown = np.flatnonzero(codes < 0)
        return codes, int(unknown[0]) if len(unknown) else None

    def in_order(self) -> tuple[list[str], NDArray[np.intp]]:
        """Return (values in order, the rank of each place); given values keep theirs."""
        names = sort_names(self.places) if self.open else list(self.places)
        rank = np.empty(len(names), np.int64)
        rank[[self.places[name] for name in names]] = np.arange(len(names))
        return names, rank


def check_name(name: str, thing: str = "a class or a one-hot encoded value") -> None:
    """Raise a `ValueError` for the name of a class or value that is too long to be one.

    Parameters
    ----------
    name : str
    thing : str
    """
    if len(name) > LONGEST_NAME:
        wanted = f"at most {LONGEST_NAME} characters"
        raise expected(thing, wanted, f"{len(name)}: {name[:30]!r}")


def any_of(names: Sequence[str]) -> str:
    """Return "one of" some names in words, the first twelve of them.

    Parameters
    ----------
    names : list of str
    """
    return "one of " + some(names)


def some(names: Sequence[object], most: int = 12) -> str:
    """Return names as text with commas, the first of them where they are more than so many."""
    more = f" and {len(names) - most} more" if names[most:] else ""
    return ", ".join(map(str, names[:most])) + more
