"""A mixture of Normals as prior: its KL is estimated at the weights that the step draws.

At w = mu + sigma eps the estimate is log q(w) - log p(w), whose mean over eps is the KL; its
gradient goes through w.

Source: Blundell, Cornebise, Kavukcuoglu and Wierstra (2015), sections 3.2 and 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..elementary import HALF_LOG_TWO_PI
from ..errors import expected
from .base import Prior, register


@register
@dataclass(frozen=True)
class MixturePrior(Prior):
    """A mixture of Normals, the same for every weight of a tensor.

    Its KL is that of one draw, so it changes with the noise; of Flipout's draws it is the one
    without signs.

    Parameters
    ----------
    scales : sequence of float
        The standard deviations s_k > 0.
    weights : sequence of float, optional
        The shares of the components, > 0, made to sum to 1; equal unless given.
    locs : sequence of float, optional
        The means m_k, 0 unless given.

    Raises
    ------
    ValueError
        For numbers out of range or lists of different lengths.
    """

    scales: Sequence[float] = (1.0, 0.002)
    weights: Sequence[float] | None = None
    locs: Sequence[float] | None = None

    type = "mixture"
    is_sampled = True

    def __post_init__(self) -> None:
        count = np.size(self.scales)
        given = {"scales": self.scales, "weights": self.weights, "locs": self.locs}
        if self.weights is None:
            given["weights"] = np.full(count, 1 / max(count, 1))
        if self.locs is None:
            given["locs"] = np.zeros(count)
        for name, values in given.items():
            try:
                array = np.array(values, np.float64)
            except (TypeError, ValueError):
                raise expected(name, "a list of numbers", repr(values)) from None
            if array.shape != (count,) or count == 0 or not np.all(np.isfinite(array)):
                raise expected(name, f"{max(count, 1)} finite numbers", values)
            if name != "locs" and not np.all(array > 0):
                raise expected(name, "numbers above 0", values)
            if name == "weights" and abs(np.sum(array) - 1) > 1e-15 * count:
                array = array / np.sum(array)
            object.__setattr__(self, name, tuple(array.tolist()))

    def describe(self) -> str:
        """Return the components: "0.5 N(0, 1) + 0.5 N(0, 0.002)"."""
        parts = zip(self.weights, self.locs, self.scales, strict=True)
        return " + ".join(f"{w:g} N({m:g}, {s:g})" for w, m, s in parts)

    def to_json(self) -> dict[str, Any]:
        """Return ``{"type": "mixture", "scales": [...], "weights": [...], "locs": [...]}``."""
        return {"type": "mixture", "scales": list(self.scales), "weights": list(self.weights),
                "locs": list(self.locs)}  # fmt: skip

    def bind(
        self, eps: NDArray[Any] | None = None, own: Mapping[str, NDArray[Any]] | None = None
    ) -> DrawnMixture:
        """Return the mixture at one draw; arguments as for `Prior.bind`."""
        return DrawnMixture(self, eps)

    def _terms(self, w):
        """Return each component's log(share x density), (K,) + w.shape, and its z / s."""
        real = w.real.dtype.type
        terms, slopes = [], []
        for share, m, s in zip(self.weights, self.locs, self.scales, strict=True):
            z = (w - real(m)) / real(s)
            terms.append(real(np.log(share) - np.log(s) - 0.5 * np.log(2 * np.pi)) - 0.5 * z * z)
            slopes.append(z / real(s))
        return np.stack(terms), np.stack(slopes)

    def penalty(self, mu: NDArray[Any]) -> NDArray[Any]:
        """Return -log p(mu) of each weight, nats.

        Parameters
        ----------
        mu : array (any shape), float or complex
        """
        terms, _ = self._terms(mu)
        most = np.max(terms.real, axis=0)
        return -(most + np.log(np.sum(np.exp(terms - most), axis=0)))  # E24

    def penalty_gradient(self, mu: NDArray[Any]) -> NDArray[Any]:
        """Return the derivative of `penalty` by mu: sum_k r_k (mu - m_k) / s_k^2.

        r_k is the share of component k in p(mu). Arguments as for `penalty`.
        """
        terms, slopes = self._terms(mu)
        shares = np.exp(terms - np.max(terms.real, axis=0))
        return np.sum(shares * slopes, axis=0) / np.sum(shares, axis=0)  # E24


@dataclass(frozen=True)
class DrawnMixture(Prior):
    """A `MixturePrior` at one draw.

    Parameters
    ----------
    prior : MixturePrior
    eps : array (any shape) or None
        The draw; None is refused, for there is no closed form.
    """

    prior: MixturePrior
    eps: NDArray[Any] | None

    def __post_init__(self) -> None:
        if self.eps is None:
            raise expected("noise", "a draw of the weights, for the KL of a mixture (estimator "
                           "'flipout' or 'shared')", "none")  # fmt: skip

    def kl(self, mu: NDArray[Any], sigma: NDArray[Any]) -> NDArray[Any]:
        """Return log q(w) - log p(w) of each weight at w = mu + sigma eps, nats.

        Arguments as for `NormalPrior.kl`. The (w - mu) / sigma of log q is eps itself, not
        recomputed from a rounded w.
        """
        log_q = -0.5 * self.eps * self.eps - np.log(sigma) - self.eps.dtype.type(HALF_LOG_TWO_PI)
        return log_q + self.prior.penalty(mu + sigma * self.eps)  # E27

    def kl_gradient(
        self, mu: NDArray[Any], sigma: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the derivatives of `kl` by mu and by sigma, eps held fixed.

        With g = d(-log p)/dw at w: g, and g eps - 1/sigma. Arguments as for `NormalPrior.kl`.
        """
        by_w = self.prior.penalty_gradient(mu + sigma * self.eps)
        return by_w, by_w * self.eps - 1 / sigma  # E27
