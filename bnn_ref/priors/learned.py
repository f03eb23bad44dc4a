"""A Normal prior whose mean and scale are learned with the weights: empirical Bayes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..elementary import sigmoid, softplus, softplus_inverse
from ..errors import expected
from .base import Prior, register
from .normal import NormalPrior, settle


@register
@dataclass(frozen=True)
class LearnedNormalPrior(Prior):
    """A Normal prior with a mean or standard deviation of the tensor's own that is learned.

    They are point estimates, without a prior and without a KL of their own.

    Parameters
    ----------
    loc, scale : float
        Where they start, or stay: scale = softplus(rho) is a standard deviation.
    learn : sequence of str
        "loc", "scale" or both.

    Raises
    ------
    ValueError
        For a number out of range or another name.
    """

    loc: float = 0.0
    scale: float = 1.0
    learn: Sequence[str] = ("scale",)

    type = "learned_normal"

    def __post_init__(self) -> None:
        settle(self, "loc", "scale")
        if sorted(self.learn) not in (["loc"], ["scale"], ["loc", "scale"]):
            raise expected("learn", '("loc",), ("scale",) or both', repr(self.learn))
        object.__setattr__(self, "learn", tuple(self.learn))

    def check_shape(self, shape: tuple[int, ...], thing: str) -> None:
        """Raise where loc or scale is an array: arguments as for `Prior.check_shape`."""
        self._check_single(thing)

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name to shape (): "loc" and "rho" as far as they are learned."""
        names = {"loc": "loc", "scale": "rho"}
        return {names[name]: () for name in ("loc", "scale") if name in self.learn}

    @property
    def initial(self) -> dict[str, float]:
        """Name to number: loc, and the rho of scale."""
        values = {"loc": self.loc, "rho": float(softplus_inverse(self.scale))}
        return {name: values[name] for name in self.parameter_shapes}

    def bind(
        self, eps: NDArray[Any] | None = None, own: Mapping[str, NDArray[Any]] | None = None
    ) -> BoundNormal:
        """Return the prior at what it has learned; arguments as for `Prior.bind`."""
        return BoundNormal(self, own)

    def describe(self) -> str:
        """Return "learned N(m, s)", the numbers where it starts."""
        return f"learned N({self.loc:g}, {self.scale:g})"

    def to_json(self) -> dict[str, Any]:
        """Return ``{"type": "learned_normal", "loc": m, "scale": s, "learn": [...]}``."""
        return {"type": "learned_normal", "loc": self.loc, "scale": self.scale,
                "learn": list(self.learn)}  # fmt: skip


class BoundNormal(NormalPrior):
    """A `LearnedNormalPrior` at the values of a step.

    Parameters
    ----------
    prior : LearnedNormalPrior
    own : mapping of str to array
        "loc" and "rho", shape (), as far as they are learned; complex for a complex step.
    """

    own: Mapping[str, NDArray[Any]]

    def __init__(self, prior: LearnedNormalPrior, own: Mapping[str, NDArray[Any]]) -> None:
        settle_as = object.__setattr__
        settle_as(self, "own", own)
        settle_as(self, "loc", own.get("loc", prior.loc))
        settle_as(self, "scale", softplus(own["rho"]) if "rho" in own else prior.scale)  # E28

    def _numbers(self, dtype):
        return tuple(
            value if isinstance(value, np.ndarray | np.generic) else dtype.type(value)
            for value in (self.loc, self.scale)
        )

    def kl_gradient_own(self, mu: NDArray[Any], sigma: NDArray[Any]) -> dict[str, Any]:
        """Return the derivatives of the summed KL by "loc" and "rho"; as for `NormalPrior.kl`."""
        m, s = self._numbers(mu.real.dtype)
        z = (mu - m) / s
        gradients = {}
        if "loc" in self.own:
            gradients["loc"] = -np.sum(z) / s  # E28
        if "rho" in self.own:
            by_scale = np.sum(((s - sigma) / s) * ((s + sigma) / s) - z * z) / s  # E28
            gradients["rho"] = by_scale * sigmoid(self.own["rho"])  # E28
        return gradients
