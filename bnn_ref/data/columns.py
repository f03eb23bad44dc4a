"""The columns of a text table that a network learns from: numbers, one-hot values, the target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..border.files import LIMIT
from ..errors import expected
from .cells import Levels, any_of, check_name, is_number, parse_numbers, strip
from .layout import Layout
from .tables import Shape, check_gzip, frames, place_of, ragged, table_shape

if TYPE_CHECKING:
    from .layout import Selection
    from .reading import Reading


class Table(NamedTuple):
    """A text table, read.

    Attributes
    ----------
    x : float64 array (N, I)
        The input columns; a one-hot encoded one has an input for each of its values.
    y : object array of str (N,), or None
        The target's cells.
    layout : Layout
    left : dict of str to str
        Columns that were not read, and why not.
    how : str
        How the columns of a run were found, in words.
    lines : int array (N,)
        The rows' places among the records of the file, for `place_of`.
    dropped : int
        How many rows were left out for a missing cell.
    shape : Shape
    """

    x: NDArray[np.float64]
    y: NDArray[np.object_] | None
    layout: Layout
    left: dict[str, str]
    how: str
    lines: NDArray[np.intp]
    dropped: int
    shape: Shape


class _Columns:
    """The chosen columns of a table, piece after piece."""

    def __init__(self, path, shape, chosen, reading):
        self.path, self.shape, self.chosen, self.reading = path, shape, chosen, reading
        self.missing = {"", *reading.missing}
        self.levels = {name: Levels(given) for name, given in chosen.levels.items()}
        self.pieces = [[] for _ in chosen.columns]
        self.target, self.lines, self.dropped, self.short = [], [], 0, False

    def add(self, start, columns):
        """Take a piece: text to numbers, to places of values, or to the target's text."""
        self.short = self.short or "" in columns[-1]
        used = [*self.chosen.places]
        if self.chosen.target_place is not None:
            used.append(self.chosen.target_place)
        cells = [columns[k] for k in used]
        lines = np.arange(start, start + len(columns[0]))
        if self.reading.missing_rows == "drop":
            cells = [strip(column) for column in cells]
            gone = [any(cell in self.missing for cell in row) for row in zip(*cells, strict=True)]
            keep = ~np.array(gone, bool)
            cells, lines = [column[keep] for column in cells], lines[keep]
            self.dropped += int(len(keep) - keep.sum())
        if len(lines) == 0:
            return
        self.lines.append(lines)
        for place, name in enumerate(self.chosen.columns):
            take = self._encode if name in self.levels else self._numbers
            self.pieces[place].append(take(name, cells[place], lines))
        if self.chosen.target_place is not None:
            self.target.append(strip(cells[-1]))
            self._refuse_missing(self.chosen.target, self.target[-1], lines)

    def _numbers(self, name, cells, lines):
        values, wrong = parse_numbers(cells, self.reading.decimal)
        if wrong is not None:
            self._refuse(name, cells[wrong].strip(), lines[wrong])
        return values

    def _encode(self, name, cells, lines):
        cells = strip(cells)
        self._refuse_missing(name, cells, lines)
        levels = self.levels[name]
        places, unknown = levels.encode(cells)
        if unknown is not None:
            wanted = any_of(list(levels.places)) + ", which the run was trained on"
            raise expected(self._where(name, lines[unknown]), wanted, repr(cells[unknown]))
        return places

    def _refuse_missing(self, name, cells, lines):
        for place, cell in enumerate(cells):
            if cell in self.missing:
                self._refuse(name, cell, lines[place])

    def _where(self, name, record):
        return f"{place_of(self.path, self.shape, record)}, column {name!r}"

    def _refuse(self, name, cell, record):
        """Raise the `ValueError` for a cell that is missing or holds no number."""
        if self.short and (error := ragged(self.path, self.shape)):
            raise error
        where = self._where(name, record)
        if cell in self.missing:
            found = f"{cell!r}, a missing cell" if cell else "an empty cell"
            raise expected(where, "a value (--missing-rows drop leaves such rows out)", found)
        if is_number(cell, self.reading.decimal):
            raise expected(where, "a finite number", repr(cell))
        if self.reading.decimal == "." and is_number(cell, ","):
            raise expected(where, "a number (decimal commas are read with --decimal ,)", repr(cell))
        wanted = "a number (text: --categorical takes the column's values, --drop leaves it out)"
        raise expected(where, wanted, repr(cell))

    def inputs(self):
        """Return (x, the values of each one-hot encoded column)."""
        count = sum(map(len, self.lines))
        known = {name: levels.in_order() for name, levels in self.levels.items()}
        widths = [len(known[name][0]) if name in known else 1 for name in self.chosen.columns]
        if count * sum(widths) * 8 > LIMIT:
            raise expected(self.path, f"at most {LIMIT} bytes of inputs",
                           f"{count} rows of {sum(widths)} numbers")  # fmt: skip
        x, at = np.zeros((count, sum(widths))), 0
        for name, pieces, width in zip(self.chosen.columns, self.pieces, widths, strict=True):
            column = np.concatenate(pieces)
            if name in known:
                x[np.arange(count), at + known[name][1][column]] = 1
            else:
                x[:, at] = column
            pieces.clear()
            at += width
        return x, {name: names for name, (names, _) in known.items()}


