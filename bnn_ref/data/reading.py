"""Reading: what a person says about how their table or archive is to be read."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import expected

MISSING = ("NA", "N/A", "NaN", "nan", "null", "?")
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
SEPARATORS = {"tab": "\t", "space": " "}


@dataclass(frozen=True)
class Reading:
    """How a text table or an npz is read; what is not said is found by the rules of the docs.

    Parameters
    ----------
    header : bool, optional
        Whether the first line names the columns; by default as it looks.
    separator : str, optional
        What divides cells: one character, or " " for any white space; by default as it looks.
    decimal : "." or ","
        What divides a number's digits.
    missing : tuple of str
        The words of a missing cell, beside the empty one.
    missing_rows : "refuse" or "drop"
        What becomes of a row whose target or input is missing.
    categorical : tuple of str, or "all"
        Input columns of text, one-hot encoded; "all" takes every one with a cell that is no number.
    drop : tuple of str
        Columns that are no inputs, by name or index.
    index : bool
        Whether a first column without a name is an input.
    arrays : tuple of (str, str)
        Pairs of one of `ARRAYS` and the name that the npz has for it.

    Raises
    ------
    ValueError
        For a value that is none of these.
    """

    header: bool | None = None
    separator: str | None = None
    decimal: str = "."
    missing: tuple[str, ...] = MISSING
    missing_rows: str = "refuse"
    categorical: tuple[str, ...] | str = ()
    drop: tuple[str, ...] = ()
    index: bool = False
    arrays: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise expected("decimal", "'.' or ','", repr(self.decimal))
        if self.missing_rows not in ("refuse", "drop"):
            raise expected("missing_rows", "'refuse' or 'drop'", repr(self.missing_rows))
        if self.separator is not None and (len(self.separator) != 1 or self.separator in '"\n\r'):
            raise expected("separator", "one character, tab or space", repr(self.separator))
        if self.separator == self.decimal:
            raise expected("separator", "another character than the decimal's", self.separator)
        for name, _ in self.arrays:
            if name not in ARRAYS:
                raise expected("arrays", "names among " + ", ".join(ARRAYS), repr(name))

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Reading:
        """Return the reading of settings as the command line takes and a run records them.

        Parameters
        ----------
        settings : mapping of str to str or None
            Names of `OPTIONS`; others are left alone, and what is None is not said.

        Raises
        ------
        ValueError
            As the class.
        """
        said = {name: settings.get(name) for name in OPTIONS}
        return cls(**{name: OPTIONS[name](text) for name, text in said.items() if text is not None})

    def array(self, name: str) -> str:
        """Return the name that the npz has for one of `ARRAYS`."""
        return dict(self.arrays).get(name, name)


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a list like ``a,"b, c"``, without white space around them."""
    rows = list(csv.reader([text], skipinitialspace=True))
    return tuple(word.strip() for word in rows[0]) if rows else ()


def _yes(text):
    if text not in ("yes", "no"):
        raise expected("header and index", "yes or no", repr(text))
    return text == "yes"


def _arrays(text):
    """Return the pairs of ``x=images,y=labels``; x and y stand for the training part's."""
    pairs = []
    for word in split_words(text) or [""]:
        name, equals, array = word.partition("=")
        if not equals or not array:
            raise expected("arrays", "x=NAME,y=NAME", repr(text))
        pairs.append((f"{name}_train" if name in ("x", "y") else name, array))
    if len(dict(pairs)) < len(pairs):
        raise expected("arrays", "each name once", repr(text))
    return tuple(pairs)


OPTIONS: dict[str, Callable[[str], Any]] = {
    "header": _yes,
    "separator": lambda text: SEPARATORS.get(text, text),
    "decimal": str,
    "missing": lambda text: tuple(word for word in split_words(text) if word),
    "missing_rows": str,
    "categorical": lambda text: "all" if text == "all" else split_words(text),
    "drop": split_words,
    "index": _yes,
    "arrays": _arrays,
}
