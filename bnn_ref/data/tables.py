"""Delimited text as cells: what divides them, which line names them, on which line they stand.

Pandas divides the lines; every cell is text here.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..border.files import CHUNK, open_content, open_file
from ..errors import expected, missing
from .cells import is_number
from .layout import check_header

if TYPE_CHECKING:
    from .reading import Reading

DELIMITERS = "\t;,|"
LONGEST_LINE = 1 << 24
MOST_COLUMNS = 100_000
BLANK = " \t\n"  # all that a blank line may hold
CELLS = 1 << 17  # of a piece that is in memory as text


class Shape(NamedTuple):
    """What the first lines of a table say about it.

    Attributes
    ----------
    width : int
    header : list of str, or None
    separator : str
        " " for any white space.
    """

    width: int
    header: list[str] | None
    separator: str


class _Text:
    """The text of a file, plain or gzipped, checked as it is read: by the line, or by the piece.

    pandas reads pieces, all else lines.
    """

    def __init__(self, path, stream):
        if b"\0" in stream.peek(1024):
            raise expected(path, "delimited text", "a binary file")
        self.path, self.line = path, 0
        self.stream = io.TextIOWrapper(stream, "utf-8-sig", newline=None)

    def __iter__(self):
        while line := self._checked(self.stream.readline, LONGEST_LINE):
            yield line

    def read(self, size):
        """Return up to that many characters."""
        return self._checked(self.stream.read, size)

    def _checked(self, read, size):
        try:
            text = read(size)
        except UnicodeDecodeError as error:
            found = f"byte {error.object[error.start]:#04x}"
            raise expected(self.path, "UTF-8 text", found) from None
        if "\0" in text:
            raise expected(self.path, "delimited text", "a binary file")
        end = text.rfind("\n")
        self.line = self.line + len(text) if end < 0 else len(text) - end - 1
        if self.line >= LONGEST_LINE:
            raise expected(self.path, f"lines below {LONGEST_LINE} characters", "more")
        return text


def _text_lines(path):
    """Yield the lines of a text file, plain or gzipped, one by one."""
    with open_content(path) as stream:
        yield from _Text(path, stream)


def check_gzip(path: str | PathLike[str]) -> None:
    """Read a gzipped file to its end once, so that a bomb or a cut is found before any parsing.

    Parameters
    ----------
    path : path
    """
    with open_file(path) as file:
        if file.peek(2)[:2] != b"\x1f\x8b":
            return
    with open_content(path) as stream:
        while stream.read(CHUNK):
            continue


def _records(path, separator):
    """Yield (line number, cells) of every record that is no blank line, as pandas divides them.

    Quotes hold a cell together, but with white space between cells they are letters.
    """
    lines = _text_lines(path)
    if separator == " ":
        for number, line in enumerate(lines, 1):
            cells = [cell.strip() for cell in re.split("[ \t]+", line.strip(BLANK)) if cell]
            if cells:
                yield number, cells
        return
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    number = 1
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip(BLANK)):
                yield number, [cell.strip() for cell in row]
            number = reader.line_num + 1
    except csv.Error as error:
        raise expected(path, "delimited text", str(error)) from None


def place_of(path: str | PathLike[str], shape: Shape, record: int) -> str:
    """Return "PATH, line N" of the line on which a record begins, blank lines counted.

    Parameters
    ----------
    path : path
    shape : Shape
    record : int
        Its place among all records, from 0, the header among them.
    """
    row = next(islice(_records(path, shape.separator), int(record), None), None)
    return f"{path}, record {record + 1}" if row is None else f"{path}, line {row[0]}"


def table_shape(path: str | PathLike[str], reading: Reading) -> Shape:
    """Return the `Shape` of a text table: as the reading says, else as its first lines look.

    Cells are divided by a tab, semicolon, comma or bar, the first of these that divides the first
    two lines into as many cells, else by white space. The first line is a header where it holds no
    number, or text above a number.

    Parameters
    ----------
    path : path
    reading : Reading

    Raises
    ------
    ValueError, OSError
        For a file that is no text, or an empty one.
    """
    separator = reading.separator or _find_separator(path)
    cells, second = _first_two(path, separator)
    if len(cells) > MOST_COLUMNS:
        raise expected(path, f"at most {MOST_COLUMNS} columns", len(cells))
    header = reading.header
    if header is None:
        header = _looks_like_header(cells, second)
    if header:
        check_header(path, cells)
    return Shape(len(cells), cells if header else None, separator)


def _first_two(path, separator):
    """Return the cells of the first two records; of the only one twice."""
    rows = [cells for _, cells in islice(_records(path, separator), 2)]
    if not rows:
        raise expected(path, "a table of at least one row", "an empty file")
    return rows[0], rows[-1]


def _find_separator(path):
    """Return the first mark that divides the first two records into as many cells, else a blank."""
    line = next((line for line in _text_lines(path) if line.strip(BLANK)), "")
    widths = {mark: [len(cells) for cells in _first_two(path, mark)]
              for mark in DELIMITERS if mark in line}  # fmt: skip
    wide = [mark for mark, (first, other) in widths.items() if first > 1 and other > 1]
    even = [mark for mark in wide if widths[mark][0] == widths[mark][1]]
    return next(iter(even + wide), " ")


def _looks_like_header(first, second):
    """Return whether a first line names columns: it has text above a number of the second."""
    texts = [not is_number(cell.replace(",", ".")) for cell in first]  # 1,5 is no name
    pairs = zip(texts, second, strict=False)
    return all(texts) or any(text and is_number(below) for text, below in pairs)


def frames(
    path: str | PathLike[str], shape: Shape
) -> Iterator[tuple[int, list[NDArray[np.object_]]]]:
    """Yield (place of the first record, list of object arrays of text) of pieces of the table.

    Parameters
    ----------
    path : path
    shape : Shape
    """
    try:
        import pandas
    except ImportError:
        raise missing(f"the text table {path}", "pandas", "tables") from None
    start = 0
    with open_content(path) as stream:
        try:
            pieces = pandas.read_csv(
                _Text(path, stream),
                sep=r"\s+" if shape.separator == " " else shape.separator,
                header=None,
                names=range(shape.width),
                index_col=False,
                dtype=object,
                na_filter=False,
                skipinitialspace=True,
                skip_blank_lines=True,
                quoting=csv.QUOTE_NONE if shape.separator == " " else csv.QUOTE_MINIMAL,
                chunksize=max(1, CELLS // shape.width),
            )
            for frame in pieces:
                columns = [frame[k].to_numpy() for k in range(shape.width)]
                if start == 0 and shape.header is not None:
                    columns, start = [column[1:] for column in columns], 1
                yield start, columns
                start += len(columns[0])
        except pandas.errors.ParserError as error:
            raise _parser_error(path, shape, str(error)) from None


def _parser_error(path, shape, text):
    """Return the error for what pandas could not divide into cells."""
    if "EOF inside string" in text:
        return expected(path, "delimited text", "a quote that is never closed")
    wide = re.search(r"Expected (\d+) fields in line \d+, saw \d+", text)
    if wide is None:
        return expected(path, "delimited text", text)
    return ragged(path, shape) or expected(path, f"{shape.width} columns", text)


def ragged(path: str | PathLike[str], shape: Shape) -> ValueError | None:
    """Return the error for the first record of another width, or None.

    Parameters
    ----------
    path : path
    shape : Shape
    """
    for line, cells in _records(path, shape.separator):
        if len(cells) != shape.width:
            return expected(f"{path}, line {line}", f"{shape.width} columns", len(cells))
    return None
