"""How a variance falls with the batch: slopes on logarithmic axes, and fits of a + b / B."""

from typing import NamedTuple

import numpy as np

from .statistics import bootstrap


class Curve(NamedTuple):
    """A variance against the batch size, each number with its interval (value, low, high).

    Attributes
    ----------
    batches : list of int
    variances : list of (value, low, high)
    slope : (value, low, high)
        Of log variance against log batch, least squares over all points.
    floor, inverse : (value, low, high)
        a and b of a + b / B, least squares with weights 1 / variance^2 (relative errors).
    """

    batches: list
    variances: list
    slope: tuple
    floor: tuple
    inverse: tuple


def slope_of(batches, variances):
    """Return the least-squares slope of log variance against log batch, over the last axis."""
    x = np.log(np.asarray(batches, np.float64))
    x = x - x.mean()
    return np.log(variances) @ x / (x @ x)


def fit_floor(batches, variances):
    """Return (a, b) of a + b / B over the last axis, relative errors weighing the same."""
    variances = np.asarray(variances, np.float64)
    u = 1 / np.asarray(batches, np.float64)
    w = 1 / variances**2
    s, su, suu = w.sum(-1), (w * u).sum(-1), (w * u * u).sum(-1)
    sv, suv = (w * variances).sum(-1), (w * u * variances).sum(-1)
    determinant = s * suu - su * su
    return (suu * sv - su * suv) / determinant, (s * suv - su * sv) / determinant


def curve(batches, deviations, seed=0):
    """Return the `Curve` of squared deviations, an array (S,) for each batch size."""

    def statistic(resampled):
        variances = np.stack([sample.mean(1) for sample in resampled], axis=-1)  # (times, points)
        a, b = fit_floor(batches, variances)
        return np.column_stack([variances, slope_of(batches, variances), a, b])

    low, high = bootstrap(deviations, statistic, seed, times=1000)
    variances = np.array([sample.mean() for sample in deviations])
    values = [*variances, slope_of(batches, variances), *fit_floor(batches, variances)]
    ends = [tuple(map(float, point)) for point in zip(values, low, high, strict=True)]
    points = len(batches)
    return Curve(list(batches), ends[:points], *ends[points:])
