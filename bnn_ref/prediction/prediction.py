"""The averaged prediction, what it is made of, and its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..border import check_choice, check_number
from ..errors import expected
from .calibration import calibration_error
from .intervals import mixture_quantile
from .scores import coverage as share_inside

if TYPE_CHECKING:
    from ..likelihoods import Likelihood


@dataclass(frozen=True, repr=False)
class Prediction:
    """The averaged prediction for each of N rows, and what it is made of.

    Attributes
    ----------
    probabilities : array (N, O) or None
        Mean over the draws of the probabilities (Categorical, Bernoulli).
    mean, variance : array (N, O) or None
        Of the predictive mixture (Normal); the variance is aleatoric + epistemic.
    aleatoric, epistemic : array (N, O)
        Categorical, Bernoulli: mean over draws of p (1 - p), and variance over draws of p.
        Normal: the likelihood's variance, and the variance over draws of the mean. Variances over
        draws are divided by S.
    total_entropy, expected_entropy, mutual_information : array (N,) or None
        Nats: entropy of the mean probabilities, mean of the draws' entropies, and their
        difference (Categorical, Bernoulli).
    log_prob : array (N,) or None
        Nats: log of the draws' mean likelihood of the target, where targets were given.
    targets : array (N,) or (N, O), or None
        As they were given.
    draws : int
    likelihood : Categorical, Bernoulli or Normal
        What the outputs mean: a score that it does not have is refused by name.
    samples : array (S, N, O) or None
        Each draw's probabilities (Categorical, Bernoulli) or mean (Normal), where they were asked
        for: with kind "weights" row s is one function drawn from the posterior.
    sample_scales : array (S, N, O) or None
        The standard deviation of each draw's Normal beside its mean, where the network predicts it.
    """

    probabilities: NDArray[Any] | None
    mean: NDArray[Any] | None
    variance: NDArray[Any] | None
    aleatoric: NDArray[Any]
    epistemic: NDArray[Any]
    total_entropy: NDArray[Any] | None
    expected_entropy: NDArray[Any] | None
    mutual_information: NDArray[Any] | None
    log_prob: NDArray[Any] | None
    targets: NDArray[Any] | None
    draws: int
    likelihood: Likelihood
    samples: NDArray[Any] | None = None
    sample_scales: NDArray[Any] | None = None

    def __repr__(self) -> str:
        rows, outputs = self.epistemic.shape
        scores = "" if self.log_prob is None else f", {self.nats:.4g} nats per row"
        return (
            f"Prediction({rows:,} rows, {outputs} outputs, {self.draws} draws, "
            f"{self.likelihood!r}{scores})"
        )

    def _scored(self):
        if self.targets is None:
            raise expected("prediction", "targets y for a score", "none")
        if len(self.targets) == 0:
            raise expected("prediction", "at least one row for a score", "none")

    def _of(self, metric, name):
        """Raise where the likelihood has no such measure."""
        if self.likelihood.metric != metric:
            wanted = "class probabilities" if metric == "accuracy" else "numbers (Normal)"
            found = type(self.likelihood).__name__
            raise expected(f"prediction.{name}", f"a likelihood of {wanted}", found)

    @property
    def nats(self) -> float:
        """Mean over rows of `log_prob`: a negative number for class probabilities."""
        self._scored()
        return float(np.mean(self.log_prob))

    @property
    def classes(self) -> NDArray[Any]:
        """The most probable class of each row, (N,); for Bernoulli 0 or 1 per output, (N, O)."""
        self._of("accuracy", "classes")
        return self.likelihood.decide(self.probabilities)[0]

    @property
    def confidence(self) -> NDArray[Any]:
        """The probability that each of `classes` was given, of their shape."""
        self._of("accuracy", "confidence")
        return self.likelihood.decide(self.probabilities)[1]

    @property
    def accuracy(self) -> float:
        """Share of targets that are `classes`."""
        self._of("accuracy", "accuracy")
        self._scored()
        return float(np.mean(self.classes == self.targets))

    @property
    def rmse(self) -> float:
        """Root of the mean squared error of the predictive mean, in the targets' unit."""
        self._of("rmse", "rmse")
        self._scored()
        return float(np.sqrt(np.mean((self.mean - self.targets) ** 2)))

    @property
    def calibration_error(self) -> float:
        """Expected calibration error of the most probable class, see `calibration_error`."""
        self._of("accuracy", "calibration_error")
        self._scored()
        return calibration_error(self.confidence.ravel(), (self.classes == self.targets).ravel())

    def quantile(self, level: float, kind: str = "predictive") -> NDArray[Any]:
        """Return a quantile for each row and output, (N, O); of Normal likelihoods.

        Parameters
        ----------
        level : float, 0 < level < 1
        kind : "predictive" or "epistemic"
            Of the target (the mixture over draws, noise and all), or of its mean alone (how far
            the draws disagree).

        Raises
        ------
        ValueError
            Where the draws were not kept: predict with ``return_draws=True``.
        """
        self._of("rmse", "quantile")
        check_choice(kind, "kind", ("predictive", "epistemic"))
        if self.samples is None:
            raise expected("prediction.samples", "the draws (return_draws=True)", "none")
        if kind == "epistemic":
            return mixture_quantile(self.samples, 0.0, level)
        scale = np.sqrt(self.aleatoric) if self.sample_scales is None else self.sample_scales
        return mixture_quantile(self.samples, scale, level)

    def interval(
        self, coverage: float = 0.9, kind: str = "predictive"
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return (low, high) of the central interval of that probability, each (N, O).

        Parameters
        ----------
        coverage : float, 0 < coverage < 1
        kind : str
            As for `quantile`.
        """
        tail = 0.5 * (1 - check_number(coverage, "coverage", "(0, 1)"))
        return self.quantile(tail, kind), self.quantile(1 - tail, kind)

    def coverage(self, coverage: float = 0.9, kind: str = "predictive") -> float:
        """Return the share of targets inside `interval`; of a good predictive one about `coverage`.

        Parameters
        ----------
        coverage, kind
            As for `interval`.
        """
        self._scored()
        return share_inside(self.targets, *self.interval(coverage, kind))
