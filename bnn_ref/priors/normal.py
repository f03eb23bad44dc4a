"""The KL divergence of one weight's Normal posterior from its Normal prior, and its derivatives.

KL(N(mu, sigma) || N(m, s)) = log(s / sigma) + (sigma^2 + (mu - m)^2) / (2 s^2) - 1/2, in nats.

Everything is elementwise; sums are taken in `reference.py`. Written as printed, the formula loses
all its digits where sigma is near s; `kl` says what is computed instead.
"""

from typing import NamedTuple

import numpy as np

from ..elementary import NEAR, x_minus_log1p
from ..errors import expected


class NormalPrior(NamedTuple):
    """A Normal prior, the same for every weight of a tensor.

    Attributes
    ----------
    loc : float
        The mean m.
    scale : float
        The standard deviation s > 0 (not a variance).
    """

    loc: float = 0.0
    scale: float = 1.0

    def to_json(self):
        """Return the prior as `docs/vectors.md` writes it: ``{"loc": m, "scale": s}``."""
        return {"loc": self.loc, "scale": self.scale}


def make_prior(prior, thing="kernel_prior"):
    """Return a `NormalPrior` from one, a pair (loc, scale) or a dict with those keys.

    Parameters
    ----------
    prior : NormalPrior, pair or dict
    thing : str
        What the message calls it.

    Raises
    ------
    ValueError
        For another form, a loc that is not finite or a scale that is not finite and above 0.
    """
    try:
        if isinstance(prior, dict):
            prior = NormalPrior(**prior)
        loc, scale = (float(value) for value in prior)
    except (TypeError, ValueError):
        raise expected(thing, "a pair (loc, scale) of numbers", repr(prior)) from None
    if not np.isfinite(loc):
        raise expected(f"{thing}.loc", "a finite number", loc)
    if not (np.isfinite(scale) and scale > 0):
        raise expected(f"{thing}.scale", "a finite standard deviation above 0", scale)
    return NormalPrior(loc, scale)


def kl(mu, sigma, prior):
    """Return the KL divergence of each weight, in nats.

    With z = (mu - m)/s and d = (sigma - s)/s:

    - near, \\|d\\| <= 1/2:  z^2/2 + d^2/2 + (d - log1p(d)), three terms that are never negative;
    - else, with r = sigma/s:  z^2/2 + (r^2 - 1)/2 - log(r).

    Parameters
    ----------
    mu, sigma : array of one shape, float or complex, sigma > 0
    prior : NormalPrior

    Returns
    -------
    array of that shape, >= 0, exactly 0 at mu = m, sigma = s.

    Source: the usual closed form; the near form is derived here from sigma = s (1 + d).
    """
    mu, sigma = np.asarray(mu), np.asarray(sigma)
    m, s = (mu.real.dtype.type(value) for value in prior)
    z = (mu - m) / s
    r = sigma / s
    d = np.asarray((sigma - s) / s)
    near = np.abs(d.real) <= NEAR
    variance = np.asarray(0.5 * (r * r - 1) - np.log(r))  # E5
    d = d[near]
    variance[near] = 0.5 * d * d + x_minus_log1p(d)  # E5, the near form
    return 0.5 * z * z + variance  # E5


def kl_gradient(mu, sigma, prior):
    """Return the derivatives of `kl` by mu and by sigma, elementwise.

    d/dmu = (mu - m) / s^2  and  d/dsigma = sigma/s^2 - 1/sigma, computed as
    (sigma - s)/s * (sigma + s)/s / sigma: near s the difference is exact in floating point.

    Parameters
    ----------
    mu, sigma : array of one shape, float or complex, sigma > 0
    prior : NormalPrior

    Returns
    -------
    (grad_mu, grad_sigma) : arrays of that shape, nats per unit of mu and of sigma

    Source: derived in `docs/derivation.md`.
    """
    mu, sigma = np.asarray(mu), np.asarray(sigma)
    m, s = (mu.real.dtype.type(value) for value in prior)
    return (mu - m) / s / s, ((sigma - s) / s) * ((sigma + s) / s) / sigma  # E13


class KLParts(NamedTuple):
    """A KL divergence split into the four terms of the printed formula, each summed, in nats.

    Attributes
    ----------
    squared_mean : float
        (mu - m)^2 / (2 s^2), the "L2 norm" people expect the KL to be.
    variance : float
        sigma^2 / (2 s^2).
    log : float
        -log(sigma / s).
    constant : float
        -1/2 a weight. The four add up to the KL.
    """

    squared_mean: float
    variance: float
    log: float
    constant: float


def kl_parts(mu, sigma, prior):
    """Return the KL of a tensor as a `KLParts`: sums of z^2/2, r^2/2, -log(r) and -1/2.

    Sums are in float64 for any dtype; z and r as in `kl`. Adding the parts cancels where sigma is
    near the prior's scale, so `kl` does not use them.

    Parameters
    ----------
    mu, sigma : float arrays of one shape, sigma > 0
    prior : NormalPrior
    """
    m, s = prior
    r = np.asarray(sigma, np.float64) / s
    z = (np.asarray(mu, np.float64) - m) / s
    return KLParts(
        squared_mean=0.5 * np.sum(z * z),  # E5, its printed form
        variance=0.5 * np.sum(r * r),  # E5
        log=-np.sum(np.log(r)),  # E5
        constant=-0.5 * r.size,  # E5
    )
