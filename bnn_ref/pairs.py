"""Numbers in two parts, for a difference of two terms of which hardly a digit is left.

A pair (high, low) of float64 arrays stands for the sum of the two, with twice the digits: some 105
bits. Twin: `kernels/pairs.py`, which does the same operations.

Source: Dekker (1971), "A floating-point technique for extending the available precision".
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]

SPLITTER = 134217729.0  # 2^27 + 1: halves the bits of a float64
TERMS = 10  # of the logarithm's series that are pairs; what is left of the series is below 2^-51
LAST = 22  # and the terms from here on are below 2^-110
INVERSES = [1 / (2 * k + 1) for k in range(LAST)]
INVERSES_REST = [float(Fraction(1, 2 * k + 1) - Fraction(v)) for k, v in enumerate(INVERSES)]
# log(2) in three parts: a whole number below 2^11 times the first is exact
LOG2 = (0.6931471803691238, 1.9082149292705877e-10, 1.1612227229362532e-26)


def two_sum(a: ArrayLike, b: ArrayLike) -> Pair:
    """Return a + b as a pair, exactly."""
    high = np.add(a, b)
    of_b = high - a
    return high, (a - (high - of_b)) + (b - of_b)


def _halves(a):
    """Return a as the sum of two numbers of half its bits."""
    scaled = SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def two_product(a: ArrayLike, b: ArrayLike) -> Pair:
    """Return a b as a pair, exactly where nothing over- or underflows."""
    product = np.multiply(a, b)
    (a, a_low), (b, b_low) = _halves(a), _halves(b)
    return product, ((a * b - product) + a * b_low + a_low * b) + a_low * b_low


def add(x: Pair, y: Pair) -> Pair:
    """Return x + y, within 2^-104 of the larger of the two."""
    high, low = two_sum(x[0], y[0])
    return two_sum(high, low + (x[1] + y[1]))


def multiply(x: Pair, y: Pair) -> Pair:
    """Return x y."""
    high, low = two_product(x[0], y[0])
    return high, low + (x[0] * y[1] + x[1] * y[0])


def divide(x: Pair, y: Pair) -> Pair:
    """Return x / y."""
    high = x[0] / y[0]
    product, low = two_product(high, y[0])
    return high, (((x[0] - product) - low) + (x[1] - high * y[1])) / y[0]


def log(x: NDArray[np.float64]) -> Pair:
    """Return log(x) of x > 0 as a pair.

    x = 2^n m with m from sqrt(1/2) to sqrt(2), and log(m) = 2 artanh(s) = 2 s (1 + s^2/3 + s^4/5 +
    ...) at s = (m - 1)/(m + 1), so that abs(s) is below .172.
    """
    m, n = np.frexp(x)
    small = m < np.sqrt(0.5)
    m, n = np.where(small, 2 * m, m), np.where(small, n - 1, n).astype(np.float64)
    s = divide((m - 1, np.zeros_like(m)), two_sum(m, 1.0))  # m - 1 is exact
    square = multiply(s, s)
    rest = np.full_like(m, INVERSES[-1])
    for k in range(LAST - 2, TERMS - 1, -1):
        rest = INVERSES[k] + square[0] * rest
    series = (rest, np.zeros_like(m))
    for k in range(TERMS - 1, -1, -1):
        series = add((INVERSES[k], INVERSES_REST[k]), multiply(square, series))
    of_m = multiply((2 * s[0], 2 * s[1]), series)
    of_power = add((n * LOG2[0], n * LOG2[2]), two_product(n, LOG2[1]))
    return add(of_power, of_m)
