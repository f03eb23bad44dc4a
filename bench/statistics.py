"""Medians, their intervals, and ratios taken round by round.

Intervals are exact: the median of any distribution lies between the k-th smallest and the k-th
largest of n independent samples with a probability that the binomial distribution gives. Ratios of
one round share what the machine did in that round, so that it cancels.
"""

from math import comb
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
TOO_WIDE = 1.25  # an interval whose ends differ by more says nothing worth printing


class Interval(NamedTuple):
    """A median, an interval around it, and the probability that such an interval holds it."""

    median: float
    low: float
    high: float
    confidence: float

    @property
    def too_wide(self):
        """True where the ends differ by a factor above `TOO_WIDE`."""
        return bool(self.high > TOO_WIDE * self.low)


def _inside(n, k):
    """Return the probability that the median lies from the k-th smallest to the k-th largest."""
    return 1 - 2 * sum(comb(n, j) for j in range(k)) / 2**n


def median_interval(samples, confidence=CONFIDENCE):
    """Return the `Interval` of samples: the narrowest pair of order statistics that is enough.

    With fewer than 6 samples no pair reaches 95 %: then the extremes are given, with what they
    reach.

    Raises
    ------
    ValueError
        For no samples, or one that is not finite.
    """
    ordered = np.sort(np.asarray(samples, np.float64))
    n = len(ordered)
    if n == 0 or not np.all(np.isfinite(ordered)):
        raise ValueError(f"samples: expected finite numbers, at least one, found {samples!r}")
    k = 1
    while k + 1 <= n // 2 and _inside(n, k + 1) >= confidence:
        k += 1
    return Interval(
        float(np.median(ordered)), float(ordered[k - 1]), float(ordered[n - k]), _inside(n, k)
    )


def ratio_interval(numerator, denominator, confidence=CONFIDENCE):
    """Return the `Interval` of the ratios of two contenders' samples, round by round.

    Raises
    ------
    ValueError
        Where the two have not the same number of rounds.
    """
    numerator, denominator = np.asarray(numerator, float), np.asarray(denominator, float)
    if numerator.shape != denominator.shape:
        raise ValueError(
            f"rounds: expected as many for both, found {numerator.size} and {denominator.size}"
        )
    return median_interval(numerator / denominator, confidence)


def verdict(ratio):
    """Return in a word what an interval of (theirs / ours) says.

    "too noisy to tell" where it is too wide to be of use and does not exclude 1 either.
    """
    if ratio.low > 1:
        return "ours is faster"
    if ratio.high < 1:
        return "ours is slower"
    return "too noisy to tell" if ratio.too_wide else "no difference shown"


def spread(samples):
    """Return half the distance between the quartiles over the median: a relative spread."""
    low, middle, high = np.percentile(np.asarray(samples, np.float64), [25, 50, 75])
    return float((high - low) / 2 / middle)


def bootstrap(samples, statistic, seed=0, times=2000, confidence=CONFIDENCE):
    """Return (low, high): the percentile interval of a statistic of columns of samples.

    Parameters
    ----------
    samples : list of arrays (n_j,)
        Independent sets; each is resampled by itself.
    statistic : function(list of arrays (times, n_j)) -> array (times, ...)
        Vectorised over resamples, the first axis.

    Returns
    -------
    (low, high) : arrays of the statistic's shape
    """
    rng = np.random.default_rng(seed)
    resampled = [np.asarray(one)[rng.integers(0, len(one), (times, len(one)))] for one in samples]
    found = np.asarray(statistic(resampled))
    tail = 100 * (1 - confidence) / 2
    return np.percentile(found, tail, axis=0), np.percentile(found, 100 - tail, axis=0)
