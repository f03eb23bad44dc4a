"""Calibration: do things said with probability p happen with frequency p?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..border import check_size
from ..elementary import normal_cdf
from ..errors import expected

CHANCE_RUNS = 200


def calibration_bins(
    confidence: ArrayLike, correct: ArrayLike, bins: int = 10
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Return count, mean confidence and accuracy of each bin of equal width over [0, 1].

    Bin k holds k/bins <= confidence < (k + 1)/bins, and the last one 1.0 as well.

    Parameters
    ----------
    confidence : array (N,), 0 to 1
    correct : bool array (N,)
    bins : int

    Returns
    -------
    (count, mean_confidence, accuracy) : arrays (bins,); 0 where a bin is empty.
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if confidence.shape != correct.shape or confidence.ndim != 1:
        raise expected("correct", f"shape {confidence.shape}", correct.shape)
    if not np.all((confidence >= 0) & (confidence <= 1)):
        raise expected("confidence", "numbers from 0 to 1", "others")
    bins = check_size(bins, "bins")
    edges = np.arange(1, bins) / bins  # compared, for confidence * bins rounds .29 * 100 to 28
    place = np.searchsorted(edges, confidence, side="right")
    count = np.bincount(place, minlength=bins)
    shares = np.maximum(count, 1)
    mean_confidence = np.bincount(place, confidence, minlength=bins) / shares
    return count, mean_confidence, np.bincount(place, correct, minlength=bins) / shares


def calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> float:
    """Return the expected calibration error: bins' gaps \\|accuracy - confidence\\| by their share.

    Arguments as for `calibration_bins`. Source: Naeini, Cooper and Hauskrecht (2015).
    """
    count, mean_confidence, accuracy = calibration_bins(confidence, correct, bins)
    if count.sum() == 0:
        raise expected("confidence", "at least one row", "none")
    return float(np.sum(count * np.abs(accuracy - mean_confidence)) / count.sum())


def chance_calibration_error(confidence: NDArray[Any], bins: int = 10, seed: int = 0) -> float:
    """Return the mean calibration error of a perfectly calibrated model at these confidences.

    A mean over simulated answers, each right with the probability that it says.

    Parameters
    ----------
    confidence : array (N,), 0 to 1
    bins, seed : int
    """
    rng = np.random.default_rng(seed)
    return float(np.mean([
        calibration_error(confidence, rng.random(len(confidence)) < confidence, bins)
        for _ in range(CHANCE_RUNS)
    ]))  # fmt: skip


def wilson_interval(
    share: NDArray[Any], count: NDArray[Any], z: float = 1.96
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return (low, high), Wilson's interval of a share of `count`: with z = 1.96 of 95 %.

    It is no point where every one of a few was right, or none.

    Parameters
    ----------
    share, count : arrays of one shape
    z : float
    """
    square = z * z / np.maximum(count, 1)
    middle = (share + square / 2) / (1 + square)
    reach = np.sqrt(share * (1 - share) * square + square * square / 4) / (1 + square)
    return middle - reach, middle + reach


def classwise_calibration_error(
    probabilities: NDArray[Any], targets: NDArray[Any], bins: int = 10
) -> float:
    """Return the mean over classes of the calibration error of each class's probability.

    Parameters
    ----------
    probabilities : array (N, O)
    targets : int array (N,)
        Class ids.
    bins : int

    Source: Kull et al. (2019), "Beyond temperature scaling", section 2.
    """
    probabilities, targets = np.asarray(probabilities), np.asarray(targets)
    if probabilities.ndim != 2 or targets.shape != probabilities.shape[:1]:
        raise expected("targets", f"shape {probabilities.shape[:1]}", targets.shape)
    return float(np.mean([
        calibration_error(probabilities[:, k], targets == k, bins)
        for k in range(probabilities.shape[1])
    ]))  # fmt: skip


def rms_calibration_error(
    targets: NDArray[Any], mean: NDArray[Any], scale: NDArray[Any], levels: int = 100
) -> float:
    """Return the root mean square, over levels p from 0 to 1, of (share inside - p).

    "Inside" is the central interval of probability p of Normal(mean, scale).

    Parameters
    ----------
    targets, mean, scale : arrays (N,)
        Scale is a standard deviation, > 0.
    levels : int
        Evenly spaced, 0 and 1 among them.

    Source: Kuleshov, Fenner and Ermon (2018); Tran et al. (2020).
    """
    t = (np.asarray(targets, np.float64) - mean) / scale
    level = np.sort(np.abs(2 * normal_cdf(t) - 1).ravel())  # of the least interval with the target
    wanted = np.linspace(0, 1, check_size(levels, "levels", 2))
    inside = np.searchsorted(level, wanted, side="right") / len(level)
    return float(np.sqrt(np.mean((inside - wanted) ** 2)))
