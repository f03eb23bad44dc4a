"""The KL from a Laplace prior, element by element, and its penalty of a point estimate.

Twin: `bnn_ref/priors/laplace.py`.
"""

import math

import numpy as np

from . import pairs
from .elementary import exp, expm1, log, log_gap, mantissa, series
from .error_function import erf
from .jit import kernel
from .later import choose, types
from .machine import select, use_whole_vectors

LEAST = 0.04841729471054514  # of the Laplace prior's KL, see its twin
ROOT = math.sqrt(0.5 * math.pi)
ROOT_REST = 1.3040170502273547e-16  # sqrt(pi / 2) - ROOT
LOG_ROOT = 0.22579135264472744  # log(sqrt(pi / 2)), a pair
LOG_ROOT_REST = -6.4622584878775846e-18
# excess(z) / (z^2 / 2) in z^2 / 2 on |z| <= 3/2: see the twin
_excess = series(lambda k: (-1) ** k / (math.factorial(k + 1) * (2 * k + 1)), 11, 20)


@kernel
def _near_zero_single(loc, scale, mu, sigma, grown):
    """Set u exp(-z^2/2) - 1 anew: in float64 it has float32's digits down to 1e-9 of its terms."""
    use_whole_vectors()
    to_u = 1.0 / (np.float64(scale) * ROOT)
    for i in range(mu.size):
        s = np.float64(sigma[i])
        z = (np.float64(mu[i]) - np.float64(loc)) / s
        grown[i] = np.float32(s * to_u * exp(-0.5 * z * z) - 1.0)


@kernel
def _near_zero_double(loc, scale, mu, sigma, grown):
    """Set u exp(-z^2/2) - 1 anew where it is above 1/16 - 1. Twin: `LaplacePrior._near_zero`."""
    use_whole_vectors()
    least = pairs.add(pairs.log(scale), (LOG_ROOT, LOG_ROOT_REST))
    for i in range(mu.size):
        z = pairs.divide(pairs.two_sum(mu[i], -loc), (sigma[i], 0.0))
        high, low = pairs.multiply(z, z)
        less = pairs.add(least, (0.5 * high, 0.5 * low))
        high, low = pairs.add(pairs.log(sigma[i]), (-less[0], -less[1]))
        near = grown[i] > 1 / 16 - 1
        high = select(near, high, 0.0)
        grown[i] = select(near, expm1(high) + exp(high) * low, grown[i])


@choose
def _near_zero(loc, scale, mu, sigma, grown):
    near_zero = _near_zero_single if mu.dtype == types.float32 else _near_zero_double
    return lambda loc, scale, mu, sigma, grown: near_zero(loc, scale, mu, sigma, grown)


@kernel
def laplace(loc, scale, mu, sigma, slope, kl, kl_mu, kl_rho):
    """Add the KL from a Laplace prior to kl, and set its derivatives. Twin: `LaplacePrior`."""
    use_whole_vectors()
    T = type(mu[0])
    m, inverse = T(loc), T(1.0 / scale)
    b, root = T(scale), T(ROOT)
    rest = T((ROOT - np.float64(root)) + ROOT_REST)
    c_exponent, c_mantissa = mantissa(T(scale * ROOT))
    inverse_mantissa = T(1.0) / c_mantissa
    for i in range(mu.size):
        away = abs(mu[i] - m)
        z = away / sigma[i]
        u = sigma[i] / b / root
        d = ((sigma[i] / b - root) - rest) / root  # the digits of u - 1
        gap = log_gap(sigma[i], d, c_exponent, inverse_mantissa)
        inside = z <= T(1.5)
        half = select(inside, T(0.5) * z * z, T(0.0))
        near = T(LEAST) + gap + u * (half * _excess(half))
        outer = exp(T(-0.5) * z * z)
        log_u = d - gap
        reach = away * inverse * erf(z * T(math.sqrt(0.5)))
        far = T(LEAST - 1.0) - log_u + u * outer + reach
        kl[i] += select(inside, near, far)
    for i in range(mu.size):
        z = (mu[i] - m) / sigma[i]
        kl_mu[i] = erf(z * T(math.sqrt(0.5))) * inverse
    close = 0
    for i in range(mu.size):
        z = (mu[i] - m) / sigma[i]
        grown = sigma[i] / b / root * exp(T(-0.5) * z * z)
        kl_rho[i] = grown - T(1.0)
        close += grown > T(1 / 16)
    if close > 0:
        _near_zero(m, b, mu, sigma, kl_rho)
    for i in range(mu.size):
        kl_rho[i] = kl_rho[i] / sigma[i] * slope[i]


@kernel
def point_laplace(loc, scale, mu, kl, kl_mu):
    """Set kl to -log p(mu) of a Laplace prior, and kl_mu to its derivative, 0 at loc."""
    use_whole_vectors()
    T = type(mu[0])
    m, constant, inverse = T(loc), T(log(2.0 * scale)), T(1.0 / scale)
    for i in range(mu.size):
        away = mu[i] - m
        kl[i] = abs(away) * inverse + constant
        sign = select(away > T(0.0), inverse, T(0.0))
        kl_mu[i] = select(away < T(0.0), -inverse, sign)
