"""A prior whose KL counts by a factor: an objective that averages its KL, written down as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from ..border import check_number
from .base import KLParts, Prior, make_prior, register


@register
@dataclass(frozen=True)
class ScaledPrior(Prior):
    """Another prior, its KL (or -log p, on a point estimate) times a factor.

    The posterior that a loss nll + kl_weight * factor * kl aims at is tempered: see `temperature`.
    Bayesian-Torch's layers average the KL over the weights of a tensor (factor 1 / their number),
    torchbnn's loss over the weights of a network.

    Parameters
    ----------
    prior : Prior or (loc, scale)
    factor : float, >= 0

    Raises
    ------
    ValueError
        For a factor that is not finite or below 0.
    """

    prior: Any
    factor: float = 1.0

    type = "scaled"

    def __post_init__(self) -> None:
        object.__setattr__(self, "prior", make_prior(self.prior, "prior"))
        object.__setattr__(self, "factor", check_number(self.factor, "factor"))

    @property
    def has_kl(self) -> bool:  # type: ignore[override]
        """Whether the prior has a KL, and the factor leaves anything of it."""
        return self.prior.has_kl and self.factor > 0

    @property
    def is_sampled(self) -> bool:  # type: ignore[override]
        """As the prior."""
        return self.prior.is_sampled

    @property
    def loc(self) -> Any:
        """The prior's, where it has one."""
        return self.prior.loc

    @property
    def scale(self) -> Any:
        """The prior's, where it has one."""
        return self.prior.scale

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """As the prior's."""
        return self.prior.parameter_shapes

    @property
    def initial(self) -> dict[str, float]:
        """As the prior's."""
        return self.prior.initial

    def temperature(self, kl_weight: float, num_examples: float) -> float:
        """Return the temperature that the factor amounts to: kl_weight * factor * N, 1 for Bayes.

        Parameters
        ----------
        kl_weight : float
            What the loss multiplies its KL by.
        num_examples : float
            N.
        """
        return kl_weight * self.factor * num_examples  # E68

    def check_shape(self, shape: tuple[int, ...], thing: str) -> None:
        """Raise where the prior's arrays do not fit; arguments as for `Prior.check_shape`."""
        self.prior.check_shape(shape, thing)

    def bind(
        self, eps: NDArray[Any] | None = None, own: Mapping[str, NDArray[Any]] | None = None
    ) -> Prior:
        """Return it with its prior as one step sees it; arguments as for `Prior.bind`."""
        return replace(self, prior=self.prior.bind(eps, own))

    def kl(self, mu: NDArray[Any], sigma: NDArray[Any]) -> NDArray[Any]:
        """Return the prior's KL times the factor; arguments as for `NormalPrior.kl`."""
        return self.factor * self.prior.kl(mu, sigma)  # E68

    def kl_gradient(
        self, mu: NDArray[Any], sigma: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return its derivatives by mu and sigma; arguments as for `NormalPrior.kl`."""
        by_mu, by_sigma = self.prior.kl_gradient(mu, sigma)
        return self.factor * by_mu, self.factor * by_sigma  # E68

    def kl_gradient_own(self, mu: NDArray[Any], sigma: NDArray[Any]) -> dict[str, Any]:
        """Return its derivatives by what the prior learns; arguments as for `NormalPrior.kl`."""
        own = self.prior.kl_gradient_own(mu, sigma)
        return {name: self.factor * by for name, by in own.items()}  # E68

    def kl_parts(self, mu: NDArray[Any], sigma: NDArray[Any]) -> KLParts:
        """Return the prior's parts times the factor; arguments as for `NormalPrior.kl`."""
        return KLParts(*(self.factor * part for part in self.prior.kl_parts(mu, sigma)))  # E68

    @property
    def penalty(self) -> Callable[[NDArray[Any]], NDArray[Any]]:  # type: ignore[override]
        """The prior's -log p times the factor, a function of mu; where it has a density."""
        inner = self.prior.penalty
        return lambda mu: self.factor * inner(mu)  # E68

    @property
    def penalty_gradient(self) -> Callable[[NDArray[Any]], NDArray[Any]]:  # type: ignore[override]
        """The derivative of `penalty`, a function of mu."""
        inner = self.prior.penalty_gradient
        return lambda mu: self.factor * inner(mu)  # E68

    def describe(self) -> str:
        """Return "N(m, s) x FACTOR"."""
        return f"{self.prior.describe()} x {self.factor:g}"

    def to_json(self) -> dict[str, Any]:
        """Return ``{"type": "scaled", "prior": {...}, "factor": f}``."""
        return {"type": "scaled", "prior": self.prior.to_json(), "factor": self.factor}
