"""Elementary functions in forms that keep their digits, for real and complex arrays.

NumPy's ``log1p`` and ``expm1`` lose the real part of a small complex argument and ``logaddexp``
knows no complex numbers at all. The functions here choose by the real part and are analytic on
each side of the choice, so a complex step passes through them and the formulas of
`reference.py` need no branch of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import expected

NEAR = (-0.75, 3.0)  # sigma/s - 1 within which a Normal's KL takes `ratio_gap`
SQRT_HALF = np.sqrt(0.5)
HALF_LOG_TWO_PI = 0.5 * np.log(2 * np.pi)


def log1p(z: NDArray[Any]) -> NDArray[Any]:
    """Return log(1 + z), elementwise, without losing the digits of a small z.

    Parameters
    ----------
    z : array, float or complex, real part > -1

    Returns
    -------
    array of z's shape and dtype. For complex z = x + iy the real part is
    log1p(x (2 + x) + y^2) / 2 and the imaginary part atan2(y, 1 + x).

    Source: derived here; |1 + z|^2 = 1 + x (2 + x) + y^2.
    """
    if not np.iscomplexobj(z):
        return np.log1p(z)
    x, y = z.real, z.imag
    return 0.5 * np.log1p(x * (2 + x) + y * y) + 1j * np.arctan2(y, 1 + x)


def expm1(z: NDArray[Any]) -> NDArray[Any]:
    """Return exp(z) - 1, elementwise, without losing the digits of a small z.

    For complex z = x + iy the real part is expm1(x) cos(y) - 2 sin(y/2)^2, the imaginary part
    exp(x) sin(y).

    Source: derived here; cos(y) - 1 = -2 sin(y/2)^2.
    """
    if not np.iscomplexobj(z):
        return np.expm1(z)
    x, y = z.real, z.imag
    return np.expm1(x) * np.cos(y) - 2 * np.sin(0.5 * y) ** 2 + 1j * (np.exp(x) * np.sin(y))


def softplus(z: NDArray[Any]) -> NDArray[Any]:
    """Return log(1 + exp(z)), elementwise: max(z, 0) + log1p(exp(-|z|)).

    Parameters
    ----------
    z : array, float or complex
        Any value; exp is only taken of numbers <= 0, so nothing overflows.

    Returns
    -------
    array of z's shape and dtype, > 0 (0 where exp(z) underflows).
    """
    positive = z.real > 0
    return np.where(positive, z, 0) + log1p(np.exp(np.where(positive, -z, z)))  # E1


def softplus_inverse(y: ArrayLike) -> NDArray[Any]:
    """Return the rho for which softplus(rho) = y, elementwise: y + log(1 - exp(-y)).

    Parameters
    ----------
    y : array_like of float, > 0

    Raises
    ------
    ValueError
        Where y is not above 0: no rho has a softplus of 0 or less.
    """
    y = np.asarray(y)
    if y.dtype.kind != "f":
        y = y.astype(np.float64)
    if not np.all(y > 0):
        worst = np.min(y) if not np.any(np.isnan(y)) else np.nan
        raise expected("softplus_inverse", "values above 0", worst)
    return y + np.log(-np.expm1(-y))


def sigmoid(z: NDArray[Any]) -> NDArray[Any]:
    """Return 1 / (1 + exp(-z)), elementwise, the derivative of softplus.

    Computed as exp(min(z, 0)) / (1 + exp(-|z|)): small values keep their digits and nothing
    overflows.
    """
    positive = z.real > 0
    small = np.exp(np.where(positive, -z, z))  # |exp| <= 1
    return np.where(positive, 1, small) / (1 + small)  # E14


def erf(z: NDArray[Any]) -> NDArray[Any]:
    """Return the error function of real or complex z, elementwise (`scipy.special.erf`)."""
    from scipy.special import erf as scipy_erf

    return scipy_erf(z)


def normal_cdf(z: NDArray[Any]) -> NDArray[Any]:
    """Return the standard normal distribution function Phi(z) = erfc(-z / sqrt(2)) / 2.

    The complement keeps the digits of the lower tail, where 1 + erf would cancel.
    """
    from scipy.special import erfc

    return 0.5 * erfc(-z * z.real.dtype.type(SQRT_HALF))


def normal_density(z: NDArray[Any]) -> NDArray[Any]:
    """Return the standard normal density exp(-z^2 / 2) / sqrt(2 pi), elementwise."""
    return np.exp(-0.5 * z * z) * z.real.dtype.type(1 / np.sqrt(2 * np.pi))


def x_minus_log1p(d: NDArray[Any]) -> NDArray[Any]:
    """Return d - log(1 + d), elementwise, for d from -1/2 to 1, without cancellation.

    With u = d / (2 + d), log(1 + d) = 2 artanh(u) = 2 (u + u^3/3 + u^5/5 + ...), and
    d - 2 u = u d, so that d - log(1 + d) = u (d - 2 u^2 (1/3 + u^2/5 + u^4/7 + ...)).

    Parameters
    ----------
    d : array, float or complex, from -1/2 to 1

    Returns
    -------
    array of d's shape and dtype, >= 0 for real d; about d^2 / 2 near 0.

    Source: derived here. \\|u\\| <= 1/3, so 17 terms leave less than 1e-17 of the sum.
    """
    u = d / (2 + d)
    square = u * u
    series = np.full_like(square, 1 / 35)
    for odd in range(33, 1, -2):
        series = series * square + 1 / odd
    return u * (d - 2 * square * series)  # E5, the near form


def ratio_gap(u: NDArray[Any], d: NDArray[Any]) -> NDArray[Any]:
    """Return u - 1 - log(u), elementwise, for u > 0 whose d = u - 1 has digits of its own.

    With u = 2^n (1 + f), n = 0 and f = d from 1/2 to 2, it is (2^n - 1 - n log 2) + (2^n - 1) f +
    (f - log(1 + f)), where neither u - 1 nor log(u), which cancel, is rounded.

    Parameters
    ----------
    u, d : arrays of one shape, float or complex

    Returns
    -------
    array of that shape, >= 0 for real u.

    Source: derived here.
    """
    n = np.where((d.real >= -0.5) & (d.real <= 1), 0, np.round(np.log2(u.real)))
    slope = np.exp2(n) - 1
    f = np.where(n == 0, d, u / np.exp2(n) - 1)
    return (slope - n * u.real.dtype.type(np.log(2))) + (slope * f + x_minus_log1p(f))


def log_softmax(z: NDArray[Any]) -> NDArray[Any]:
    """Return z - log(sum(exp(z))) over the last axis, every entry with its own digits.

    With m the largest entry, log(sum(exp(z))) - m = log1p(the others' sum of exp(z - m)), so the
    largest entry's log-probability keeps its digits however near 0 it is.

    Parameters
    ----------
    z : array (..., O), float or complex (the largest is that of the real parts)

    Returns
    -------
    array (..., O), real parts <= 0
    """
    place = np.argmax(z.real, axis=-1)[..., None]
    shifted = z - np.take_along_axis(z, place, axis=-1)
    others = np.exp(shifted)
    np.put_along_axis(others, place, 0, axis=-1)
    shifted -= log1p(np.sum(others, axis=-1, keepdims=True))  # E4
    return shifted
