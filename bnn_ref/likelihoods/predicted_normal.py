"""Real targets whose standard deviation the network predicts, row by row: 2 outputs a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..border import check_number
from ..elementary import HALF_LOG_TWO_PI, sigmoid, softplus
from ..errors import expected
from .base import NOTHING, Likelihood, ReductionClass, register
from .normal import Normal
from .reduction import Reduction


class PredictedReduction(Reduction):
    """A mixture of Normals of different scales: the mean of their variances, plus their means'.

    Arguments as for `Reduction`.
    """

    aleatoric: Any

    def __init__(self, likelihood: Likelihood, own: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(likelihood, own)
        self.aleatoric = 0.0

    def add(self, z: NDArray[Any]) -> NDArray[Any]:
        """Add one draw of the outputs z, float64 (rows, 2 D), and return its means (rows, D)."""
        mean, s, _ = self.likelihood.parts(z)
        self.aleatoric = self.aleatoric + s * s  # E23
        return super().add(mean)

    def result(self) -> dict[str, NDArray[Any]]:
        """Return name to array: mean, variance, and the two that add up to it."""
        moments = super().result()
        aleatoric = self.aleatoric / self.draws  # E23
        return {**moments, "aleatoric": aleatoric, "variance": aleatoric + moments["epistemic"]}


TARGETS = Normal()  # of another scale in every row; what they may be is the same


@register
@dataclass(frozen=True)
class PredictedNormal(Likelihood):
    """Real targets; of 2 D outputs the first D are the mean, the others the rho of its scale.

    nll_nd = t^2/2 + log(s) + log(2 pi)/2 with t = (y - z_mean)/s and
    s = floor + softplus(z_rho).

    Parameters
    ----------
    floor : float
        The least standard deviation, >= 0: what keeps a row that is fitted exactly from an nll
        without bound.
    beta : float, 0 to 1
        Multiply each target's gradient by s^(2 beta), held fixed (Seitzer et al. 2022): rows whose
        scale is large are fitted as well as the others. The gradient is then not the nll's; 0,
        the default, leaves it the nll's.

    Raises
    ------
    ValueError
        For a number out of range.

    Source: Nix and Weigend (1994); Seitzer, Tavakoli, Antic and Martius (2022), "On the pitfalls
    of heteroscedastic uncertainty estimation".
    """

    floor: float = 1e-3
    beta: float = 0.0

    type = "predicted_normal"
    task = "normal"
    metric = "rmse"
    scale_by_row: ClassVar[bool] = True
    reduction: ClassVar[ReductionClass] = PredictedReduction
    formula: ClassVar[str] = Normal.formula
    slope_formula: ClassVar[str] = Normal.slope_formula

    def __post_init__(self) -> None:
        for name, interval in (("floor", "[0, inf)"), ("beta", "[0, 1]")):
            value = check_number(getattr(self, name), f"likelihood.{name}", interval)
            object.__setattr__(self, name, value)

    def targets_of(self, outputs: int) -> int:
        """Return D = outputs / 2, or raise for an odd number of outputs."""
        if outputs % 2:
            raise expected("outputs of the last layer",
                           "an even number, a mean and a rho for each target", outputs)  # fmt: skip
        return outputs // 2

    def outputs_of(self, targets: int) -> int:
        """Return 2 D: a mean and a rho for each of D targets."""
        return 2 * targets

    def check_targets(
        self, y: ArrayLike, leading: tuple[int, ...], outputs: int
    ) -> NDArray[np.float64]:
        """Return targets as float64 (B, D); as for `Normal.check_targets`, with 2 D outputs.

        Parameters
        ----------
        y : array, shape leading and D
        leading : tuple of int
        outputs : int
            2 D.
        """
        return TARGETS.check_targets(y, leading, self.targets_of(outputs))

    def parts(self, z: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return mean, scale and rho of the outputs, each (B, D).

        Parameters
        ----------
        z : array (B, 2 D), float or complex
        """
        mean, rho = np.split(z, 2, axis=-1)
        return mean, z.real.dtype.type(self.floor) + softplus(rho), rho  # E29

    def normals(
        self, z: NDArray[Any], own: Mapping[str, NDArray[Any]] = NOTHING
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return mean and standard deviation of each target, (..., D) of (..., 2 D).

        Arguments as for `Normal.normals`.
        """
        return self.parts(z)[:2]

    def nll_rows(
        self, z: NDArray[Any], y: NDArray[Any], own: Mapping[str, NDArray[Any]] = NOTHING
    ) -> NDArray[Any]:
        """Return sum_d t^2/2 + log(s_d) + log(2 pi)/2 for each example: array (B,), nats.

        Parameters
        ----------
        z : array (B, 2 D), float or complex
        y : array (B, D)
            As `check_targets` returns it.
        own : mapping
            Empty.
        """
        mean, s, _ = self.parts(z)
        t = (y.astype(z.real.dtype) - mean) / s  # E29
        constant = z.real.dtype.type(HALF_LOG_TWO_PI)
        return np.sum(0.5 * t * t + (np.log(s) + constant), -1)  # E29

    def slope(
        self, z: NDArray[Any], y: NDArray[Any], own: Mapping[str, NDArray[Any]]
    ) -> NDArray[Any]:
        """Return d nll_n / d z_n, (B, 2 D), times s^(2 beta); arguments as for `nll_rows`."""
        mean, s, rho = self.parts(z)
        t = (y.astype(z.real.dtype) - mean) / s
        by_rho = (1 - t) * (1 + t) / s * sigmoid(rho)  # E29
        slope = np.concatenate([-t / s, by_rho], axis=-1)  # E29
        if not self.beta:
            return slope
        factor = (s * s) ** z.real.dtype.type(self.beta)  # E29
        return slope * np.concatenate([factor, factor], axis=-1)  # E29

    def score(self, z: NDArray[Any], y: NDArray[Any]) -> float:
        """Return the sum over rows of the mean over targets of the squared errors.

        Arguments as for `nll_rows`.
        """
        mean, _, _ = self.parts(z)
        return TARGETS.score(mean, y)
