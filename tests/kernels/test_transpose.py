"""The transpose that the backward pass takes: NumPy's, and nothing beyond its bounds."""

import needs_numba  # noqa: F401
import numpy as np
import pytest
from numba import njit

from bnn_ref.kernels.arrays import transpose


@njit
def turn(a, a_at, a_row, b, b_at, b_row, rows, columns):
    transpose(a, a_at, a_row, b, b_at, b_row, rows, columns)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (8, 8), (32, 128), (17, 31), (5, 48), (33, 7)])
def test_every_entry_and_no_other(shape, dtype):
    rows, columns = shape
    a_row, b_row = columns + 3, rows + 5
    a = np.random.default_rng(0).normal(size=7 + rows * a_row).astype(dtype)
    b = np.full(4 + columns * b_row, -7, dtype)
    wanted = b.copy()
    source = a[7:].reshape(rows, a_row)[:, :columns]
    wanted[4:].reshape(columns, b_row)[:, :rows] = source.T
    turn(a, 7, a_row, b, 4, b_row, rows, columns)
    np.testing.assert_array_equal(b, wanted)
