"""Real targets: the outputs are the mean of a Normal."""

from dataclasses import dataclass

import numpy as np

from ..elementary import sigmoid, softplus, softplus_inverse
from ..errors import expected
from .base import Likelihood, numbers, refuse_first, share


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
    metric = "rmse"

    def __post_init__(self):
        try:
            scale = float(self.scale)
        except (TypeError, ValueError):
            raise expected("likelihood.scale", "a number", repr(self.scale)) from None
        if not (np.isfinite(scale) and scale > 0):
            raise expected("likelihood.scale", "a finite standard deviation above 0", scale)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "learn_scale", bool(self.learn_scale))

    def check_targets(self, y, leading, outputs):
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
        if not np.all(np.isfinite(y)):
            refuse_first(~np.isfinite(y), y, "finite numbers")
        return y

    def initial_scale_rho(self, outputs, dtype):
        """Return the scale_rho (O,) at which every scale is ``self.scale``.

        Parameters
        ----------
        outputs : int
            O.
        dtype : dtype
            float32 or float64.
        """
        return np.full(outputs, softplus_inverse(self.scale), dtype)

    def scales(self, scale_rho, dtype):
        """Return the standard deviation in use: a number of that dtype, or (O,) if learned.

        Parameters
        ----------
        scale_rho : array (O,) or None
            None where the scale is fixed.
        dtype : numpy.dtype
            Of a fixed scale; a learned one has its own.
        """
        return dtype.type(self.scale) if scale_rho is None else softplus(scale_rho)  # E18

    def nll_rows(self, z, y, scale_rho=None):
        """Return sum_o t^2/2 + log(s_o) + log(2 pi)/2 for each example: array (B,), nats.

        Parameters
        ----------
        z : array (B, O), float or complex
            Predicted means.
        y : array (B, O)
            As `check_targets` returns it.
        scale_rho : array (O,) or None
            Where the scale is learned.
        """
        s = self.scales(scale_rho, z.real.dtype)
        t = (y.astype(z.real.dtype) - z) / s  # E4
        constant = z.real.dtype.type(0.5 * np.log(2 * np.pi))
        return np.sum(0.5 * t * t + (np.log(s) + constant), -1)  # E4

    def _slope(self, z, y, scale_rho):
        s = self.scales(scale_rho, z.real.dtype)
        return (z - y.astype(z.real.dtype)) / s / s  # E7

    def nll_and_gradient(self, z, y, weight=None, scale_rho=None):
        nll, grad_z, _ = super().nll_and_gradient(z, y, weight, scale_rho)
        if scale_rho is None:
            return nll, grad_z, None
        s = softplus(scale_rho)
        t = (y.astype(z.real.dtype) - z) / s
        grad_s = np.sum((1 - t) * (1 + t) / s * share(z, weight), axis=0)  # (O,), E18
        return nll, grad_z, grad_s * sigmoid(scale_rho)  # E18

    def to_json(self):
        """Return ``{"type": "normal", "scale": s}``, and ``"learn_scale": true`` where it is."""
        learned = {"learn_scale": True} if self.learn_scale else {}
        return {"type": "normal", "scale": self.scale, **learned}
