"""What may be said of two contenders: by processes, not by rounds.

Most of the spread of a timing is a process's own luck (where its memory lies, which threads share a
cache), and lasts as long as the process: more rounds in it narrow nothing. So a contender runs in
many fresh processes, and a process counts once, by the median of its samples.

Process p of two contenders ran at the same time, so their logarithms' difference is one number, and
under "no difference" it is as likely d as -d: Wilcoxon's signed ranks are exact whatever the
distribution. The interval holds every ratio that the test does not refuse; the estimate is the
median of all pairwise means (Hodges and Lehmann, 1963).
"""

from functools import cache
from math import comb
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE  # the chance that any row of a table errs, where nothing differs
POWER = 0.9  # what "could have shown" promises
TOO_WIDE = 0.25  # a comparison that could not have shown this much tells nothing
MOST = 200  # processes: the exact distribution takes their cube


class Interval(NamedTuple):
    """A median, an interval around it, and the probability that such an interval holds it."""

    median: float
    low: float
    high: float
    confidence: float


class Comparison(NamedTuple):
    """How many times as long one contender takes as another.

    Attributes
    ----------
    ratio, low, high : float
        The estimate and its interval.
    processes : int
        Pairs of processes.
    level : float
        The chance to exclude 1 where nothing differs, corrected for the table's rows.
    shows : float
        The smallest difference that a run of this spread finds in 9 of 10, as a share: 0.04 is
        4 %. Infinite where there are too few processes.
    """

    ratio: float
    low: float
    high: float
    processes: int
    level: float
    shows: float

    @property
    def enough(self):
        """True where the number of processes admits a verdict at the level."""
        return self.processes >= needed(self.level)

    @property
    def verdict(self):
        """What it says of the first: "slower", "faster", ... in a few words."""
        if not self.enough:
            if self.processes == 1:
                return "seen once: no verdict"
            return f"no verdict: {self.processes} of {needed(self.level)} processes"
        if self.low > 1:
            return "slower"
        if self.high < 1:
            return "faster"
        return "too noisy to tell" if self.shows > TOO_WIDE else "no difference shown"


def needed(level):
    """Return the fewest processes that can exclude 1 at a level: all n on one side, 2 / 2^n."""
    n = 1
    while 2.0 ** (1 - n) > level:
        n += 1
    return n


def share_level(rows, level=LEVEL):
    """Return the level of one row, so that all of a table's err with `level` at most (Bonferroni).

    Parameters
    ----------
    rows : int
        Rows that get a verdict.
    level : float
    """
    return level / max(1, rows)


@cache
def _rank_sums(n):
    """Return P(sum of the positive ranks = s) for s = 0 .. n (n + 1) / 2, nothing differing."""
    shares = np.zeros(n * (n + 1) // 2 + 1)
    shares[0] = 1.0
    for rank in range(1, n + 1):
        shares[rank:] = (shares[rank:] + shares[:-rank]) / 2  # the right side is of before
        shares[:rank] /= 2
    return shares


def _left_out(n, level):
    """Return how many pairwise means lie outside of the interval at each end."""
    below = np.cumsum(_rank_sums(n))
    return int(np.searchsorted(below, level / 2, side="right"))


def compare(theirs, ours, level=LEVEL):
    """Return the `Comparison` of theirs over ours, process by process.

    Parameters
    ----------
    theirs, ours : sequence of float
        A time for each process, in the order in which they ran side by side.
    level : float

    Raises
    ------
    ValueError
        Where the two have not the same number of processes, none, or a time is not above 0.
    """
    theirs, ours = np.asarray(theirs, np.float64), np.asarray(ours, np.float64)
    if theirs.shape != ours.shape or not 0 < theirs.size <= MOST:
        raise ValueError(
            f"processes: expected as many for both, 1 to {MOST}, found {theirs.size} and "
            f"{ours.size}"
        )
    if not (np.all(theirs > 0) and np.all(ours > 0) and np.all(np.isfinite(theirs / ours))):
        raise ValueError("times: expected finite numbers above 0, found others")
    logs = np.log(theirs / ours)
    n = len(logs)
    first, second = np.triu_indices(n)
    means = np.sort((logs[first] + logs[second]) / 2)
    out = _left_out(n, level)
    enough = out > 0
    low, high = (means[out - 1], means[-out]) if enough else (means[0], means[-1])
    return Comparison(
        *(float(np.exp(log)) for log in (np.median(means), low, high)),
        n,
        level,
        smallest_shown(high - low, n, level) if enough else np.inf,
    )


def needed_apart(n, m):
    """Return the level at which n and m processes of two runs can just exclude 1: 2 / C(n+m, n)."""
    return 2 / comb(n + m, n)


@cache
def _place_counts(n, m):
    """Return P(U = u), u = 0 .. n m, of Mann and Whitney's count, nothing differing."""
    ways = {(i, 0): np.ones(1) for i in range(n + 1)}
    for j in range(1, m + 1):
        ways[0, j] = np.ones(1)
        for i in range(1, n + 1):
            counts = np.zeros(i * j + 1)
            counts[j : j + len(ways[i - 1, j])] += ways[i - 1, j]  # the largest is of the first
            counts[: len(ways[i, j - 1])] += ways[i, j - 1]
            ways[i, j] = counts
    return ways[n, m] / comb(n + m, n)


def compare_apart(new, old, level=LEVEL):
    """Return the `Comparison` of new over old, times of two runs that did not run side by side.

    By Mann and Whitney's count, exact whatever the distribution; its interval and estimate are of
    the n m differences of logarithms.

    Parameters
    ----------
    new, old : sequence of float
        A time for each process.
    level : float

    Raises
    ------
    ValueError
        Where there are none, or a time is not above 0.
    """
    new, old = np.asarray(new, np.float64), np.asarray(old, np.float64)
    if not (0 < new.size <= MOST and 0 < old.size <= MOST and min(new.min(), old.min()) > 0):
        raise ValueError(f"processes: expected 1 to {MOST} times above 0 in each run")
    gaps = np.sort((np.log(new)[:, None] - np.log(old)[None, :]).ravel())
    below = np.cumsum(_place_counts(new.size, old.size))
    out = int(np.searchsorted(below, level / 2, side="right"))
    low, high = (gaps[out - 1], gaps[-out]) if out else (gaps[0], gaps[-1])
    fewer = min(new.size, old.size)
    return Comparison(
        *(float(np.exp(log)) for log in (np.median(gaps), low, high)),
        fewer,
        level,
        smallest_shown(high - low, fewer, level) if out else np.inf,
    )


def smallest_shown(width, n, level):
    """Return the smallest difference that a run finds in 9 of 10, as a share.

    From the interval's width w on the logarithms' scale: w / 2 is z(level) standard errors, and
    what is found with the probability `POWER` lies z(level) + z(POWER) of them from 0. The width
    is itself a guess from n numbers, so it is widened by its own error: 1 + 1.3 / sqrt(2 (n - 1)),
    the upper end of nine guesses in ten.
    """
    normal = NormalDist()
    reach = 1 + normal.inv_cdf(POWER) / normal.inv_cdf(1 - level / 2)
    return float(np.expm1(width / 2 * reach * (1 + 1.3 / np.sqrt(2 * max(1, n - 1)))))


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
    resampled = [np.asarray(s)[rng.integers(0, len(s), (times, len(s)))] for s in samples]
    values = np.asarray(statistic(resampled))
    tail = 100 * (1 - confidence) / 2
    return np.percentile(values, tail, axis=0), np.percentile(values, 100 - tail, axis=0)
