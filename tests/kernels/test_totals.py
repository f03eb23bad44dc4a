"""The order of a sum: the same bits whatever the processor's vectors."""

import needs_numba  # noqa: F401
import numba
import numpy as np
import pytest

from bnn_ref.kernels.arrays import total, total_magnitude


@numba.njit
def sums(a):
    return total(a), total_magnitude(a)


def in_lanes(a):
    """The sum of a by 128 bytes of lanes, then by halves, in NumPy."""
    lanes = 128 // a.itemsize
    padded = np.zeros(-(-a.size // lanes) * lanes, a.dtype)
    padded[: a.size] = a
    found = np.zeros(lanes, a.dtype)
    for row in padded.reshape(-1, lanes):
        found = found + row
    while found.size > 1:
        found = found[: found.size // 2] + found[found.size // 2 :]
    return found[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_are_added_up_in_lanes(dtype):
    rng = np.random.default_rng(8)
    for size in (1, 10, 16, 31, 32, 33, 100, 512):
        a = rng.normal(size=size).astype(dtype)
        assert sums(a) == (in_lanes(a), in_lanes(np.abs(a))), size


def test_a_sum_holds_what_is_not_finite_and_reads_nothing_beyond():
    a = np.full(41, np.nan, np.float32)
    a[:39] = 1
    assert sums(a[:39]) == (39, 39)
    assert np.isnan(sums(a)).all()
