"""Scores of predictive distributions, as people publish them; lower is better for each.

Every function takes arrays and returns the mean over rows, in the targets' unit.

Source: Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..border import check_number
from ..elementary import normal_cdf
from ..errors import expected


def _alike(targets, **others):
    """Return all as float64 arrays of the targets' shape, or raise a `ValueError`."""
    targets = np.asarray(targets, np.float64)
    if targets.size == 0:
        raise expected("targets", "at least one row", "none")
    weighted = [targets]
    for name, other in others.items():
        other = np.asarray(other, np.float64)
        if other.shape not in (targets.shape, ()):
            raise expected(name, f"shape {targets.shape}", other.shape)
        weighted.append(other)
    return weighted


def _distance(offset, scale):
    """Return E|X| for X ~ N(offset, scale)."""
    t = offset / scale
    return 2 * scale * np.exp(-0.5 * t * t) / np.sqrt(2 * np.pi) + offset * (2 * normal_cdf(t) - 1)


def crps(targets: NDArray[Any], mean: NDArray[Any], scale: NDArray[Any]) -> float:
    """Return the mean continuous ranked probability score of Normal(mean, scale).

    E|X - y| - E|X - X'| / 2 = scale (t (2 Phi(t) - 1) + 2 phi(t) - 1 / sqrt(pi)),
    t = (y - mean) / scale.

    Parameters
    ----------
    targets, mean, scale : arrays of one shape
        Scale is a standard deviation, > 0.
    """
    targets, mean, scale = _alike(targets, mean=mean, scale=scale)
    return float(np.mean(_distance(targets - mean, scale) - scale / np.sqrt(np.pi)))


def crps_mixture(targets: NDArray[Any], means: NDArray[Any], scale: NDArray[Any] | float) -> float:
    """Return the mean CRPS of the mixture of Normal(m_s, scale) over draws s.

    mean_s E|X_s - y| - mean_st E|X_s - X_t| / 2, each in closed form.

    Parameters
    ----------
    targets : array (N, ...)
    means : array (S, N, ...)
    scale : number, or array (N, ...) or (S, N, ...)
        Standard deviation of every Normal, > 0.

    Source: Grimit et al. (2006), "The continuous ranked probability score for circular variables",
    equation 5 for the mixture of Normals.
    """
    (targets,) = _alike(targets)
    means, scale = np.asarray(means, np.float64), np.asarray(scale, np.float64)
    if means.shape[1:] != targets.shape:
        raise expected("means", f"shape (draws, *{targets.shape})", means.shape)
    if scale.shape not in ((), targets.shape, means.shape):
        raise expected("scale", f"shape {targets.shape} or {means.shape}", scale.shape)
    scale = np.broadcast_to(scale, means.shape)
    near = np.mean(_distance(targets - means, scale), axis=0)
    apart = 0.0
    for mean, own in zip(means, scale, strict=True):  # S arrays of the means' size: not S^2
        apart = apart + np.mean(_distance(mean - means, np.hypot(own, scale)), axis=0)
    return float(np.mean(near - 0.5 * apart / len(means)))


def pinball(targets: NDArray[Any], quantile: NDArray[Any], level: float) -> float:
    """Return the mean pinball loss of a predicted quantile of that level.

    max(level (y - q), (level - 1) (y - q)).

    Parameters
    ----------
    targets, quantile : arrays of one shape
    level : float, 0 < level < 1
    """
    targets, quantile = _alike(targets, quantile=quantile)
    over, level = targets - quantile, check_number(level, "level", "(0, 1)")
    return float(np.mean(np.maximum(level * over, (level - 1) * over)))


def interval_score(
    targets: NDArray[Any], low: NDArray[Any], high: NDArray[Any], coverage: float = 0.9
) -> float:
    """Return the mean interval score of central intervals of that probability.

    (high - low) + 2 / (1 - coverage) * how far outside the target is.

    Parameters
    ----------
    targets, low, high : arrays of one shape
    coverage : float, 0 < coverage < 1
    """
    targets, low, high = _alike(targets, low=low, high=high)
    outside = np.maximum(low - targets, 0) + np.maximum(targets - high, 0)
    missed = 1 - check_number(coverage, "coverage", "(0, 1)")
    return float(np.mean(high - low + 2 / missed * outside))


def coverage(targets: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> float:
    """Return the share of targets from low to high, both ends counted in.

    Parameters
    ----------
    targets, low, high : arrays of one shape
    """
    targets, low, high = _alike(targets, low=low, high=high)
    return float(np.mean((low <= targets) & (targets <= high)))
