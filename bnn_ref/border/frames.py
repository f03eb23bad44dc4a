"""Columns of a data frame, with dtypes that NumPy has not: masked, categorical, Arrow's.

NumPy sees objects in them, and in a frame of booleans and numbers. What a column says of itself
tells numbers from others, so pandas is not imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import expected
from .text import show


def is_column(value: Any) -> bool:
    """Return whether a value is a column (or an array) of a dtype that NumPy has not."""
    dtype = getattr(value, "dtype", None)
    return dtype is not None and not isinstance(dtype, np.dtype) and hasattr(value, "isna")


def check_columns(value: Any, thing: str, *, numbers: bool = True) -> None:
    """Raise where a frame or a column of a dtype that NumPy has not lacks a value or holds text.

    Parameters
    ----------
    value : object
        Whatever else it is passes.
    thing : str
        What the message calls it.
    numbers : bool
        Whether values that are no numbers are refused.

    Raises
    ------
    TypeError, ValueError
        As `frame_array`.
    """
    for column, where in _columns(value):
        if is_column(column):
            (_numbers if numbers else _refuse_missing)(column, thing, where)


def frame_array(value: Any, thing: str) -> NDArray[Any] | None:
    """Return a frame (N, I) or a column (N,) as an array of numbers, None where NumPy does alone.

    Parameters
    ----------
    value : object
    thing : str
        What the message calls it.

    Raises
    ------
    TypeError
        For a column that holds no numbers; the message names it.
    ValueError
        For a value that is missing; the message names row and column.
    """
    if not (_is_frame(value) or is_column(value)):
        return None
    dtypes = list(value.dtypes) if _is_frame(value) else [value.dtype]
    plain = all(isinstance(dtype, np.dtype) and dtype.kind in "buifc" for dtype in dtypes)
    if plain and len({dtype.kind == "b" for dtype in dtypes}) < 2:
        return None
    columns = [_numbers(column, thing, where) for column, where in _columns(value)]
    return np.stack(columns, axis=-1) if _is_frame(value) else columns[0]


def _is_frame(value):
    return hasattr(value, "columns") and hasattr(value, "iloc")


def _columns(value):
    """Return pairs (column, where it is, in words) of a frame, or the one of a column."""
    if _is_frame(value):
        names = list(value.columns)
        return [(value.iloc[:, k], f", column {show(name)}") for k, name in enumerate(names)]
    return [(value, "")] if is_column(value) else []


def _numbers(column, thing, where):
    """Return a column's values as NumPy has them."""
    dtype = column.dtype
    held = dtype.categories.dtype if hasattr(dtype, "categories") else dtype
    if held.kind not in "buif":
        place = where.replace(", ", " in ", 1)
        raise TypeError(f"{thing}: expected numbers, found dtype {dtype}{place}")
    if isinstance(dtype, np.dtype):
        return np.asarray(column)
    _refuse_missing(column, thing, where)
    if dtype is held and hasattr(dtype, "numpy_dtype"):
        return column.to_numpy(dtype=dtype.numpy_dtype)
    return np.asarray(column)


def _refuse_missing(column, thing, where):
    gone = np.asarray(column.isna())
    if gone.any():
        raise expected(thing, "a value in every row", f"none in row {int(gone.argmax())}{where}")
