"""The error function, elementwise and vectorised. Twin: `bnn_ref/elementary.py`, by SciPy."""

import math

from .elementary import exp, series
from .jit import inner
from .machine import select

# exp(x^2) erfc(x) on 1 <= x <= 6, in t = 9.6 / (x + 2) - 2.2 from -1 to 1: the Chebyshev expansion
# (integrals by 64 nodes, 60 digits), its 17 terms in powers of t; the next is below 3e-17
TAIL = (
    0.2214295402299318, 0.16189356804102495, 0.038560570425182406, 0.005588816281841378,
    0.00019713917772835564, -8.079220428770654e-05, -7.340517941470624e-06, 1.979561974691787e-06,
    1.6349938636339256e-07, -7.005371491880312e-08, -5.886321053854852e-10, 2.6250035432507722e-09,
    -2.6866682864095234e-10, -7.46844869131507e-11, 2.211621110863333e-11, 4.768762673351584e-13,
    -9.32059013818178e-13,
)  # fmt: skip

_tail = series(lambda k: TAIL[k], 9, len(TAIL))
# erf(x) / x in x^2 on |x| <= 1
_near = series(
    lambda k: (-1) ** k * 2 / (math.sqrt(math.pi) * math.factorial(k) * (2 * k + 1)), 11, 19
)


@inner
def erf(x):
    """Return erf(x): near 0 its Taylor series, from 1 on 1 - exp(-x^2) (exp(x^2) erfc(x))."""
    T = type(x)
    size = abs(x)
    inside = size < T(1.0)
    far = select(size > T(6.0), T(6.0), size)
    far = select(inside, T(1.0), far)
    rest = exp(-far * far) * _tail(T(9.6) / (far + T(2.0)) - T(2.2))
    near = select(inside, x, T(0.0))
    outer = select(x < T(0.0), rest - T(1.0), T(1.0) - rest)
    value = select(inside, near * _near(near * near), outer)
    return select(x == x, value, x)
