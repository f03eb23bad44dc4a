"""Elementary functions against mpmath, over the ranges that the kernels give them."""

import functools

import mpmath
import needs_numba  # noqa: F401
import numba
import numpy as np
import pytest
from tolerances import KERNEL_CDF_ULP, KERNEL_ULP, ulps

from bnn_ref.kernels import elementary


def spread(rng, low, high, count=2000):
    """Numbers of both signs and many magnitudes within a range."""
    exponents = 10.0 ** rng.uniform(-6, 0, count)
    return np.concatenate([rng.uniform(low, high, count), exponents * low, exponents * high])


RANGES = {
    "exp": (elementary.exp, mpmath.exp, -86.9, 88),
    "expm1": (elementary.expm1, mpmath.expm1, -86.9, 88),
    "log": (elementary.log, mpmath.log, 1e-30, 1e30),
    "log near 1": (elementary.log, mpmath.log, 0.5, 2),
    "log1p_unit": (elementary.log1p_unit, mpmath.log1p, 1e-12, 1),
    "log1p_gap": (elementary.log1p_gap, lambda x: x - mpmath.log1p(x), -0.29, 0.41),
    "softplus": (elementary.softplus, lambda x: mpmath.log1p(mpmath.exp(x)), -80, 200),
    "sigmoid": (elementary.sigmoid, lambda x: 1 / (1 + mpmath.exp(-x)), -80, 80),
    "tanh": (elementary.tanh, mpmath.tanh, -12, 12),
    "sin": (lambda x: 0, mpmath.sin, -0.785, 0.785),
    "cos": (lambda x: 0, mpmath.cos, -0.785, 0.785),
}


@functools.cache  # compiled once for each dtype
def elementwise(function):
    """A function from an array to an array, compiled."""

    @numba.njit
    def over(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    return over


@numba.njit
def sine(x):
    return elementary.sin_cos(x)[0]


@numba.njit
def cosine(x):
    return elementary.sin_cos(x)[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RANGES)
def test_against_mpmath(name, dtype, volume):
    function, exact, low, high = RANGES[name]
    function = {"sin": sine, "cos": cosine}.get(name, function)
    x = spread(np.random.default_rng(1), low, high, volume(250, 2000))
    if name.startswith("log near"):
        x = x[x >= 0.5]
    x = x.astype(dtype)
    out = np.empty_like(x)
    elementwise(function)(x, out)
    with mpmath.workdps(40):
        wanted = [exact(mpmath.mpf(float(one))) for one in x]
        assert ulps(out, wanted, dtype) <= KERNEL_ULP


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_cdf_keeps_the_digits_of_its_tail(dtype):
    x = np.linspace(-8, 5, 500).astype(dtype)
    out = np.empty_like(x)
    elementwise(elementary.normal_cdf)(x, out)
    with mpmath.workdps(40):
        wanted = [mpmath.ncdf(mpmath.mpf(float(one))) for one in x]
        assert ulps(out, wanted, dtype) <= KERNEL_CDF_ULP


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["exp", "expm1", "log", "softplus", "sigmoid", "tanh"])
def test_a_nan_stays_one_and_the_ends_are_right(name, dtype):
    x = np.array([np.nan, -np.inf if name != "log" else np.nan], dtype)
    out = np.empty_like(x)
    elementwise(RANGES[name][0])(x, out)
    assert np.isnan(out[0])
    ends = {"exp": 0, "expm1": -1, "softplus": 0, "sigmoid": 0, "tanh": -1}
    assert name == "log" or out[1] == ends[name]
