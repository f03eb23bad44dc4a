"""Real targets: the outputs are the mean of a Normal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..border import check_flag
from ..elementary import HALF_LOG_TWO_PI, sigmoid, softplus, softplus_inverse
from ..errors import expected
from .base import NOTHING, Likelihood, ReductionClass, numbers, refuse_first, register, share
from .reduction import NormalReduction


@register
@dataclass(frozen=True)
class Normal(Likelihood):
    """Real targets; the outputs are the mean. nll_no = t^2/2 + log(s) + log(2 pi)/2, t = (y - z)/s.

    Parameters
    ----------
    scale : float
        The standard deviation s > 0; where it is learned, its initial value.
    learn_scale : bool
        Learn one standard deviation per output, s_o = softplus(scale_rho_o). The parameter is a
        point estimate: it has no posterior and adds nothing to the KL.

    Raises
    ------
    ValueError
        For a scale that is not finite and above 0.
    """

    scale: float = 1.0
    learn_scale: bool = False

    type = "normal"
    task = "normal"
    metric = "rmse"
    reduction: ClassVar[ReductionClass] = NormalReduction
    formula = "(y - outputs)^2 / (2 scale^2) + log(scale) + log(2 pi) / 2"
    slope_formula = "(outputs - y) / scale^2"

    def __post_init__(self) -> None:
        try:
            scale = float(self.scale)
        except (TypeError, ValueError):
            raise expected("likelihood.scale", "a number", repr(self.scale)) from None
        if not (np.isfinite(scale) and scale > 0):
            raise expected("likelihood.scale", "a finite standard deviation above 0", scale)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(
            self, "learn_scale", check_flag(self.learn_scale, "likelihood.learn_scale")
        )

    def check_targets(
        self, y: ArrayLike, leading: tuple[int, ...], outputs: int
    ) -> NDArray[np.float64]:
        """Return targets as float64 (B, O).

        Parameters
        ----------
        y : array, shape leading + (outputs,)
        leading : tuple of int
            The inputs' shape without its last dimension; its product is B.
        outputs : int
            O.

        Raises
        ------
        ValueError
            For another shape or a value that is not finite; the message names value and row.
        """
        y = numbers(y, (*leading, outputs)).reshape(-1, outputs).astype(np.float64)
        if not np.isfinite(y).all():
            refuse_first(~np.isfinite(y), y, "finite numbers")
        return y

    def parameter_shapes(self, outputs: int) -> dict[str, tuple[int, ...]]:
        """Return the shape (O,) of ``scale_rho`` where the scale is learned.

        Parameters
        ----------
        outputs : int
            O.
        """
        return {"scale_rho": (outputs,)} if self.learn_scale else {}

    def initial(self, outputs: int, dtype: DTypeLike) -> dict[str, NDArray[Any]]:
        """Return the ``scale_rho`` (O,) at which every scale is ``self.scale``.

        Arguments as for `Likelihood.initial`.
        """
        if not self.learn_scale:
            return {}
        return {"scale_rho": np.full(outputs, softplus_inverse(self.scale), dtype)}

    def scales(self, own: Mapping[str, NDArray[Any]], dtype: np.dtype[Any]) -> Any:
        """Return the standard deviation in use: a number of that dtype, or (O,) if learned.

        Parameters
        ----------
        own : mapping of str to array
            With ``scale_rho`` (O,) where the scale is learned.
        dtype : numpy.dtype
            Of a fixed scale; a learned one has its own.
        """
        rho = own.get("scale_rho")
        return dtype.type(self.scale) if rho is None else softplus(rho)  # E18

    def normals(
        self, z: NDArray[Any], own: Mapping[str, NDArray[Any]] = NOTHING
    ) -> tuple[NDArray[Any], Any]:
        """Return mean and standard deviation of each target; they broadcast to (..., O).

        Parameters
        ----------
        z : array (..., O)
        own : mapping of str to array
            As for `scales`.
        """
        return z, self.scales(own, z.real.dtype)

    def nll_rows(
        self, z: NDArray[Any], y: NDArray[Any], own: Mapping[str, NDArray[Any]] = NOTHING
    ) -> NDArray[Any]:
        """Return sum_o t^2/2 + log(s_o) + log(2 pi)/2 for each example: array (B,), nats.

        Parameters
        ----------
        z : array (B, O), float or complex
            Predicted means.
        y : array (B, O)
            As `check_targets` returns it.
        own : mapping of str to array
            As for `scales`.
        """
        s = self.scales(own, z.real.dtype)
        t = (y.astype(z.real.dtype) - z) / s  # E4
        constant = z.real.dtype.type(HALF_LOG_TWO_PI)
        return np.sum(0.5 * t * t + (np.log(s) + constant), -1)  # E4

    def slope(
        self, z: NDArray[Any], y: NDArray[Any], own: Mapping[str, NDArray[Any]]
    ) -> NDArray[Any]:
        """Return d nll_n / d z_n, (B, O); arguments as for `nll_rows`."""
        s = self.scales(own, z.real.dtype)
        return (z - y.astype(z.real.dtype)) / s / s  # E7

    def gradient_own(
        self,
        z: NDArray[Any],
        y: NDArray[Any],
        weight: NDArray[Any] | None,
        own: Mapping[str, NDArray[Any]],
    ) -> dict[str, NDArray[Any]]:
        """Return the gradient by ``scale_rho``, (O,), where the scale is learned.

        Arguments as for `nll_and_gradient`.
        """
        if not self.learn_scale:
            return {}
        s = self.scales(own, z.real.dtype)
        t = (y.astype(z.real.dtype) - z) / s
        grad_s = np.sum((1 - t) * (1 + t) / s * share(z, weight), axis=0)  # (O,), E18
        return {"scale_rho": grad_s * sigmoid(own["scale_rho"])}  # E18

    def score(self, z: NDArray[Any], y: NDArray[Any]) -> float:
        """Return the sum over rows of the mean over outputs of the squared errors.

        Arguments as for `nll_rows`.
        """
        return float(np.sum(np.mean((z - y.reshape(z.shape)) ** 2, axis=-1)))

    def to_json(self) -> dict[str, Any]:
        """Return ``{"type": "normal", "scale": s}``, and ``"learn_scale": true`` where it is."""
        learned = {"learn_scale": True} if self.learn_scale else {}
        return {"type": "normal", "scale": self.scale, **learned}
