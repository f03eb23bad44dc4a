"""Rows of a table that need not be in memory: what `fit` and `predict` ask of their inputs.

An input is anything with a ``shape`` and row indexing: an array, a memory-mapped one, a Dask
array, a data set that scales as it reads. Nothing is read but the rows of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import expected
from .arrays import refuse_not_finite, take_array


def check_rows(x: Any, thing: str = "x") -> Any:
    """Return x after checking that it has a known shape of at least rank 2.

    Lists and data frames are made arrays.

    Raises
    ------
    TypeError
        For a masked, structured, sparse or object array, or a frame with such columns.
    ValueError
        The message names the thing and what was found.
    """
    is_frame = hasattr(x, "columns") and hasattr(x, "to_numpy")
    if isinstance(x, np.ndarray) or is_frame or not hasattr(x, "shape") or hasattr(x, "tocsr"):
        x = take_array(x, thing, finite=False)
    if any(not isinstance(size, (int, np.integer)) for size in x.shape):
        wanted = "known chunk sizes (call its compute_chunk_sizes() first)"
        raise expected(thing, wanted, f"{type(x).__name__} of shape {tuple(x.shape)}")
    if len(x.shape) < 2:
        raise expected(thing, "rank 2 or more, rows first", f"shape {tuple(x.shape)}")
    return x


def take(x: Any, index: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """Return the rows of that index, in its order, as an array.

    Arrays are indexed as they are. Anything else is asked for its rows in ascending order (some
    stores know no other), and where it knows slices alone, row by row.

    Parameters
    ----------
    x : array or object with ``shape`` and row indexing
    index : int array (B,)
    """
    if isinstance(x, np.ndarray):
        return x[index]
    order = np.argsort(index, kind="stable")
    ascending = index[order]
    try:
        rows = np.asarray(x[ascending])
    except (TypeError, IndexError, NotImplementedError):
        rows = np.concatenate([np.asarray(x[int(i) : int(i) + 1]) for i in ascending])
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return rows[back]


def refuse_rows(
    x: NDArray[Any], thing: str, dtype: DTypeLike, index: Sequence[int] | NDArray[np.integer[Any]]
) -> None:
    """Raise a `ValueError` for the first entry that is not finite in the dtype.

    Parameters
    ----------
    x : array (B, ...)
    thing : str
    dtype : dtype
    index : int array (B,)
        The rows' places in the person's table.
    """
    if x.dtype.kind not in "fc":
        return
    with np.errstate(over="ignore", invalid="ignore"):
        cast = x.astype(dtype, copy=False)
    good = np.isfinite(cast).all(axis=tuple(range(1, cast.ndim)))
    if not good.all():
        row = int(np.argmin(good))
        part = slice(row, row + 1)
        refuse_not_finite(x[part], thing, cast=cast[part], first_row=int(index[row]))
