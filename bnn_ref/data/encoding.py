"""Encoding: how stored rows become a network's inputs and targets, and its outputs come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..border import check_choice, refuse_not_finite
from ..border.schema import Maybe, check_schema
from ..errors import expected
from ..likelihoods import LIKELIHOODS, Targets, tasks
from .cells import any_of
from .layout import SCHEMA as LAYOUT
from .layout import Layout
from .rows import Rows

PIECE = 1 << 22  # numbers that are checked at once
SCHEMA: dict[str, Any] = {
    "task": str,
    "inputs": int,
    "x_loc": (float, [float]),
    "x_scale": (float, [float]),
    "classes": ([str], NoneType),
    "y_loc": ([float], NoneType),
    "y_scale": ([float], NoneType),
    "x_range": Maybe(([float], NoneType)),
    "x_whole": Maybe(bool),
    "layout": Maybe((LAYOUT, NoneType)),
}


def moments(
    columns: NDArray[Any], thing: str = "rows", names: Sequence[str] = ()
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation (divided by N) of each column.

    A constant column has its value for a mean, and 1 for a scale: it becomes exactly 0.

    Parameters
    ----------
    columns : array (N, columns)
    thing : str
        What the message calls them.
    names : sequence of str
        Of the columns, where they have names.

    Raises
    ------
    ValueError
        For a column whose deviations are so large or so small that their squares are not.
    """
    columns = np.asarray(columns, np.float64)
    constant = columns.min(axis=0) == columns.max(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        loc, scale = columns.mean(axis=0), columns.std(axis=0)
    loc, scale = np.where(constant, columns[0], loc), np.where(constant, 1.0, scale)
    unfit = np.flatnonzero(~(np.isfinite(scale) & (scale > 0)))
    if len(unfit):
        k = int(unfit[0])
        wanted = "numbers whose squared deviations a float64 holds"
        column = columns.reshape(len(columns), -1)[:, k]
        where = f"{thing}, column {names[k]!r}" if names else f"{thing}, column {k}"
        raise expected(where, wanted, f"{column.min():g} to {column.max():g}")
    return loc, scale


@dataclass(frozen=True)
class Encoding:
    """What was learned from training rows about reading rows; kept with a run as JSON.

    Parameters
    ----------
    task : str
        What targets are: one of `likelihoods.tasks`.
    inputs : int
        I.
    x_loc, x_scale : float or list of I
        An input is (stored - x_loc) / x_scale.
    classes : list, optional
        The names of the class ids 0, 1, ...; None where the stored labels are the ids.
    y_loc, y_scale : list of O, optional
        A number is (stored - y_loc) / y_scale; None where stored targets are used.
    x_range : list of 2, optional
        The least and the greatest stored input of arrays and images.
    x_whole : bool
        Whether all of them were whole numbers: what tells 0 to 255 from 0 to 1 when others come.
    layout : Layout, optional
        The columns of a text table.
    """

    task: str
    inputs: int
    x_loc: float | list[float] = 0.0
    x_scale: float | list[float] = 1.0
    classes: list[str] | None = None
    y_loc: list[float] | None = None
    y_scale: list[float] | None = None
    x_range: list[float] | None = None
    x_whole: bool = False
    layout: Layout | None = None

    @property
    def targets(self) -> Targets:
        """What the task's likelihood says of them."""
        return LIKELIHOODS[self.task].targets

    @property
    def columns(self) -> list[str] | None:
        """Names of a text table's input columns, in order; None for other data."""
        return None if self.layout is None else self.layout.columns

    @property
    def target(self) -> str | None:
        """Name of a text table's target; None for other data."""
        return None if self.layout is None else self.layout.target

    def encode_x(
        self, values: NDArray[Any], dtype: DTypeLike = "float32", thing: str = "rows"
    ) -> Rows:
        """Return `Rows` of stored inputs.

        Parameters
        ----------
        values : array (N, ...)
            Flattened to rows.
        dtype : "float32" or "float64"
        thing : str
            What the message calls them.

        Raises
        ------
        ValueError
            Where they are no table of numbers, have another number of columns, a value that is not
            finite in the model's dtype (the message names row and column), or plainly another unit
            than the training rows: 0 to 1 where those were 0 to 255, or the reverse.
        """
        columns = Rows(values, thing=thing).shape[1]
        if columns != self.inputs:
            raise expected(thing, f"{self.inputs} inputs a row", columns)
        rows = Rows(values, loc=self.x_loc, scale=self.x_scale, dtype=dtype)
        _check_finite(rows, thing)
        self._check_unit(rows, thing)
        return rows

    def _check_unit(self, rows, thing):
        """Raise the `ValueError` for pixels that were divided where others were not."""
        if self.x_range is None:
            return
        low, high = self.x_range
        least, most = value_range(rows.values)
        pixels = isinstance(self.x_scale, float) and self.x_scale > 1
        if pixels and (least < 0 or most > self.x_scale):
            raise expected(thing, f"pixels from 0 to {self.x_scale:g}", f"{least:g} to {most:g}")
        if low < 0 or least < 0 or most == 0:
            return
        values = rows.values
        if (high > 1 >= most and self.x_whole and values.dtype.kind == "f"
                and (pixels or not is_whole(values))):  # fmt: skip
            doubt = "divided already"
        elif most > 1 >= high and (most > 16 or (is_whole(values) and not self.x_whole)):
            doubt = "to be divided first"
        else:
            return
        wanted = f"numbers in the training rows' unit, {low:g} to {high:g}"
        raise expected(thing, wanted, f"{least:g} to {most:g} ({doubt}?)")

    def encode_y(self, values: NDArray[Any], thing: str = "targets") -> NDArray[Any]:
        """Return stored targets as class ids (N,), 0/1 (N, O), or numbers (N, O).

        A column (N, 1) of class ids becomes (N,); one-hot rows stay, for a likelihood to refuse.

        Parameters
        ----------
        values : array (N,) or (N, O)
        thing : str
            What the message calls them.

        Raises
        ------
        ValueError
            For a class that was not among the training rows, or text where numbers are wanted.
        """
        values = np.asarray(values)
        if self.classes is not None:
            places = {name: k for k, name in enumerate(self.classes)}
            names = values.reshape(-1).tolist()
            ids = np.array([places.get(name, -1) for name in names], np.int64)
            if ids.min() < 0:
                row = int(np.argmin(ids))
                raise expected(f"{thing}, row {row}", any_of(self.classes), repr(names[row]))
            return self.targets.of_ids(ids)
        if values.dtype.kind not in "biuf":
            raise expected(thing, "numbers", repr(values.reshape(-1).tolist()[0]))
        values = self.targets.of_numbers(values)
        if self.y_loc is None:
            return values
        return (values.astype(np.float64) - self.y_loc) / self.y_scale

    def decode_mean(self, mean: NDArray[Any]) -> NDArray[Any]:
        """Return predicted means (N, O) in the targets' own units.

        Parameters
        ----------
        mean : array (N, O)
        """
        return mean if self.y_loc is None else mean * self.y_scale + self.y_loc

    def decode_scale(self, scale: NDArray[Any]) -> NDArray[Any]:
        """Return standard deviations (N, O) or an RMSE (O,) in the targets' own units.

        Parameters
        ----------
        scale : array (N, O) or (O,)
        """
        return scale if self.y_scale is None else scale * np.asarray(self.y_scale)

    def decode_nats(self, nats: Any) -> Any:
        """Return a log-density of scaled targets as one of the targets in their own units.

        p(y) = p((y - y_loc) / y_scale) / y_scale for each output. Probabilities stay as they are.

        Parameters
        ----------
        nats : float or array
            Summed over the outputs.
        """
        return nats if self.y_scale is None else nats - float(np.sum(np.log(self.y_scale)))

    def to_json(self) -> dict[str, Any]:
        """Return the encoding as a dict of plain numbers, lists and text; every bit is kept."""
        return asdict(self)

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> Encoding:
        """Return the encoding that `to_json` described.

        Parameters
        ----------
        description : dict

        Raises
        ------
        ValueError
            For other keys, or a value of another kind; the message names the key.
        """
        check_schema(description, SCHEMA, "encoding")
        check_task(description["task"], "encoding: task")
        layout = description.get("layout")
        layout = None if layout is None else Layout.from_json(layout)
        encoding = cls(**{**description, "layout": layout})
        encoding._check_lengths()
        return encoding

    def _check_lengths(self):
        """Raise the `ValueError` for no inputs, lists of another length, or a scale below 0."""
        if self.inputs < 1:
            raise expected("encoding: inputs", "a whole number above 0", self.inputs)
        lengths = {"x_loc": self.inputs, "x_scale": self.inputs, "x_range": 2}
        for name, length in lengths.items():
            value = getattr(self, name)
            if isinstance(value, list) and len(value) != length:
                raise expected(f"encoding: {name}", f"{length} numbers", len(value))
        for name in ("x_scale", "y_scale"):
            value = getattr(self, name)
            if value is not None and not np.all(np.asarray(value) > 0):
                raise expected(f"encoding: {name}", "numbers above 0", repr(value))
        if self.y_loc is not None and not self.targets.standardised:
            raise expected("encoding: y_loc", f"none of {self.task} targets", repr(self.y_loc))
        if (self.y_loc is None) != (self.y_scale is None) or (
            self.y_loc is not None and len(self.y_loc) != len(self.y_scale)
        ):
            raise expected("encoding: y_scale", "as many numbers as y_loc", repr(self.y_scale))


def check_task(task: str, thing: str = "likelihood") -> str:
    """Return a task for which data can be read, or raise the `ValueError` for another.

    Parameters
    ----------
    task : str
    thing : str
        What the message calls it.
    """
    return check_choice(task, thing, tasks())


def value_range(values: NDArray[Any]) -> tuple[float, float]:
    """Return the least and the greatest of an array's values, as floats.

    Parameters
    ----------
    values : array
    """
    return float(values.min()), float(values.max())


def is_whole(values: NDArray[Any]) -> bool:
    """Return whether an array's values are all whole numbers.

    Parameters
    ----------
    values : array (N, ...)
    """
    if values.dtype.kind != "f":
        return True
    step = max(1, PIECE // max(1, values[0].size))
    pieces = (values[first : first + step] for first in range(0, len(values), step))
    return all(bool((piece == np.rint(piece)).all()) for piece in pieces)


def _check_finite(rows, thing):
    """Raise the `ValueError` for the first value that is not finite in the batches' dtype."""
    if rows.values.dtype.kind != "f":
        return
    step = max(1, PIECE // rows.shape[1])
    for first in range(0, len(rows), step):
        piece = rows.values[first : first + step]
        with np.errstate(over="ignore", invalid="ignore"):
            batch = rows[first : first + step]
        refuse_not_finite(np.asarray(piece), thing, cast=batch, first_row=first)
