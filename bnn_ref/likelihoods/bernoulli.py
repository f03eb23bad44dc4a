"""Targets 0 or 1: the outputs are logits."""

from dataclasses import dataclass

import numpy as np

from ..elementary import sigmoid, softplus
from .base import Likelihood, numbers, refuse_first


@dataclass(frozen=True)
class Bernoulli(Likelihood):
    """Targets 0 or 1; the outputs are logits. nll_no = y softplus(-z) + (1 - y) softplus(z)."""

    metric = "accuracy"

    def check_targets(self, y, leading, outputs):
        """Return targets as float64 (B, O), each 0 or 1.

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
            For another shape or value; the message names value and row.
        """
        y = numbers(y, (*leading, outputs)).reshape(-1, outputs)
        good = (y == 0) | (y == 1)
        if not np.all(good):
            refuse_first(~good, y, "0 or 1")
        return y.astype(np.float64)

    def nll_rows(self, z, y, scale_rho=None):
        """Return sum_o softplus((1 - 2 y_no) z_no) for each example: array (B,), nats.

        Parameters
        ----------
        z : array (B, O), float or complex
            Logits.
        y : array (B, O)
            As `check_targets` returns it.
        scale_rho : None
            A probability has no scale.
        """
        side = (1 - 2 * y).astype(z.real.dtype)
        return np.sum(softplus(side * z), axis=-1)  # E4

    def _slope(self, z, y, scale_rho):
        side = (1 - 2 * y).astype(z.real.dtype)
        return side * sigmoid(side * z)  # E7: sigmoid(z) - y, without cancelling

    def to_json(self):
        """Return ``{"type": "bernoulli"}``."""
        return {"type": "bernoulli"}
