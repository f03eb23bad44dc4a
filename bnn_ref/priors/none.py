"""No prior: the posterior's entropy does not count, the KL is 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Prior, register


@register
@dataclass(frozen=True)
class NoPrior(Prior):
    """No prior: nothing of this tensor enters the KL, so sigma is held up by the nll alone."""

    type = "none"
    has_kl = False

    def kl(self, mu: NDArray[Any], sigma: NDArray[Any]) -> NDArray[Any]:
        """Return 0 for each weight; arguments as for `NormalPrior.kl`."""
        return np.zeros_like(mu)

    def kl_gradient(
        self, mu: NDArray[Any], sigma: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return zeros, by mu and by sigma; arguments as for `NormalPrior.kl`."""
        return np.zeros_like(mu), np.zeros_like(sigma)

    def describe(self) -> str:
        """Return "none"."""
        return "none"
