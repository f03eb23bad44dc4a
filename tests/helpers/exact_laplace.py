"""The KL of a Normal from a Laplace prior and its derivatives in 60 digits; points to ask at."""

import mpmath
import numpy as np
from tolerances import KL_ULP, ulps

# Of 1 / sigma, the size of the two terms of d/dsigma: pairs of numbers end there, and in float32
# what float64 has of the difference.
LEAST = {"float64": 1e-29, "float32": 1e-14}


def exact(mu, sigma, loc, scale):
    """Return (KL, by mu, by sigma) of numbers as they are."""
    with mpmath.workdps(60):
        mu, sigma, loc, scale = (mpmath.mpf(float(v)) for v in (mu, sigma, loc, scale))
        away, root = mu - loc, mpmath.sqrt(mpmath.pi / 2)
        z = away / sigma
        outer, inner = mpmath.exp(-z * z / 2), mpmath.erf(z / mpmath.sqrt(2))
        value = (sigma * outer / root + away * inner) / scale + mpmath.log(2 * scale / sigma)
        value -= mpmath.log(2 * mpmath.pi * mpmath.e) / 2
        return +value, +(inner / scale), +((sigma / (scale * root) * outer - 1) / sigma)


def points(loc, scale, dtype, count, seed=0):
    """Return (mu, sigma): a grid and random ones, also about the curve where d/dsigma is 0.

    abs(mu - loc) / scale from 0 to 1e6, sigma / scale from 1e-12 to 1e6, their ratio on both sides
    of 3/2, and sigma on both sides of every place where the form of the logarithm changes.
    """
    rng = np.random.default_rng(seed)
    ratios = [0.0, 1e-6, 1e-3, 0.1, 0.7, 0.999, 1.001, 1.499, 1.501, 3.0, 7.0, 40.0, 1e3, 1e6]
    widths = [1e-12, 1e-6, 1e-3, 0.1, 0.6, 0.79, 0.8, 1.0, 1.3, 5.0, 1e3, 1e6]
    away, sigma = (v.ravel() for v in np.meshgrid(ratios, widths))
    near = np.concatenate([np.linspace(0.3, 4, count), 1.7725 + np.linspace(0, 0.05, count // 4)])
    u = 10 ** rng.uniform(0, 6, count)
    off = rng.choice([0, 1e-12, 1e-8, 1e-4, 0.01, 0.3, 1, 4], count) * rng.normal(size=count)
    at_zero = np.sqrt(np.maximum(2 * (np.log(u) - off), 0))
    wide, ratio = 10 ** rng.uniform(-12, 6, (2, count)), 10 ** rng.uniform(-4, 2, count)
    sigmas = np.concatenate([sigma, sigma, near, u * np.sqrt(np.pi / 2), *wide])
    aways = np.concatenate([
        away, away * sigma, rng.choice([0.0, 3e-4, 0.4, 1.2], near.size) * near,
        at_zero * u * np.sqrt(np.pi / 2), 10 ** rng.uniform(-9, 6, count), ratio * wide[1],
    ])  # fmt: skip
    mu = loc + rng.choice([-1, 1], aways.size) * aways * scale
    return mu.astype(dtype), (sigmas * scale).astype(dtype)


def check(mu, sigma, loc, scale, found):
    """Fail where KL, d/dmu or d/dsigma is more than 8 units in the last place off."""
    dtype = str(mu.dtype)
    wanted = zip(*(exact(*one, loc, scale) for one in zip(mu, sigma, strict=True)), strict=True)
    for values, wants in zip(found[:2], wanted, strict=False):
        assert ulps(values, wants, dtype) <= KL_ULP
    for f, want, s in zip(found[2], next(wanted), sigma, strict=True):
        unit = np.spacing(np.abs(np.dtype(dtype).type(want)))
        assert abs(want - mpmath.mpf(float(f))) <= KL_ULP * unit + LEAST[dtype] / s
