"""Targets 0 or 1: the outputs are logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..elementary import sigmoid, softplus
from .base import NOTHING, Likelihood, ReductionClass, numbers, refuse_first, register
from .reduction import ProbabilityReduction, binary_entropy
from .targets import Binary, Targets


@register
@dataclass(frozen=True)
class Bernoulli(Likelihood):
    """Targets 0 or 1; the outputs are logits. nll_no = y softplus(-z) + (1 - y) softplus(z)."""

    type = "bernoulli"
    task = "bernoulli"
    targets: ClassVar[Targets] = Binary()
    metric = "accuracy"
    reduction: ClassVar[ReductionClass] = ProbabilityReduction
    formula = "log(1 + exp(outputs)) - y * outputs"
    slope_formula = "(1 / (1 + exp(-outputs)) - y)"

    def check_targets(
        self, y: ArrayLike, leading: tuple[int, ...], outputs: int
    ) -> NDArray[np.float64]:
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

    def nll_rows(
        self, z: NDArray[Any], y: NDArray[Any], own: Mapping[str, NDArray[Any]] = NOTHING
    ) -> NDArray[Any]:
        """Return sum_o softplus((1 - 2 y_no) z_no) for each example: array (B,), nats.

        Parameters
        ----------
        z : array (B, O), float or complex
            Logits.
        y : array (B, O)
            As `check_targets` returns it.
        own : mapping
            Empty.
        """
        side = (1 - 2 * y).astype(z.real.dtype)
        return np.sum(softplus(side * z), axis=-1)  # E4

    def slope(
        self, z: NDArray[Any], y: NDArray[Any], own: Mapping[str, NDArray[Any]]
    ) -> NDArray[Any]:
        """Return d nll_n / d z_n, (B, O); arguments as for `nll_rows`."""
        side = (1 - 2 * y).astype(z.real.dtype)
        return side * sigmoid(side * z)  # E7: sigmoid(z) - y, without cancelling

    def score(self, z: NDArray[Any], y: NDArray[Any]) -> float:
        """Return the sum over rows of the share of outputs on the right side.

        Arguments as for `nll_rows`.
        """
        return float(np.sum(np.mean((z > 0) == y.reshape(z.shape), axis=-1)))

    def probabilities(self, z: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return p(1) of each output, (B, O), and the rows' entropies, (B,); z float64 (B, O)."""
        p = sigmoid(z)
        return p, self.entropy(p)  # E23

    entropy: ClassVar[Callable[..., NDArray[Any]]] = staticmethod(binary_entropy)

    def decide(self, p: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return the more probable value of each output, 0 or 1, and its probability, (N, O).

        Parameters
        ----------
        p : array (N, O)
        """
        return (p > 0.5).astype(np.int64), np.maximum(p, 1 - p)
