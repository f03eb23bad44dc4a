"""Cells of a sweep, and where finished ones are kept.

A cell is a dict of plain settings, and its result one of numbers: what a function of the cell
returns, on whichever machine. Neither depends on the machine.

    SWEEP/
      cells/KEY.json   a finished cell: its settings, its result, how long it took
      table.csv        one line a cell, in the order of the grid
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from .._version import __version__
from ..errors import expected
from ..runs.environment import version_of
from ..storage.jsonfile import read_json, write_json
from ..storage.wholefile import remove_leftovers

RECORD: dict[str, Any] = {
    "cell": dict,
    "result": {...: (float, str, bool, NoneType)},
    "seconds": float,
}


class Outcome(NamedTuple):
    """What became of a cell.

    Attributes
    ----------
    cell : dict
        Its settings.
    result : dict or None
        What the task returned; None where it failed.
    error : str or None
        One line, where it failed.
    seconds : float
        How long it took.
    """

    cell: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    seconds: float


def grid(choices: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the cells of a grid: every combination, the last name changing fastest.

    Parameters
    ----------
    choices : dict of str to list
        Name to its values.
    """
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


def key_of(cell: Mapping[str, Any], identity: Mapping[str, Any] | None = None) -> str:
    """Return the name under which a cell is kept: a hash of all that its result depends on.

    Of its settings, of their meaning, and of the versions of this package and of those that
    compute for it.

    Parameters
    ----------
    cell : dict
    identity : dict, optional
        What else its result depends on, such as a checksum of the data.
    """
    versions = {package: version_of(package) for package in ("numpy", "scipy", "numba")}
    whole = {"cell": cell, "identity": identity, "bnn_ref": __version__, "versions": versions}
    text = json.dumps(whole, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Store:
    """The finished cells of a folder.

    Parameters
    ----------
    folder : str or path, optional
        Made where it is absent. None keeps nothing.
    """

    cells: Path | None

    def __init__(self, folder: str | PathLike[str] | None = None) -> None:
        self.cells = None if folder is None else Path(folder) / "cells"
        if self.cells is not None:
            self.cells.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.cells)

    def get(self, key: str, cell: Mapping[str, Any]) -> Outcome | None:
        """Return the `Outcome` kept under a key, or None.

        A file that is damaged, or of another cell, is warned of and computed anew.
        """
        path = None if self.cells is None else self.cells / f"{key}.json"
        if path is None or not os.path.lexists(path):
            return None
        try:
            record = read_json(path, RECORD)
            if record["cell"] != cell:
                raise expected(path, f"the finished cell {name_of(cell)}", "another")
        except (ValueError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            warnings.warn(f"{path}: computed anew ({reason})", stacklevel=2)
            return None
        return Outcome(cell, record["result"], None, float(record["seconds"]))

    def keep(self, key: str, outcome: Outcome) -> None:
        """Write a finished cell; the file appears whole or not at all.

        Parameters
        ----------
        key : str
        outcome : Outcome
        """
        if self.cells is not None:
            record = {"cell": outcome.cell, "result": outcome.result, "seconds": outcome.seconds}
            write_json(self.cells / f"{key}.json", record)


def name_of(cell: Mapping[str, Any]) -> str:
    """Return a cell as text, ``learning_rate=0.01 seed=3``."""
    return " ".join(f"{name}={cell_text(value)}" for name, value in cell.items())


def cell_text(value: Any) -> Any:
    """Return a table's entry: a list as 128x128 or layers.0+layers.1, anything else as it is.

    Parameters
    ----------
    value : str, number, list or None
    """
    if not isinstance(value, list):
        return value
    return ("+" if any(isinstance(part, str) for part in value) else "x").join(map(str, value))
