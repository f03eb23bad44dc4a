"""Logarithm, sine and cosine in float64 from +, -, *, / alone, which IEEE 754 fixes to the bit.

NumPy's own differ in their last bit from processor to processor and from version to version; with
these the same seed draws the same numbers everywhere. Twins: `elementary.py` under kernels/, whose
series they are; the kernels round some products together with a sum, these every operation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOG2_HIGH = 0.693145751953125  # 16 bits: a whole number below 2^11 times it is exact
LOG2_LOW = 1.42860682030941723212e-6
_ROOT_HALF = 0x3FE6A09E667F3BCD  # the bits of sqrt(1/2), rounded up
# (2 artanh(s) - 2 s) / s^3 in s^2 on |s| <= 0.1716
_LOG = [2 / (2 * k + 3) for k in range(11)]
# (sin(x) - x) / x^3 and (cos(x) - 1 + x^2 / 2) / x^4 in x^2 on |x| <= pi / 4
_SINE = [(-1) ** (k + 1) / math.factorial(2 * k + 3) for k in range(8)]
_COSINE = [(-1) ** k / math.factorial(2 * k + 4) for k in range(8)]


def _sum(terms: Sequence[float], x: Any) -> Any:
    """Return sum_k terms[k] x^k by Horner's rule."""
    total = x * terms[-1]
    for term in terms[-2:0:-1]:
        total += term
        total *= x
    total += terms[0]
    return total


def log(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return log(x) of normal numbers x > 0, within 2 units in the last place.

    With x = 2^n (1 + f), 1 + f from sqrt(1/2) to sqrt(2), and s = f / (2 + f):
    log(1 + f) = f - (f^2/2 - s (f^2/2 + s^2 (2/3 + 2/5 s^2 + ...))).

    Parameters
    ----------
    x : float64 array (any shape)
    """
    bits = x.view(np.int64)
    n = (bits - _ROOT_HALF) >> 52
    f = (bits - (n << 52)).view(np.float64)
    f -= 1
    s = f + 2
    np.divide(f, s, out=s)
    half = f * f
    half *= 0.5
    z = s * s
    gap = _sum(_LOG, z)
    gap *= z
    gap += half
    gap *= s
    f -= np.subtract(half, gap, out=half)
    f += n * LOG2_LOW
    f += n * LOG2_HIGH
    return f


def sin_cos(x: Any) -> tuple[Any, Any]:
    """Return (sin(x), cos(x)) for |x| <= pi / 4, within 2 units in the last place.

    Parameters
    ----------
    x : float, or float64 array (any shape)
    """
    z = x * x
    return x + x * z * _sum(_SINE, z), (1 - 0.5 * z) + z * z * _sum(_COSINE, z)


def cos_half_turns(turns: float) -> float:
    """Return cos(pi turns), turns from 0 to 1.

    Parameters
    ----------
    turns : float
    """
    quarter = round(2 * turns)
    sine, cosine = sin_cos(math.pi * (turns - 0.5 * quarter))
    return float((cosine, -sine, -cosine)[quarter])
