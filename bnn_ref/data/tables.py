"""Tables of a person's own: an npz of arrays, or delimited text."""

import csv
import io
from array import array
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from ..border.files import LIMIT, open_content
from ..errors import expected
from ..storage.archive import ArchiveError, open_archive

NPZ_NAMES = ("x_train", "y_train", "x_test", "y_test")
DELIMITERS = "\t;,|"
LONGEST_LINE = 1 << 24


class Table(NamedTuple):
    """A text table, read.

    Attributes
    ----------
    x : array (N, I) of float64
        Every column but the target.
    y : array (N,) of float64 or str, or None
        The target: numbers where every cell is one, else text.
    columns : list of str, or None
        Names of the columns of x, where there is a header.
    target : str, int or None
        Name of the target's column, or its place where there is no header.
    """

    x: np.ndarray
    y: np.ndarray | None
    columns: list | None
    target: str | int | None


def read_npz(path):
    """Return the arrays x_train, y_train, x_test and y_test of an npz.

    Raises
    ------
    ValueError
        For a missing array, as many targets as not rows, tables of different widths, no rows.
    OSError
        Where the file cannot be read.
    """
    arrays = read_arrays(path, NPZ_NAMES)
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if x.ndim < 2 or 0 in x.shape:
            raise expected(f"{path}: x_{part}", "a shape (rows, columns), neither 0", x.shape)
        if y.ndim == 0 or len(y) != len(x):
            raise expected(f"{path}: y_{part}", f"{len(x)} rows, as x_{part}", f"shape {y.shape}")
    if arrays["x_test"].shape[1:] != arrays["x_train"].shape[1:]:
        wanted = f"rows of shape {arrays['x_train'].shape[1:]}, as x_train"
        raise expected(f"{path}: x_test", wanted, arrays["x_test"].shape[1:])
    return arrays


def read_arrays(path, names):
    """Return those arrays of an npz by name; others in it are not read.

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
                    raise expected(f"array {name!r}", f"one of this name in {path}", found)
            return {name: archive.read(name) for name in names}
    except ArchiveError as error:
        raise ValueError(f"{path}: {error}") from None


def is_number(cell):
    """Return whether a cell holds a number as `float` reads it, finite or not."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _text_lines(path):
    """Yield the lines of a text file, plain or gzipped, one by one.

    No more of the file than the table's numbers is held at once.
    """
    total = 0
    with open_content(path) as stream:
        if b"\0" in stream.peek(1024)[:1024]:
            raise expected(path, "delimited text", "a binary file")
        text = io.TextIOWrapper(stream, "utf-8-sig", newline=None)
        try:
            while line := text.readline(LONGEST_LINE):
                total += len(line)
                if len(line) == LONGEST_LINE or total > LIMIT:
                    wanted = f"lines below {LONGEST_LINE} characters, {LIMIT} in all"
                    raise expected(path, wanted, "more")
                yield line
        except UnicodeDecodeError as error:
            found = f"byte {error.object[error.start]:#04x}"
            raise expected(path, "UTF-8 text", found) from None


def _open_table(path):
    """Return (number of columns, header as a list or None, iterator of (line number, cells))."""
    lines = _text_lines(path)
    first = list(islice((line for line in lines if line.strip()), 2))
    if not first:
        raise expected(path, "a table of at least one row", "an empty file")
    delimiter = next((d for d in DELIMITERS if all(d in line for line in first)), None)
    rows = _cells(path, chain(first, lines), delimiter)
    number, cells = next(rows)
    second = next(rows, (number, cells))
    if _has_header(cells, second[1]):
        return len(cells), cells, chain([second] if second[0] != number else [], rows)
    return len(cells), None, chain([(number, cells)], [second] if second[0] != number else [], rows)


def _cells(path, lines, delimiter):
    """Yield (line number, cells) of every line that holds something."""
    if delimiter is None:
        rows = ((number, line.split()) for number, line in enumerate(lines, 1))
    else:
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        rows = ((reader.line_num, [cell.strip() for cell in row]) for row in reader)
    try:
        yield from ((number, cells) for number, cells in rows if any(cells))
    except csv.Error as error:
        raise expected(path, "delimited text", str(error)) from None


def _has_header(first, second):
    """Return whether a first line names columns: it has text above a number of the second."""
    texts = [not is_number(cell.replace(",", ".")) for cell in first]  # 1,5 is no name
    pairs = zip(texts, second, strict=False)
    return all(texts) or any(text and is_number(below) for text, below in pairs)


def table_shape(path):
    """Return (number of columns, header as a list or None) of a text table."""
    return _open_table(path)[:2]


def _target_place(path, target, header, width):
    """Return the target's place among `width` columns, from its name or its index."""
    if header is not None and header.count(target) == 1:
        return header.index(target)
    known = ", ".join(header[:12]) if header is not None else "it has no header"
    try:
        place = int(target)
    except ValueError:
        place = None
    if place is None or not -width <= place < width or (header and header.count(target) > 1):
        wanted = f"a column's name ({known}) or its index from {-width} to {width - 1}"
        raise expected(f"{path}: target", wanted, repr(target))
    return place % width


def read_table(path, target=None):
    """Return a text table; delimiter and header are found by looking at it.

    Cells are divided by a tab, semicolon, comma or bar, the first of these that the first two lines
    have, else by white space. The first line is a header where it holds no
    number, or text above a number. Gzipped text is unpacked.

    Parameters
    ----------
    path : path
    target : str or int, optional
        The target's column, by name or by index (from 0, or from the end: -1 is the last). Without
        it every column is an input.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        For an unknown target, a line of another width, or a cell of an input column that is not a
        finite number; the message names file and line.
    OSError
        Where the file cannot be read.
    """
    width, header, lines = _open_table(path)
    place = None if target is None else _target_place(path, str(target), header, width)
    values, targets, count = array("d"), [], 0
    for number, cells in lines:
        if len(cells) != width:
            raise expected(f"{path}, line {number}", f"{width} columns", len(cells))
        if place is not None:
            targets.append(cells.pop(place))
        try:
            values.extend(map(float, cells))
        except ValueError:
            cell = next(cell for cell in cells if not is_number(cell))
            raise expected(f"{path}, line {number}", "a number in every input column",
                           repr(cell)) from None  # fmt: skip
        count += 1
    if count == 0 or width == (place is not None):
        raise expected(path, "at least one row and one input column", f"{count} rows of {width}")
    x = np.frombuffer(values, np.float64).reshape(count, -1)
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise expected(f"{path}, data row {row}", "finite numbers", x[row, column])
    if header is not None and place is not None:
        target = header.pop(place)
    elif place is not None:
        target = place
    return Table(x, _target_array(path, targets), header, target)


def _target_array(path, cells):
    """Return target cells as float64 where all are numbers, else as text; None without any."""
    if not cells:
        return None
    if "" in cells:
        raise expected(f"{path}, data row {cells.index('')}", "a target", "an empty cell")
    if not all(is_number(cell) for cell in cells):
        return np.array(cells)
    y = np.array(cells, np.float64)
    if not np.isfinite(y).all():
        row = int(np.argmin(np.isfinite(y)))
        raise expected(f"{path}, data row {row}", "a finite target", y[row])
    return y
