"""The Laplace prior: its KL divergence from one weight's Normal posterior, and the derivatives.

p(w) = exp(-abs(w - m) / b) / (2 b). With E abs(w - m) under the posterior,

KL = E abs(w - m) / b + log(2 b) - log(sigma) - log(2 pi e) / 2, in nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import pairs
from ..elementary import erf, ratio_gap
from .base import Prior, register
from .normal import settle

LEAST = 0.04841729471054514  # 1/2 + log(2) - log(pi), the least KL: a Normal is no Laplace
ROOT = np.sqrt(0.5 * np.pi)
ROOT_REST = 1.3040170502273547e-16  # sqrt(pi / 2) - ROOT
LOG_ROOT = (0.22579135264472744, -6.4622584878775846e-18)  # log(sqrt(pi / 2)), a pair
SERIES = 21  # terms of `excess` for |z| <= 3/2: the next is below 1e-19


def excess(z: NDArray[Any]) -> NDArray[Any]:
    """Return E abs(z + eps) / E abs(eps) - 1 for a standard normal eps, where abs(z) <= 3/2.

    The sum over k >= 1 of (-1)^(k+1) z^(2k) / (2^k k! (2k - 1)): z^2/2 - z^4/24 + z^6/240 - ...

    Parameters
    ----------
    z : array (any shape), float or complex

    Source: derived in `docs/derivation.md`.
    """
    half = 0.5 * z * z
    term, total = half, half
    for k in range(2, SERIES):
        term = term * (-half / k)  # (-1)^(k+1) z^(2k) / (2^k k!)
        total = total + term / (2 * k - 1)  # E25
    return total


@register
@dataclass(frozen=True)
class LaplacePrior(Prior):
    """A Laplace prior, the same for every weight of a tensor.

    Parameters
    ----------
    loc : float
        The mean m.
    scale : float
        b > 0; the standard deviation is sqrt(2) b.

    Raises
    ------
    ValueError
        For a loc that is not finite, or a scale that is not finite and above 0.
    """

    loc: float = 0.0
    scale: float = 1.0

    type = "laplace"

    def __post_init__(self) -> None:
        settle(self, "loc", "scale")

    def check_shape(self, shape: tuple[int, ...], thing: str) -> None:
        """Raise where loc or scale is an array: arguments as for `Prior.check_shape`."""
        self._check_single(thing)

    def describe(self) -> str:
        """Return "Laplace(m, b)"."""
        return f"Laplace({self.loc:g}, {self.scale:g})"

    def _width(self, sigma):
        """Return u = sigma / (b sqrt(pi/2)), and u - 1 with its digits near 1."""
        real = sigma.real.dtype.type
        r, root = sigma / real(self.scale), real(ROOT)
        return r / root, ((r - root) - real((ROOT - np.float64(root)) + ROOT_REST)) / root

    def kl(self, mu: NDArray[Any], sigma: NDArray[Any]) -> NDArray[Any]:
        """Return the KL divergence of each weight, in nats.

        With u = sigma / (b sqrt(pi/2)) and z = abs(mu - m) / sigma, E abs(w - m) / b is
        u (1 + excess(z)):

        - z <= 3/2:  LEAST + (u - 1 - log(u)) + u excess(z), three terms that are never negative;
        - else:  LEAST - 1 - log(u) + u exp(-z^2/2) + abs(mu - m)/b erf(z / sqrt(2)).

        Parameters
        ----------
        mu, sigma : array of one shape, float or complex, sigma > 0

        Returns
        -------
        array of that shape, at least .0484

        Source: derived in `docs/derivation.md`.
        """
        mu, sigma = np.asarray(mu), np.asarray(sigma)
        real = mu.real.dtype.type
        away = mu - real(self.loc)
        away = np.where(away.real < 0, -away, away)  # |mu - m|
        with np.errstate(over="ignore"):  # of a sigma far below |mu - m|
            z = away / sigma
            square = z * z
        u, d = self._width(sigma)
        inside = z.real <= 1.5
        near = real(LEAST) + ratio_gap(u, d) + u * excess(np.where(inside, z, 0))  # E25
        outer = np.exp(-0.5 * np.where(inside, 1, square))
        reach = away / real(self.scale) * erf(np.where(inside, 1, z) * real(np.sqrt(0.5)))
        far = real(LEAST - 1) - np.log(u) + u * outer + reach  # E25
        return np.where(inside, near, far)

    def kl_gradient(
        self, mu: NDArray[Any], sigma: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the derivatives of `kl` by mu and by sigma, elementwise.

        d/dmu = erf(z / sqrt(2)) / b  and  d/dsigma = (u exp(-z^2/2) - 1) / sigma, with u as in
        `kl` and z = (mu - m) / sigma. The latter is 0 on a curve, where log(u) = z^2/2; about it
        (u exp(-z^2/2) above 1/16) the difference of these two is taken in pairs of numbers, and
        expm1 of it.

        Parameters
        ----------
        mu, sigma : array of one shape, float or complex, sigma > 0

        Returns
        -------
        (grad_mu, grad_sigma) : arrays of that shape, nats per unit of mu and of sigma

        Source: derived in `docs/derivation.md`.
        """
        mu, sigma = np.asarray(mu), np.asarray(sigma)
        real = mu.real.dtype.type
        with np.errstate(over="ignore"):  # as in `kl`
            z = (mu - real(self.loc)) / sigma
            square = z * z
        by_mu = erf(z * real(np.sqrt(0.5))) / real(self.scale)  # E26
        grown = np.asarray(self._width(sigma)[0] * np.exp(-0.5 * square))
        slope = grown - 1
        if not np.iscomplexobj(slope):
            near = grown > 1 / 16
            slope[near] = self._near_zero(*(np.broadcast_to(v, near.shape)[near]
                                            for v in (mu, sigma)))  # fmt: skip
        return by_mu, slope / sigma  # E26

    def _near_zero(self, mu, sigma):
        """Return u exp(-z^2/2) - 1 as expm1(log(u) - z^2/2), with all its digits."""
        loc, scale = (mu.dtype.type(value).astype(np.float64) for value in (self.loc, self.scale))
        mu, sigma = mu.astype(np.float64), sigma.astype(np.float64)
        nothing = np.zeros_like(sigma)
        z = pairs.divide(pairs.two_sum(mu, -loc), (sigma, nothing))
        high, low = pairs.multiply(z, z)
        less = pairs.add(pairs.add(pairs.log(scale), LOG_ROOT), (0.5 * high, 0.5 * low))
        high, low = pairs.add(pairs.log(sigma), (-less[0], -less[1]))
        return np.expm1(high) + np.exp(high) * low  # E26

    def penalty(self, mu: NDArray[Any]) -> NDArray[Any]:
        """Return -log p(mu) of each weight: abs(mu - m) / b + log(2 b), nats.

        Parameters
        ----------
        mu : array (any shape), float or complex
        """
        away = mu - mu.real.dtype.type(self.loc)
        away = np.where(away.real < 0, -away, away)
        return away / self.scale + np.log(2 * self.scale)  # E24

    def penalty_gradient(self, mu: NDArray[Any]) -> NDArray[Any]:
        """Return the derivative of `penalty`, sign(mu - m) / b; arguments as for `penalty`."""
        away = mu - mu.real.dtype.type(self.loc)
        return np.sign(away.real).astype(mu.dtype) / self.scale  # E24
