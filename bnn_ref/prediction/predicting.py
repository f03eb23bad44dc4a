"""Monte Carlo predictions: draws of the outputs, reduced as they come, once for both back ends.

Memory does not grow with the number of draws, rows are read in blocks, and a row's prediction
depends on no other row: see `bnn_ref.reference.draw_outputs`.
"""

from dataclasses import dataclass

import numpy as np

from ..backends import get_backend
from ..border import check_size, check_word
from ..border.rows import check_rows
from ..errors import expected
from ..layers import BLOCK_ROWS
from ..likelihoods import NOTHING
from ..step import check_kind

ROWS_AT_ONCE = 64 * BLOCK_ROWS


@dataclass(frozen=True)
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
    """

    probabilities: np.ndarray | None
    mean: np.ndarray | None
    variance: np.ndarray | None
    aleatoric: np.ndarray
    epistemic: np.ndarray
    total_entropy: np.ndarray | None
    expected_entropy: np.ndarray | None
    mutual_information: np.ndarray | None
    log_prob: np.ndarray | None
    targets: np.ndarray | None
    draws: int

    def _scored(self):
        if self.targets is None:
            raise ValueError("prediction: expected targets y for a score, found none")
        if len(self.targets) == 0:
            raise ValueError("prediction: expected at least one row for a score, found none")

    @property
    def nats(self):
        """Mean over rows of `log_prob`: a negative number for class probabilities."""
        self._scored()
        return float(np.mean(self.log_prob))

    @property
    def classes(self):
        """The most probable class of each row, (N,); for Bernoulli 0 or 1 per output, (N, O)."""
        if self.targets is not None and self.targets.ndim == 2:
            return (self.probabilities > 0.5).astype(np.int64)
        return np.argmax(self.probabilities, axis=-1)

    @property
    def accuracy(self):
        """Share of targets that are `classes`."""
        self._scored()
        return float(np.mean(self.classes == self.targets))

    @property
    def rmse(self):
        """Root of the mean squared error of the predictive mean, in the targets' unit."""
        self._scored()
        return float(np.sqrt(np.mean((self.mean - self.targets) ** 2)))

    @property
    def calibration_error(self):
        """Expected calibration error of the most probable class, see `calibration_error`."""
        self._scored()
        if self.targets.ndim == 2:
            confidence = np.maximum(self.probabilities, 1 - self.probabilities)
        else:
            confidence = np.max(self.probabilities, axis=-1)
        return calibration_error(confidence.ravel(), (self.classes == self.targets).ravel())


def calibration_bins(confidence, correct, bins=10):
    """Return count, mean confidence and accuracy of each bin of equal width over [0, 1].

    Parameters
    ----------
    confidence : array (N,), 0 to 1
    correct : bool array (N,)
    bins : int

    Returns
    -------
    (count, mean_confidence, accuracy) : arrays (bins,); 0 where a bin is empty. 1.0 is in the last.
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if confidence.shape != correct.shape or confidence.ndim != 1:
        raise expected("correct", f"shape {confidence.shape}", correct.shape)
    if not np.all((confidence >= 0) & (confidence <= 1)):
        raise expected("confidence", "numbers from 0 to 1", "others")
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    shares = np.maximum(count, 1)
    mean_confidence = np.bincount(place, confidence, minlength=bins) / shares
    return count, mean_confidence, np.bincount(place, correct, minlength=bins) / shares


def calibration_error(confidence, correct, bins=10):
    """Return the expected calibration error: bins' gaps \\|accuracy - confidence\\| by their share.

    Arguments as for `calibration_bins`. Source: Naeini, Cooper and Hauskrecht (2015).
    """
    count, mean_confidence, accuracy = calibration_bins(confidence, correct, bins)
    if count.sum() == 0:
        raise expected("confidence", "at least one row", "none")
    return float(np.sum(count * np.abs(accuracy - mean_confidence)) / count.sum())


class _Reduction:
    """Draws of one block of rows, reduced as they come."""

    def __init__(self, likelihood, y, own):
        self.likelihood, self.y, self.own = likelihood, y, own
        self.draws = likelihood.reduction(likelihood, own)
        self.log_sum = None  # log of the sum over draws of the likelihood

    def add(self, z):
        """Add one draw of the outputs z, (rows, O)."""
        z = z.astype(np.float64)
        if self.y is not None:
            log_prob = -self.likelihood.nll_rows(z, self.y, self.own)  # E4
            self.log_sum = (  # E22
                log_prob if self.log_sum is None else np.logaddexp(self.log_sum, log_prob)
            )
        self.draws.add(z)

    def result(self):
        """Return the block's arrays, by the names of `Prediction`."""
        found = self.draws.result()
        if self.y is not None:
            found["log_prob"] = self.log_sum - np.log(self.draws.draws)  # E22
        return found


