"""How the draws of a prediction are averaged, a draw at a time: a class for each kind of outputs.

Memory does not grow with the number of draws. What comes out are the arrays of
`bnn_ref.prediction.Prediction`, by their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def entropy(p: NDArray[Any]) -> NDArray[Any]:
    """Return -sum p log p over the last axis, in nats, with 0 log 0 = 0."""
    return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1)


def binary_entropy(p: NDArray[Any]) -> NDArray[Any]:
    """Return the sum over outputs of the entropies of independent 0/1 variables, (N,), nats.

    Parameters
    ----------
    p : array (N, O)
        Probabilities of 1.
    """
    return entropy(p) + entropy(1 - p)


class Reduction:
    """Mean and variance over the draws, by Welford's update, divided by their number at the end.

    Parameters
    ----------
    likelihood : Likelihood
    own : mapping of str to array
        The likelihood's own parameters, float64.
    """

    likelihood: Any
    own: Mapping[str, NDArray[Any]]
    draws: int
    mean: Any
    squares: Any

    def __init__(self, likelihood: Any, own: Mapping[str, NDArray[Any]]) -> None:
        self.likelihood, self.own = likelihood, own
        self.draws, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, z: NDArray[Any]) -> NDArray[Any]:
        """Add one draw of the outputs z, float64 (rows, O), and return what is averaged of it."""
        self.draws += 1
        step = z - self.mean
        self.mean = self.mean + step / self.draws
        step *= z - self.mean
        self.squares = self.squares + step
        return z

    def result(self) -> dict[str, NDArray[Any]]:
        """Return name to array: mean, and the variance of the draws as ``epistemic``."""
        return {"mean": self.mean, "epistemic": self.squares / self.draws}


class ProbabilityReduction(Reduction):
    """Probabilities are averaged, not logits; entropies say where their spread comes from.

    Arguments as for `Reduction`.
    """

    aleatoric: Any
    entropy: Any

    def __init__(self, likelihood: Any, own: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(likelihood, own)
        self.aleatoric = self.entropy = 0.0

    def add(self, z: NDArray[Any]) -> NDArray[Any]:
        """Add one draw of the outputs z, float64 (rows, O), and return its probabilities."""
        p, its_entropy = self.likelihood.probabilities(z)  # E22
        self.entropy = self.entropy + its_entropy  # E23
        super().add(p)
        self.aleatoric = self.aleatoric + p * (1 - p)  # E23
        return p

    def result(self) -> dict[str, NDArray[Any]]:
        """Return name to array: probabilities, both variances and the three entropies."""
        moments = super().result()
        mean = moments.pop("mean")
        total, expected_entropy = self.likelihood.entropy(mean), self.entropy / self.draws  # E23
        return {
            **moments,
            "probabilities": mean,
            "aleatoric": self.aleatoric / self.draws,
            "total_entropy": total,
            "expected_entropy": expected_entropy,
            # E23; >= 0 but for rounding
            "mutual_information": np.maximum(total - expected_entropy, 0),
        }


class NormalReduction(Reduction):
    """A mixture of Normals: its variance is the likelihood's plus that of the draws' means.

    Arguments as for `Reduction`.
    """

    def result(self) -> dict[str, NDArray[Any]]:
        """Return name to array: mean, variance, and the two that add up to it."""
        moments = super().result()
        scale = self.likelihood.scales(self.own, np.dtype(np.float64))
        aleatoric = np.broadcast_to(scale * scale, self.mean.shape)  # E23
        return {**moments, "aleatoric": aleatoric, "variance": aleatoric + moments["epistemic"]}
