"""Classes: the outputs are logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..elementary import log_softmax
from .base import NOTHING, Likelihood, ReductionClass, numbers, refuse_first, register
from .reduction import ProbabilityReduction, entropy
from .targets import Classes, Targets


@register
@dataclass(frozen=True)
class Categorical(Likelihood):
    """Class ids 0..O-1; the outputs are logits. nll_n = log sum_o exp(z_no) - z_n,y(n)."""

    type = "categorical"
    task = "categorical"
    targets: ClassVar[Targets] = Classes()
    metric = "accuracy"
    reduction: ClassVar[ReductionClass] = ProbabilityReduction
    formula = "log( sum over classes of exp(outputs) ) - outputs[y]"
    slope_formula = "(softmax(outputs) - one_hot(y))"

    def check_targets(
        self, y: ArrayLike, leading: tuple[int, ...], outputs: int
    ) -> NDArray[np.int64]:
        """Return class ids as int64 (B,).

        Parameters
        ----------
        y : array, shape leading
        leading : tuple of int
            The inputs' shape without its last dimension; its product is B.
        outputs : int
            O, the number of classes.

        Raises
        ------
        ValueError
            Where the shape is not `leading`, or an id is not a whole number in 0..O-1; the
            message names value and row. Whole numbers of a float dtype are taken.
        """
        y = numbers(y, leading, " (class ids, not one-hot rows or a column)").reshape(-1)
        ids = y.astype(np.int64, copy=False) if y.dtype.kind in "bi" else None
        if ids is not None and ids.size and np.maximum.reduce(ids.view(np.uint64)) < outputs:
            return ids  # seen as unsigned, a negative one is huge
        good = (y >= 0) & (y < outputs)
        if y.dtype.kind == "f":
            good &= y == np.floor(y)
        if not np.all(good):
            refuse_first(~good, y, f"class ids, whole numbers from 0 to {outputs - 1}")
        return y.astype(np.int64)

    def nll_rows(
        self, z: NDArray[Any], y: NDArray[Any], own: Mapping[str, NDArray[Any]] = NOTHING
    ) -> NDArray[Any]:
        """Return -log softmax(z_n)[y_n] for each example: array (B,), nats.

        Parameters
        ----------
        z : array (B, O), float or complex
            Logits.
        y : array (B,)
            As `check_targets` returns it.
        own : mapping
            Empty.
        """
        return -log_softmax(z)[np.arange(len(z)), y]  # E4

    def slope(
        self, z: NDArray[Any], y: NDArray[Any], own: Mapping[str, NDArray[Any]]
    ) -> NDArray[Any]:
        """Return d nll_n / d z_n, (B, O); arguments as for `nll_rows`."""
        slope = np.exp(log_softmax(z))  # E7
        slope[np.arange(len(z)), y] -= 1  # E7
        return slope

    def score(self, z: NDArray[Any], y: NDArray[Any]) -> float:
        """Return how many rows have their largest output at their class.

        Arguments as for `nll_rows`.
        """
        return float(np.sum(np.argmax(z, axis=-1) == y.reshape(-1)))

    def probabilities(self, z: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the classes' probabilities, (B, O), and the rows' entropies, (B,); z float64."""
        log_p = log_softmax(z)
        p = np.exp(log_p)
        return p, -np.einsum("no,no->n", p, log_p)  # E23

    entropy: ClassVar[Callable[..., NDArray[Any]]] = staticmethod(entropy)

    def decide(self, p: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """Return the most probable class of each row, and its probability, both (N,).

        Parameters
        ----------
        p : array (N, O)
        """
        return np.argmax(p, axis=-1), np.max(p, axis=-1)