def reduce_draws(likelihood, draws, y=None, own=NOTHING):
    """Return the `Prediction` of draws of the outputs that a person already has.

    Parameters
    ----------
    likelihood : Categorical, Bernoulli or Normal
    draws : iterable of arrays (N, O), at least one
    y : array, optional
        Targets as the likelihood takes them.
    own : mapping of str to array, optional
        The likelihood's own parameters, ``{"scale_rho": ...}`` where the Normal's is learned.
    """
    reduction, count = None, 0
    for count, z in enumerate(draws, start=1):  # noqa: B007 (the last count is used)
        z = np.asarray(z)
        if reduction is None:
            if y is not None:
                y = likelihood.check_targets(y, z.shape[:-1], z.shape[-1])
            reduction = _Reduction(likelihood, y, own)
        reduction.add(z)
    if reduction is None:
        raise expected("draws", "at least one", "none")
    return _prediction([reduction.result()], y, count)


def _prediction(blocks, targets, draws):
    """Return the `Prediction` of blocks of rows, one after the other."""
    names = set().union(*blocks)
    whole = {
        name: np.concatenate([block[name] for block in blocks])
        for name in Prediction.__dataclass_fields__
        if name in names
    }
    absent = set(Prediction.__dataclass_fields__) - set(whole) - {"targets", "draws"}
    return Prediction(**whole, **dict.fromkeys(absent), targets=targets, draws=draws)


def predict(
    network,
    parameters,
    x,
    y=None,
    *,
    draws=50,
    seed=0,
    kind="weights",
    backend="numba",
    threads=None,
    rows_at_once=ROWS_AT_ONCE,
):
    """Return the `Prediction` for each row of x, averaged over draws from the posterior.

    Parameters
    ----------
    network : Network
    parameters : Parameters
    x : array, or anything with ``shape`` and row slicing, (N, I)
        Read in blocks; more than two dimensions are flattened to rows.
    y : array, optional
        Targets: adds `log_prob`, and with it nats, accuracy or rmse, and calibration error.
    draws : int
        S. One is enough for kind "mean", which draws nothing.
    seed : int
    kind : str
        "weights" (default): S draws of whole weights. "flipout": the layers as they train.
        "mean": every weight at its posterior mean.
    backend : "numba", "numpy" or a module
    threads : int, optional
    rows_at_once : int
        Rows of a block, a multiple of 128; it changes memory and time, never a bit of a result.

    Raises
    ------
    ValueError, TypeError
        Where something does not fit; the message names it.
    """
    check_kind(kind)
    draws, seed = check_size(draws, "draws"), check_word(seed, "seed", 64)
    if kind == "mean":
        draws = 1
    rows_at_once = -(-check_size(rows_at_once, "rows_at_once") // BLOCK_ROWS) * BLOCK_ROWS
    backend = get_backend(backend)
    x = check_rows(x)
    if x.shape[-1] != network.inputs:
        raise expected("x", f"last dimension {network.inputs}", f"shape {tuple(x.shape)}")
    if y is not None:
        y = network.likelihood.check_targets(y, tuple(x.shape[:-1]), network.outputs)
    if len(x.shape) > 2:
        x = np.asarray(x).reshape(-1, network.inputs)
    rows = x.shape[0]
    own = {name: array.astype(np.float64) for name, array in parameters.likelihood.items()}
    workspace = backend.prepare(network, min(rows, rows_at_once), parameters.dtype, threads)
    blocks = []
    for start in range(0, max(rows, 1), rows_at_once):
        part = slice(start, min(start + rows_at_once, rows))
        block = np.asarray(x[part])
        reduction = _Reduction(network.likelihood, None if y is None else y[part], own)
        for draw in range(draws):
            reduction.add(
                backend.draw_outputs(network, parameters, block, seed, draw, kind=kind,
                                     first_row=start, workspace=workspace)
            )  # fmt: skip
        blocks.append(reduction.result())
    return _prediction(blocks, y, draws)
