"""Numbers in two parts, elementwise and vectorised. Twin: `bnn_ref/pairs.py`, operation for
operation; all of it in float64.
"""

from fractions import Fraction

from .elementary import mantissa, series
from .jit import inner

SPLITTER = 134217729.0  # 2^27 + 1
LOG2 = (0.6931471803691238, 1.9082149292705877e-10, 1.1612227229362532e-26)
TERMS = 10  # of the logarithm's series that are pairs

_rest = series(lambda k: 1 / (2 * (k + TERMS) + 1), 12, 12)


@inner
def two_sum(a, b):
    """Return a + b as a pair, exactly."""
    high = a + b
    of_b = high - a
    return high, (a - (high - of_b)) + (b - of_b)


@inner
def _halves(a):
    scaled = SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


@inner
def two_product(a, b):
    """Return a b as a pair, exactly where nothing over- or underflows."""
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@inner
def add(x, y):
    """Return x + y of two pairs."""
    high, low = two_sum(x[0], y[0])
    return two_sum(high, low + (x[1] + y[1]))


@inner
def multiply(x, y):
    """Return x y of two pairs."""
    high, low = two_product(x[0], y[0])
    return high, low + (x[0] * y[1] + x[1] * y[0])


@inner
def divide(x, y):
    """Return x / y of two pairs."""
    high = x[0] / y[0]
    product, low = two_product(high, y[0])
    return high, (((x[0] - product) - low) + (x[1] - high * y[1])) / y[0]


def _term(k):
    """Return a function of square and series, both pairs: 1 / (2 k + 1) + square series."""
    high = 1 / (2 * k + 1)
    low = float(Fraction(1, 2 * k + 1) - Fraction(high))

    @inner
    def term(square, series):
        return add((high, low), multiply(square, series))

    return term


_0, _1, _2, _3, _4, _5, _6, _7, _8, _9 = (_term(k) for k in range(TERMS))


@inner
def _series(square):
    """Return 1 + square / 3 + square^2 / 5 + ... of a pair below .03."""
    value = (_rest(square[0]), 0.0)
    value = _6(square, _7(square, _8(square, _9(square, value))))
    value = _3(square, _4(square, _5(square, value)))
    return _0(square, _1(square, _2(square, value)))


@inner
def log(x):
    """Return log(x) of a normal x > 0 as a pair."""
    n, m = mantissa(x)
    s = divide((m - 1.0, 0.0), two_sum(m, 1.0))
    of_m = multiply((2.0 * s[0], 2.0 * s[1]), _series(multiply(s, s)))
    of_power = add((n * LOG2[0], n * LOG2[2]), two_product(n, LOG2[1]))
    return add(of_power, of_m)
