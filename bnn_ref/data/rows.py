"""Rows of a table, kept as they are stored and scaled only when a batch of them is taken."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..border import as_array
from ..errors import expected


class Rows:
    """Inputs (N, I) that stay in their own dtype; ``rows[index]`` is a scaled batch.

    A batch is (values - loc) / scale, computed in float64 (whole numbers without a loc directly in
    the model's dtype) and returned in the model's dtype. 60,000 images stay 47 MB of uint8.

    Parameters
    ----------
    values : array (N, ...) of numbers or bool
        Kept without a copy; trailing dimensions are flattened to I.
    loc, scale : number or array (I,)
        Subtracted and divided by.
    dtype : "float32" or "float64"
        Of the batches.
    thing : str
        What a message calls the values.

    Attributes
    ----------
    shape : (N, I)
    dtype : numpy.dtype

    Raises
    ------
    ValueError
        For values that are no table of numbers, or without rows or columns.
    """

    values: NDArray[Any]
    loc: NDArray[Any]
    scale: NDArray[Any]
    dtype: np.dtype[Any]

    def __init__(
        self,
        values: ArrayLike,
        *,
        loc: ArrayLike = 0.0,
        scale: ArrayLike = 1.0,
        dtype: DTypeLike = "float32",
        thing: str = "rows",
    ) -> None:
        if not isinstance(values, np.memmap):
            values = as_array(values, thing)
        if values.dtype.kind not in "biuf":
            raise expected(thing, "numbers", f"dtype {values.dtype}")
        if values.ndim < 2 or 0 in values.shape:
            raise expected(thing, "a shape (rows, columns), neither 0", values.shape)
        self.values = values.reshape(len(values), -1)
        self.loc, self.scale, self.dtype = np.asarray(loc), np.asarray(scale), np.dtype(dtype)
        for name, array in (("loc", self.loc), ("scale", self.scale)):
            if array.shape not in ((), self.shape[1:]):
                raise expected(name, f"a number or shape {self.shape[1:]}", array.shape)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, I)."""
        return self.values.shape

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: slice | NDArray[Any]) -> NDArray[Any]:
        """Return the rows of a slice, an index array or a mask as a new array of ``dtype``.

        What a scale puts out of the dtype's range is not finite, which whoever reads the rows
        refuses with its place.
        """
        taken = self.values[index]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if taken.dtype.kind in "bui" and not self.loc.any():
                return taken.astype(self.dtype) / self.scale.astype(self.dtype)
            return ((taken.astype(np.float64) - self.loc) / self.scale).astype(self.dtype)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all rows as one array."""
        return self[:] if dtype is None else self[:].astype(dtype)

    def astype(self, dtype: DTypeLike) -> Rows:
        """Return the same rows whose batches are of another dtype; nothing is copied."""
        return Rows(self.values, loc=self.loc, scale=self.scale, dtype=dtype)

    def take(self, index: slice | NDArray[Any]) -> Rows:
        """Return a `Rows` of a slice or of some rows, unscaled as they are stored.

        Parameters
        ----------
        index : slice or array of int
        """
        return Rows(self.values[index], loc=self.loc, scale=self.scale, dtype=self.dtype)

    def __repr__(self) -> str:
        n, i = self.shape
        return f"Rows({n} of {i} {self.values.dtype}, batches {self.dtype})"


class Examples(NamedTuple):
    """Inputs and their targets.

    Attributes
    ----------
    x : Rows (N, I)
    y : array (N,) of class ids, or (N, O) of numbers
    """

    x: Rows
    y: NDArray[Any]
