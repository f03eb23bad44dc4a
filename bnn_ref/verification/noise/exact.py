"""Exact tests: p-values of normal, chi-square, binomial and Kolmogorov-Smirnov statistics.

Two-sided p-values are twice the smaller tail, so P(p <= a) <= a for every a. Several statistics of
one kind give the smallest p-value times their number (Bonferroni), which needs no independence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MEDIAN = 0.6744897501960817  # of |N(0, 1)|


def smallest(p: NDArray[Any]) -> float:
    """Return the smallest of many p-values times their number, at most 1."""
    p = np.ravel(p)
    return float(min(1.0, p.min() * p.size)) if p.size else 1.0


def normal(z: NDArray[Any]) -> NDArray[Any]:
    """Return the two-sided p-values of statistics that are N(0, 1)."""
    from scipy.special import ndtr

    return 2 * ndtr(-np.abs(z))


def chi_square(value: ArrayLike, freedom: ArrayLike) -> NDArray[Any]:
    """Return the two-sided p-values of statistics that are chi-square with that freedom."""
    from scipy.special import chdtr, chdtrc

    return np.minimum(1.0, 2 * np.minimum(chdtr(freedom, value), chdtrc(freedom, value)))


def binomial(count: int, trials: int, low: float = 0.5, high: float | None = None) -> float:
    """Return the two-sided p-value of a count whose probability is in [low, high]."""
    from scipy.special import bdtr, bdtrc

    high = low if high is None else high
    if trials == 0:
        return 1.0
    below = 1.0 if low == 0 and count >= 0 else float(bdtr(count, trials, low))
    above = 1.0 if count == 0 or high == 1 else float(bdtrc(count - 1, trials, high))
    if low == 1:
        below = float(count == trials)
    return min(1.0, 2 * min(below, above))


def kolmogorov_smirnov(
    z: NDArray[Any], cdf: Callable[[NDArray[Any]], NDArray[Any]] | None = None
) -> float:
    """Return the p-value of the largest distance to a distribution, by default N(0, 1)."""
    from scipy.special import ndtr
    from scipy.stats import ks_1samp

    return float(ks_1samp(np.ravel(z), ndtr if cdf is None else cdf, method="exact").pvalue)


def agreement(values: NDArray[Any], axis: int) -> tuple[int, int]:
    """Return how often neighbours in disjoint pairs along an axis agree, and of how many.

    Parameters
    ----------
    values : array of two distinct values (signs, or truths)
    axis : int
    """
    pairs = values.shape[axis] // 2
    first = np.take(values, np.arange(0, 2 * pairs, 2), axis)
    second = np.take(values, np.arange(1, 2 * pairs, 2), axis)
    return int(np.sum(first == second)), first.size