def read_table(
    path: str | PathLike[str],
    reading: Reading,
    choose: Callable[[str | PathLike[str], list[str] | None, int], Selection],
) -> Table:
    """Return the `Table` of a delimited text file, plain or gzipped.

    Parameters
    ----------
    path : path
    reading : Reading
    choose : function(path, header, width) -> Selection

    Raises
    ------
    ValueError
        For a line of another width, an input that is no finite number, a value that is not known,
        a missing cell where rows are not left out, or no rows; the message names file, line and
        column.
    ImportError
        Where pandas is not installed.
    OSError
        Where the file cannot be read.
    """
    check_gzip(path)
    shape = table_shape(path, reading)
    chosen = choose(path, shape.header, shape.width)
    if chosen.levels is None:
        chosen = _choose_text(path, shape, chosen, reading)
    columns = _Columns(path, shape, chosen, reading)
    for start, piece in frames(path, shape):
        columns.add(start, piece)
    if columns.short and (error := ragged(path, shape)):
        raise error
    if not columns.lines or not chosen.columns:
        found = f"{sum(map(len, columns.lines))} rows of {len(chosen.columns)}"
        raise expected(path, "at least one row and one input column", found)
    x, levels = columns.inputs()
    y = np.concatenate(columns.target) if columns.target else None
    layout = Layout(
        columns=chosen.columns,
        places=chosen.places,
        width=shape.width,
        named=shape.header is not None,
        target=chosen.target,
        target_place=chosen.target_place,
        levels=levels,
    )
    lines = np.concatenate(columns.lines)
    return Table(x, y, layout, chosen.left, chosen.how, lines, columns.dropped, shape)


def _choose_text(path, shape, chosen, reading):
    """Return the selection with every input column one-hot encoded that has a cell of text."""
    text, missing = set(), {"", *reading.missing}
    for _, columns in frames(path, shape):
        for name, place in zip(chosen.columns, chosen.places, strict=True):
            if name not in text:
                cells = strip(columns[place])
                there = np.array([cell for cell in cells if cell not in missing], object)
                if parse_numbers(there, reading.decimal)[1] is not None:
                    text.add(name)
    return chosen._replace(levels={name: None for name in chosen.columns if name in text})


def target_numbers(path: str | PathLike[str], table: Table, decimal: str) -> NDArray[np.float64]:
    """Return a table's target as float64.

    Parameters
    ----------
    path : path
    table : Table
    decimal : "." or ","

    Raises
    ------
    ValueError
        For a cell that is no finite number; the message names its line.
    """
    values, wrong = parse_numbers(table.y, decimal)
    if wrong is None:
        return values
    where = f"{place_of(path, table.shape, table.lines[wrong])}, target {table.layout.target!r}"
    raise expected(where, "a finite number", repr(table.y[wrong]))


def target_names(
    path: str | PathLike[str], table: Table, classes: Sequence[str] | None = None
) -> NDArray[np.object_]:
    """Return a table's target as class names, after checking that each can be one.

    Parameters
    ----------
    path : path
    table : Table
    classes : list of str, optional
        The only classes there may be.

    Raises
    ------
    ValueError
        For a class that is none of these, or whose name is too long.
    """
    for name in dict.fromkeys(table.y):
        check_name(name, f"{path}: a class of {table.layout.target!r}")
        if classes is not None and name not in classes:
            where = place_of(path, table.shape, table.lines[table.y.tolist().index(name)])
            raise expected(f"{where}, target", any_of(classes), repr(name))
    return table.y
