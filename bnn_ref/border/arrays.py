"""Arrays that come in from outside: one function takes them, one owns them where they are written.

`take_array` says what a thing is called, which dtypes keep their values, which shape it has, and
that it is finite after the cast to the model's dtype. `own_array` returns what compiled code may
write to: contiguous, aligned, native, writable, nobody else's. `aligned` makes new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import expected
from .frames import frame_array

NUMBERS = "buif"  # dtype kinds that are real numbers
CACHE_LINE = 64  # bytes


def as_array(value: ArrayLike, thing: str) -> NDArray[Any]:
    """Return a value as `numpy.asarray` does, or raise where that would drop what it says.

    Data frames and columns are numbers whatever pandas keeps them in, see `frame_array`.

    Parameters
    ----------
    value : array-like
    thing : str
        What the message calls it.

    Raises
    ------
    TypeError
        For a masked array, whose mask would be lost, a sparse one, and a frame's column of text.
    ValueError
        For rows of different lengths, and a frame's missing value.
    """
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{thing}: expected a plain array, found a masked array (fill or drop it)")
    if hasattr(value, "tocsr") or hasattr(value, "todense"):
        raise TypeError(f"{thing}: expected a dense array, found {type(value).__name__} (sparse)")
    found = frame_array(value, thing)
    if found is not None:
        return found
    try:
        return np.asarray(value)
    except ValueError:  # ragged rows
        raise expected(thing, "rows of one length", "rows of different lengths") from None


def take_array(
    value: ArrayLike,
    thing: str,
    *,
    dtype: DTypeLike | None = None,
    shape: Sequence[int | None] | None = None,
    kinds: str = NUMBERS,
    finite: bool = True,
) -> NDArray[Any]:
    """Return a value from outside as an array of numbers, checked; nothing is scaled or clipped.

    Integers and booleans keep their values. Data frames are taken where every column is numeric.

    Parameters
    ----------
    value : array-like
    thing : str
        What the message calls it.
    dtype : dtype, optional
        What the numbers are cast to; their own unless given.
    shape : tuple of int or None, optional
        The shape wanted, None for any length; any shape unless given.
    kinds : str
        The kinds of dtype taken, as NumPy letters them.
    finite : bool
        Refuse a NaN, an infinity, and a number that overflows in `dtype`.

    Returns
    -------
    array of `dtype`; not copied where it is right already.

    Raises
    ------
    TypeError
        For a masked, structured, sparse or object array, or a dtype that is no number's.
    ValueError
        For another shape, or a value that is not finite: the message names row and column.
    """
    array = as_array(value, thing)
    if array.dtype.kind not in kinds:
        found = "fields " + ", ".join(array.dtype.names) if array.dtype.names else array.dtype
        raise TypeError(f"{thing}: expected numbers, found dtype {found}")
    if shape is not None and (
        array.ndim != len(shape)
        or any(want is not None and want != n for want, n in zip(shape, array.shape, strict=True))
    ):
        wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        raise expected(thing, f"shape {wanted}", array.shape)
    cast = array
    if dtype is not None and array.dtype != dtype:
        with np.errstate(over="ignore"):
            cast = array.astype(dtype)
    if finite:
        refuse_not_finite(array, thing, cast=cast)
    return cast


def refuse_not_finite(
    array: NDArray[Any], thing: str, *, cast: NDArray[Any] | None = None, first_row: int = 0
) -> None:
    """Raise a `ValueError` for the first entry that is not finite, naming row and column.

    Parameters
    ----------
    array : array (N, ...)
    thing : str
    cast : array (N, ...), optional
        The same numbers in the model's dtype, where one that overflows counts as not finite.
    first_row : int
        The place of row 0 in the person's table.
    """
    cast = array if cast is None else cast
    if cast.dtype.kind not in "fc" or np.isfinite(cast).all():
        return
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(cast))[0])
    what = "finite numbers" if not np.isfinite(array[place]) else f"numbers finite in {cast.dtype}"
    where = ""
    if place:
        where = f" in row {first_row + place[0]}"
        where += "".join(f", column {i}" for i in place[1:])
    raise expected(thing, what, f"{array[place]}{where}")


def own_array(array: NDArray[Any], dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Return the array as compiled code may write to it; a copy unless it is that already.

    C order, aligned, native byte order, writable, and owning its memory (or a view of memory that
    a plain writable array owns): a memory-mapped or borrowed buffer is copied.

    Parameters
    ----------
    array : array (any shape)
    dtype : dtype, optional
    """
    wanted = np.dtype(array.dtype if dtype is None else dtype).newbyteorder("=")
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    plain = type(array) is np.ndarray and type(base) is np.ndarray and base.base is None
    if plain and array.flags.carray and array.dtype == wanted and array.dtype.isnative:
        return array
    return np.array(array, wanted, order="C", subok=False)


def aligned(size: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return zeros (size,) that begin with a cache line: no vector of theirs lies across two.

    NumPy begins with any 16 bytes, which makes a step up to a twentieth slower.

    Parameters
    ----------
    size : int
    dtype : dtype
    """
    memory = np.zeros(size + CACHE_LINE, dtype)
    skipped = -memory.ctypes.data % CACHE_LINE // memory.itemsize
    return memory[skipped : skipped + size]
