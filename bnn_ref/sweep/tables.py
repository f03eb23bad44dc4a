"""A sweep's outcomes as one tidy table: in memory, and as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from ..storage.wholefile import whole_file
from .cells import cell_text

if TYPE_CHECKING:
    from .cells import Outcome


def table(outcomes: Sequence[Outcome]) -> tuple[list[str], list[list[Any]]]:
    """Return (names, rows) of a tidy table: a cell a row; its settings, its results, its error.

    Parameters
    ----------
    outcomes : list of Outcome
    """
    names = {}
    for outcome in outcomes:
        names |= dict.fromkeys(outcome.cell)
    settings = list(names)
    for outcome in outcomes:
        names |= dict.fromkeys(outcome.result or ())
    names = [*settings, *(name for name in names if name not in settings), "error"]
    rows = []
    for cell, result, error, _ in outcomes:
        values = {**cell, **(result or {}), "error": error}
        rows.append([values.get(name) for name in names])
    return names, rows


def write_table(path: str | PathLike[str], outcomes: Sequence[Outcome]) -> None:
    """Write the `table` as CSV, the file whole or not at all; floats keep every bit.

    Parameters
    ----------
    path : str or path
    outcomes : list of Outcome
        As for `table`.
    """
    text = io.StringIO()
    names, rows = table(outcomes)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if value is None else cell_text(value) for value in row])
    with whole_file(path) as file:
        file.write(text.getvalue().encode(errors="backslashreplace"))
