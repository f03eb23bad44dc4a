"""Layout: which columns of a text table are a network's inputs, and how another table has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..border.schema import check_schema
from ..errors import expected

if TYPE_CHECKING:
    from .reading import Reading

SCHEMA: dict[str, Any] = {
    "columns": [str],
    "places": [int],
    "width": int,
    "named": bool,
    "target": (str, NoneType),
    "target_place": (int, NoneType),
    "levels": {...: [str]},
}
INDEX_NAMES = ("", "Unnamed: 0")  # how pandas writes an index, and how it names it when read again


@dataclass(frozen=True)
class Layout:
    """The columns of the table that a run was trained on; kept with it as JSON.

    Parameters
    ----------
    columns : list of str
        Names of the input columns, in order; "column K" where there was no header.
    places : list of int
        Their places in the table.
    width : int
        How many columns it had.
    named : bool
        Whether it had a header.
    target : str
        Name of the target's column.
    target_place : int or None
        Its place; None where there was no target.
    levels : dict of str to list of str
        The values of each one-hot encoded column, in the order of their inputs.
    """

    columns: list[str]
    places: list[int]
    width: int
    named: bool
    target: str | None = None
    target_place: int | None = None
    levels: dict[str, list[str]] = field(default_factory=dict)

    @property
    def inputs(self) -> int:
        """How many inputs of a network the columns become."""
        return sum(len(self.levels.get(name, "1")) for name in self.columns)

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> Layout:
        """Return the layout that `dataclasses.asdict` described.

        Raises
        ------
        ValueError
            For anything else.
        """
        layout = cls(**check_schema(description, SCHEMA, "encoding: layout"))
        names = set(layout.columns)
        if not len(layout.columns) == len(layout.places) == len(names) > 0:
            found = len(layout.places)
            raise expected("encoding: layout", "a place for each of its columns", found)
        if not set(layout.levels) <= names:
            raise expected("encoding: layout", "levels of its columns", ", ".join(layout.levels))
        return layout


class Selection(NamedTuple):
    """Which columns of a table are read.

    Attributes
    ----------
    columns : list of str
        Names of the input columns, in the order of the inputs.
    places : list of int
        Where they are in this table.
    levels : dict of str to list or None, or None
        The one-hot encoded columns, with their values where those are known; None takes every
        input column that has a cell of text.
    target : str or None
        Name of the target's column.
    target_place : int or None
        Where it is in this table; None where it is not read.
    left : dict of str to str
        Columns that are not read, and why not.
    how : str
        How the columns of a run were found, in words.
    """

    columns: list[str]
    places: list[int]
    levels: dict[str, list[str] | None] | None
    target: str | None
    target_place: int | None
    left: dict[str, str]
    how: str = ""


def names_of(header: Sequence[str] | None, width: int) -> list[str]:
    """Return the names of all columns: the header's, or "column K"."""
    return list(header) if header is not None else [f"column {k}" for k in range(width)]


def check_header(path: str | PathLike[str], header: Sequence[str] | None) -> None:
    """Raise the `ValueError` for a name that two columns have, or a later column without one."""
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise expected(f"{path}: header", "each name once", f"{twice[0]!r} twice")
    for place, name in enumerate(header):
        if place and not name:
            wanted = f"a name for each of {len(header)} columns"
            found = f"none for column {place} (does the line end in a separator?)"
            raise expected(f"{path}: header", wanted, found)


def find_column(
    path: str | PathLike[str],
    thing: str,
    wanted: str | int,
    header: Sequence[str] | None,
    width: int,
) -> int:
    """Return the place of a column from its name or its index (from the end below 0).

    A name comes before an index.

    Parameters
    ----------
    path : path
    thing : str
        What the message calls it.
    wanted : str or int
    header : list of str or None
    width : int

    Raises
    ------
    ValueError
        Where there is none.
    """
    if header is not None and wanted in header:
        return header.index(wanted)
    known = ", ".join(header[:12]) if header is not None else "it has no header"
    try:
        place = int(wanted)
    except ValueError:
        place = width
    if not -width <= place < width:
        text = f"a column's name ({known}) or its index from {-width} to {width - 1}"
        raise expected(f"{path}: {thing}", text, repr(wanted))
    return place % width


