"""No prior: the posterior's entropy does not count, the KL is 0."""

from dataclasses import dataclass

import numpy as np

from .base import Prior, register


@register
@dataclass(frozen=True)
class NoPrior(Prior):
    """No prior: nothing of this tensor enters the KL, so sigma is held up by the nll alone."""

    type = "none"
    has_kl = False

    def kl(self, mu, sigma):
        """Return 0 for each weight; arguments as for `NormalPrior.kl`."""
        return np.zeros_like(mu)

    def kl_gradient(self, mu, sigma):
        """Return zeros, by mu and by sigma; arguments as for `NormalPrior.kl`."""
        return np.zeros_like(mu), np.zeros_like(sigma)

    def describe(self):
        """Return "none"."""
        return "none"

    def to_json(self):
        """Return ``{"type": "none"}``."""
        return {"type": "none"}
