"""The priors' KL and its derivatives, over a stretch of weights. Twin: `bnn_ref/priors/`.

The Normal prior of two numbers, which nearly every weight has, is here: the sample sweep calls it.
The others are in `other_priors.py`, which is compiled when a network has one. A tensor's record
says which: its code, and its numbers in `PRIOR`.

d KL / d mu is computed where it is used, from mu, for that moves fewer bytes; a prior for which mu
is not enough leaves it in `kl_mu` (`STORED`).
"""

import numpy as np

from .elementary import less_exponent, log, log1p_gap, mantissa
from .jit import kernel
from .machine import multiply_add, select, tiny_of, use_whole_vectors

NORMAL, NO_PRIOR, LAPLACE, ARRAYS, MIXTURE, LEARNED = range(6)
CODES = {
    "normal": NORMAL,
    "none": NO_PRIOR,
    "laplace": LAPLACE,
    "normal with arrays": ARRAYS,
    "mixture": MIXTURE,
    "learned_normal": LEARNED,
}
STORED = set(CODES) - {"normal"}  # names of priors
PRIOR = np.dtype(
    [
        ("code", np.int64),
        ("normal", [("loc", np.float64), ("scale", np.float64)]),  # of all but arrays and mixture
        ("factor", np.float64),  # the KL's, of all but the plain Normal
        ("is_point", np.int64),  # 1: -log p of a point estimate
        ("values", np.int64),  # place in work: arrays loc, scale; of a mixture constants before
        ("count", np.int64),  # entries of each of them
        ("loc", np.int64),  # places in the parameters of what is learned, else -1
        ("rho", np.int64),
        ("own", np.int64),  # place in work: the KL's derivatives by those, loc first; or -1
        ("kl", np.float64),  # found, of all but the plain Normal: the tensor's KL
        ("slopes", np.float64),  # and the sum of the magnitudes of its derivatives
    ]
)


@kernel
def kl_terms(prior, mu, rho, sigma, slope, kl, kl_mu, kl_rho):
    """Set each weight's KL from a Normal prior and its derivatives; slope is d sigma / d rho.

    Parameters
    ----------
    prior : record
    mu, rho, sigma, slope : arrays (n,), in
    kl, kl_rho : arrays (n,), out
    kl_mu : array (n,), out, or (0,) where it is not stored
    """
    _normal_variance(prior.normal, rho, sigma, slope, kl, kl_rho)
    _normal_mean(prior.normal, mu, kl, kl_mu)


@kernel
def add_kl_mu(prior, mu, g, kl_weight):
    """Add kl_weight times d KL / d mu to g, where it is not stored."""
    _add_normal_mu(prior.normal, mu, g, kl_weight)


@kernel
def largest_kl_mu(prior, kl):
    """Return a bound on each |d KL / d mu| of weights whose KL adds up to kl."""
    return np.sqrt(2.0 * kl) / prior.normal.scale


@kernel
def _normal_variance(normal, rho, sigma, slope, kl, kl_rho):
    """Set kl to the variance's part of the KL and kl_rho to the KL's derivative by rho.

    With d = (sigma - s)/s, kl = d^2/2 + (d - log1p(d)); where sigma/s = 2^n (1 + f) with n not 0,
    d - log1p(d) = (d - f) - n log 2 + (f - log1p(f)). A sigma below the smallest normal number is
    exp(rho) rounded to 0, and its logarithm rho.
    """
    use_whole_vectors()
    T = type(sigma[0])
    s, tiny = T(normal.scale), tiny_of(sigma[0])
    log_s = log(s)
    inverse = T(1.0) / s
    s_exponent, s_mantissa = mantissa(s)  # sigma / s itself may be below the normal numbers
    inverse_mantissa = T(1.0) / s_mantissa
    for i in range(sigma.size):
        d = (sigma[i] - s) / s
        n, m = mantissa(sigma[i] * inverse_mantissa)
        n = n - s_exponent
        f = select(n == T(0.0), d, m - T(1.0))
        far = less_exponent(n, d - f)
        gone = sigma[i] < tiny
        here = multiply_add(T(0.5) * d, d, far + log1p_gap(f))
        kl[i] = select(gone, log_s - rho[i] - T(0.5), here)
        by_rho = d * ((sigma[i] + s) * inverse) / sigma[i] * slope[i]
        kl_rho[i] = select(gone, T(-1.0), by_rho)


@kernel
def _normal_mean(normal, mu, kl, kl_mu):
    """Add the mean's part of the KL, ((mu - m)/s)^2 / 2, to kl, and set its derivative."""
    use_whole_vectors()
    T = type(mu[0])
    m, s = T(normal.loc), T(normal.scale)
    for i in range(mu.size):
        z = (mu[i] - m) / s
        kl[i] = multiply_add(T(0.5) * z, z, kl[i])
    for i in range(kl_mu.size):
        kl_mu[i] = (mu[i] - m) / s / s


@kernel
def _add_normal_mu(normal, mu, g, kl_weight):
    """Add kl_weight (mu - m) / s^2 to g."""
    use_whole_vectors()
    T = type(g[0])
    m, s = T(normal.loc), T(normal.scale)
    inverse, weight = T(1.0) / s, T(kl_weight) / s
    for i in range(g.size):
        g[i] = multiply_add(weight, (mu[i] - m) * inverse, g[i])
