"""Matrix products against NumPy's in float64, and the bits of an entry."""

import needs_numba  # noqa: F401
import numba
import numpy as np
import pytest
from tolerances import PRODUCT, relative

from bnn_ref.kernels.products import MOST_ROWS, PACKED, packed_product, product


@numba.njit
def multiply(a, a_row, a_k, b, c, rows, columns, depth, add, packed):
    if packed.size:
        packed_product(a, 0, a_row, a_k, b, 0, columns, c, 0, columns, rows, columns, depth, add,
                       packed)  # fmt: skip
    else:
        product(a, 0, a_row, a_k, b, 0, columns, c, 0, columns, rows, columns, depth, add)


def run(a, b, add_to=None, across=False, packed=PACKED):
    """a @ b, a read as it lies or, across, from its transpose."""
    rows, depth = a.shape
    columns = b.shape[1]
    out = np.full((rows, columns), np.nan, a.dtype) if add_to is None else add_to.copy()
    flat = np.ascontiguousarray(a.T if across else a).reshape(-1)
    steps = (1, rows) if across else (depth, 1)
    multiply(flat, *steps, b.reshape(-1), out.reshape(-1), rows, columns, depth,
             add_to is not None, np.full(packed, np.nan, a.dtype))  # fmt: skip
    return out


SHAPES = [(1, 1, 1), (1, 300, 1), (7, 13, 50), (8, 32, 32), (9, 33, 31), (64, 784, 128),
          (3, 1, 257), (130, 513, 47), (16, 128, 100)]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_against_numpy(shape, across, dtype):
    rng = np.random.default_rng(2)
    rows, depth, columns = shape
    a, b = (
        rng.normal(size=(rows, depth)).astype(dtype),
        rng.normal(size=(depth, columns)).astype(dtype),
    )
    start = rng.normal(size=(rows, columns)).astype(dtype)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    assert relative(run(a, b, across=across), exact) < PRODUCT[dtype]
    assert relative(run(a, b, start, across), exact + start) < PRODUCT[dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_entry_depends_on_its_row_and_column_alone(dtype):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(37, 300)).astype(dtype), rng.normal(size=(300, 75)).astype(dtype)
    whole = run(a, b)
    for rows in (slice(0, 1), slice(5, 6), slice(3, 20), slice(30, 37)):
        for columns in (slice(0, 75), slice(74, 75), slice(10, 45)):
            part = run(a[rows], np.ascontiguousarray(b[:, columns]))
            assert np.array_equal(part, whole[rows, columns])
    assert np.array_equal(run(a, b, across=True), whole)
    assert np.array_equal(run(a, b, packed=0), whole)
    assert np.array_equal(run(a, b, across=True, packed=0), whole)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("across", [False, True])
def test_packing_changes_no_bit(across, dtype):
    rng = np.random.default_rng(4)
    shapes = ((130, 513, 77), (96, 257, 160), (95, 30, 33), (MOST_ROWS, 300, 256), (97, 513, 260))
    for rows, depth, columns in shapes:
        a = rng.normal(size=(rows, depth)).astype(dtype)
        b = rng.normal(size=(depth, columns)).astype(dtype)
        start = rng.normal(size=(rows, columns)).astype(dtype)
        assert np.array_equal(run(a, b, start, across), run(a, b, start, across, packed=0))
