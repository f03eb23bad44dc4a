"""Products whose rows have the same bits however many there are: those of a prediction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS = 128  # rows of a product in prediction: one height, see `in_blocks`


def row_blocks(rows: int) -> Iterator[slice]:
    """Yield the slices of `BLOCK_ROWS` rows that so many rows are taken in."""
    for start in range(0, rows, BLOCK_ROWS):
        yield slice(start, start + BLOCK_ROWS)


def in_blocks(h: NDArray[Any], kernel: NDArray[Any]) -> NDArray[Any]:
    """Return h @ kernel, the rows taken in blocks of `BLOCK_ROWS`, the last padded with zeros.

    BLAS gives a row other bits in a product of another height; with one height a row's bits do not
    depend on how many rows there are.

    Parameters
    ----------
    h : array (rows, I)
    kernel : array (I, O)
    """
    rows = len(h)
    blocks = -(-rows // BLOCK_ROWS)
    padded = np.zeros((blocks * BLOCK_ROWS, h.shape[1]), h.dtype)
    padded[:rows] = h
    product = np.empty((len(padded), kernel.shape[1]), h.dtype)
    for part in row_blocks(len(padded)):
        np.matmul(padded[part], kernel, out=product[part])
    return product[:rows]
