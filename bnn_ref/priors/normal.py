"""The Normal prior: its KL divergence from one weight's Normal posterior, and the derivatives.

KL(N(mu, sigma) || N(m, s)) = log(s / sigma) + (sigma^2 + (mu - m)^2) / (2 s^2) - 1/2, in nats.

Written as printed, the formula loses all its digits where sigma is near s; `NormalPrior.kl` says
what is computed instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..elementary import HALF_LOG_TWO_PI, NEAR, ratio_gap
from ..errors import expected
from .base import KLParts, Prior, register


def settle(prior: Prior, *names: str) -> None:
    """Make the names of a prior a float each, or an array that nothing writes to."""
    for name in names:
        value = getattr(prior, name)
        try:
            array = np.array(value, np.float64)
            truth = np.asarray(value).dtype.kind == "b"
        except (TypeError, ValueError):
            truth = True
        if truth:
            raise expected(name, "a number or an array of them", repr(value))
        array.flags.writeable = False
        object.__setattr__(prior, name, float(array) if array.ndim == 0 else array)
        if not np.all(np.isfinite(array)) and name != "scale":
            raise expected(name, "a finite number", getattr(prior, name))
        if name == "scale" and not np.all((array > 0) & np.isfinite(array)):
            raise expected(name, "a finite standard deviation above 0", getattr(prior, name))


@register
@dataclass(frozen=True, eq=False)
class NormalPrior(Prior):
    """A Normal prior, the same for every weight of a tensor or an array that fits it.

    Parameters
    ----------
    loc : float or array
        The mean m.
    scale : float or array
        The standard deviation s > 0 (not a variance). Of a kernel (I, O) an array has the shape
        (O,), (I, 1) or (I, O); of a bias (O,).

    Raises
    ------
    ValueError
        For a loc that is not finite, or a scale that is not finite and above 0.
    """

    loc: float | NDArray[Any] = 0.0
    scale: float | NDArray[Any] = 1.0

    type = "normal"

    def __post_init__(self) -> None:
        settle(self, "loc", "scale")
        if self._arrays():
            object.__setattr__(self, "type", "normal with arrays")

    def _arrays(self):
        return [array for array in (self.loc, self.scale) if isinstance(array, np.ndarray)]

    def _key(self):
        return tuple((*np.shape(v), np.asarray(v).tobytes()) for v in (self.loc, self.scale))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def check_shape(self, shape: tuple[int, ...], thing: str) -> None:
        """Raise where an array has not the shape (O,), (I, 1) or (I, O) of a tensor's.

        Arguments as for `Prior.check_shape`.
        """
        fits = {shape, shape[-1:], (*shape[:-1], 1)} if len(shape) == 2 else {shape}
        for name in ("loc", "scale"):
            found = np.shape(getattr(self, name))
            if found and found not in fits:
                wanted = "a number or shape " + " or ".join(map(str, sorted(fits)))
                raise expected(f"{thing}.{name}", wanted, found)

    def describe(self) -> str:
        """Return "N(m, s)"; of an array its shape."""
        words = [f"{value:g}" if np.ndim(value) == 0 else f"array {np.shape(value)}"
                 for value in (self.loc, self.scale)]  # fmt: skip
        return f"N({', '.join(words)})"

    def to_json(self) -> dict[str, Any]:
        """Return the prior as `docs/vectors.md` writes it: ``{"loc": m, "scale": s}``."""
        return {name: np.asarray(getattr(self, name)).tolist() for name in ("loc", "scale")}

    def _numbers(self, dtype):
        return np.asarray(self.loc, dtype)[()], np.asarray(self.scale, dtype)[()]

    def penalty(self, mu: NDArray[Any]) -> NDArray[Any]:
        """Return -log p(mu) of each weight: z^2/2 + log(s) + log(2 pi)/2, z = (mu - m)/s, nats.

        Parameters
        ----------
        mu : array (any shape), float or complex
        """
        m, s = self._numbers(mu.real.dtype)
        z = (mu - m) / s
        return 0.5 * z * z + (np.log(s) + s.dtype.type(HALF_LOG_TWO_PI))  # E24

    def penalty_gradient(self, mu: NDArray[Any]) -> NDArray[Any]:
        """Return the derivative of `penalty` by mu, (mu - m) / s^2; arguments as for `penalty`."""
        m, s = self._numbers(mu.real.dtype)
        return (mu - m) / s / s  # E24

    def kl(self, mu: NDArray[Any], sigma: NDArray[Any]) -> NDArray[Any]:
        """Return the KL divergence of each weight, in nats.

        With z = (mu - m)/s and d = (sigma - s)/s:

        - near, d from -3/4 to 3:  z^2/2 + d^2/2 + (d - log(1 + d)), three terms that are never
          negative;
        - else, with r = sigma/s:  z^2/2 + (r^2 - 1)/2 - log(r).

        Parameters
        ----------
        mu, sigma : array of one shape, float or complex, sigma > 0

        Returns
        -------
        array of that shape, >= 0, exactly 0 at mu = m, sigma = s.

        Source: the usual closed form; the near form is derived here from sigma = s (1 + d).
        """
        mu, sigma = np.asarray(mu), np.asarray(sigma)
        m, s = self._numbers(mu.real.dtype)
        z = (mu - m) / s
        r = sigma / s
        d = np.asarray((sigma - s) / s)
        near = (d.real >= NEAR[0]) & (d.real <= NEAR[1])
        exact = np.min(r.real) >= np.finfo(r.dtype).tiny  # else the quotient has lost digits
        log_r = np.log(r) if exact else np.log(sigma) - np.log(s)
        variance = np.asarray(0.5 * (r * r - 1) - log_r)  # E5
        d, r = d[near], np.asarray(r)[near]
        variance[near] = 0.5 * d * d + ratio_gap(r, d)  # E5, the near form
        return 0.5 * z * z + variance  # E5

    def kl_gradient(
        self, mu: NDArray[Any], sigma: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the derivatives of `kl` by mu and by sigma, elementwise.

        d/dmu = (mu - m) / s^2  and  d/dsigma = sigma/s^2 - 1/sigma, computed as
        (sigma - s)/s * (sigma + s)/s / sigma: near s the difference is exact in floating point.

        Parameters
        ----------
        mu, sigma : array of one shape, float or complex, sigma > 0

        Returns
        -------
        (grad_mu, grad_sigma) : arrays of that shape, nats per unit of mu and of sigma

        Source: derived in `docs/derivation.md`.
        """
        mu, sigma = np.asarray(mu), np.asarray(sigma)
        m, s = self._numbers(mu.real.dtype)
        return (mu - m) / s / s, ((sigma - s) / s) * ((sigma + s) / s) / sigma  # E13

    def kl_parts(self, mu: NDArray[Any], sigma: NDArray[Any]) -> KLParts:
        """Return the KL of a tensor as a `KLParts`: sums of z^2/2, r^2/2, -log(r) and -1/2.

        Sums are in float64 for any dtype; z and r as in `kl`. Adding the parts cancels where sigma
        is near the prior's scale, so `kl` does not use them.

        Parameters
        ----------
        mu, sigma : float arrays of one shape, sigma > 0
        """
        m, s = self.loc, self.scale
        r = np.asarray(sigma, np.float64) / s
        z = (np.asarray(mu, np.float64) - m) / s
        return KLParts(
            squared_mean=0.5 * np.sum(z * z),  # E5, its printed form
            variance=0.5 * np.sum(r * r),  # E5
            log=-np.sum(np.log(r)),  # E5
            constant=-0.5 * r.size,  # E5
        )