def select_to_train(
    path: str | PathLike[str],
    header: Sequence[str] | None,
    width: int,
    reading: Reading,
    target: str | int | None = None,
) -> Selection:
    """Return the `Selection` of a table to train on: every column that nothing takes out.

    Parameters
    ----------
    path : path
    header : list of str or None
    width : int
    reading : Reading
    target : str or int, optional

    Raises
    ------
    ValueError
        For a column that is not there, or that is two things at once.
    """
    names = names_of(header, width)
    at = None if target is None else find_column(path, "target", str(target), header, width)
    dropped = {find_column(path, "drop", name, header, width) for name in reading.drop}
    encoded = set()
    if reading.categorical != "all":
        encoded = {find_column(path, "categorical", n, header, width) for n in reading.categorical}
    for thing, places in (("drop", dropped), ("categorical", encoded)):
        if at in places:
            raise expected(f"{path}: {thing}", "columns beside the target", repr(names[at]))
    if dropped & encoded:
        name = names[min(dropped & encoded)]
        raise expected(f"{path}: {name!r}", "one of drop and categorical", "both")
    left = {names[place]: "dropped" for place in sorted(dropped)}
    if header and header[0] in INDEX_NAMES and not reading.index and 0 not in encoded | {at}:
        left[names[0]] = "taken for an index (--index yes makes it an input)"
        dropped.add(0)
    places = [place for place in range(width) if place not in dropped and place != at]
    columns = [names[place] for place in places]
    levels = {names[place]: None for place in sorted(encoded)}
    if reading.categorical == "all":
        levels = None
    return Selection(columns, places, levels, None if at is None else names[at], at, left)


def select_to_score(
    path: str | PathLike[str],
    header: Sequence[str] | None,
    width: int,
    layout: Layout,
    target: str | int | None = None,
    with_target: bool = True,
) -> Selection:
    """Return the `Selection` of another table that has the columns a run was trained on.

    By name, in whatever order, where both tables have a header; else by place.

    Parameters
    ----------
    path : path
    header : list of str or None
    width : int
    layout : Layout
        The run's.
    target : str or int, optional
        The target's column, where it is another than the run's.
    with_target : bool
        Whether the target is read.

    Raises
    ------
    ValueError
        For a column that is not there.
    """
    by_name = header is not None and layout.named
    if by_name:
        sought = [*layout.columns, *([layout.target] if with_target and target is None else [])]
        missing = [name for name in sought if name not in header]
        if missing:
            wanted = f"a column {missing[0]!r}, which the run was trained on"
            raise expected(path, wanted, ", ".join(header[:12]))
        places, place = [header.index(name) for name in layout.columns], layout.target
    else:
        places, place = _by_place(path, width, layout)
    at = None
    if with_target:
        wanted = place if target is None else str(target)
        if wanted is None:
            raise expected(f"{path}: target", "the target's column", f"{width} columns without it")
        at = find_column(path, "target", wanted, header, width)
    names, taken = names_of(header, width), {*places, at}
    rest = [names[k] for k in range(width) if k not in taken]
    left = {name: "ignored" for name in rest if name != layout.target}
    how = "found by name" if by_name else "found by place, for not both tables have a header"
    return Selection(layout.columns, places, layout.levels, layout.target, at, left, how)


def _by_place(path, width, layout):
    """Return (places of the inputs, the target's place or None) in a table of that width."""
    places, target = layout.places, layout.target_place
    if width == layout.width:
        return places, target
    if target is not None and width == layout.width - 1:
        return [place - (place > target) for place in places], None
    if width == len(places):
        return list(range(width)), None
    wanted = f"the {layout.width} columns that the run was trained on, or its {len(places)} inputs"
    raise expected(path, f"{wanted} (a header on both sides finds them by name)", width)
