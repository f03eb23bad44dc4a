"""Quantiles of a predictive mixture of Normals: one Normal for each draw of the weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..border import check_number
from ..elementary import normal_cdf

HALVINGS = 60  # of the bracket: what is left is below the rounding of its ends
NUMBERS_AT_ONCE = 1 << 22


def mixture_quantile(means: ArrayLike, scale: ArrayLike, level: float) -> NDArray[np.float64]:
    """Return the q at which mean_s Phi((q - m_s) / scale_s) = level.

    The root lies between the least and the greatest of the Normals' own quantiles, and is found by
    halving.

    Parameters
    ----------
    means : array (S, ...)
        Of the draws.
    scale : array that broadcasts to the means
        Standard deviation of every Normal; where all are 0 the mixture is of points.
    level : float, 0 < level < 1

    Returns
    -------
    array (...), float64
    """
    level = check_number(level, "level", "(0, 1)")
    means = np.asarray(means)
    shape = means.shape[1:]
    scale = np.asarray(scale)
    draws = len(means) if scale.shape == means.shape else 1
    scale = np.broadcast_to(scale, (draws, *shape)).reshape(draws, -1)
    flat = means.reshape(len(means), -1)
    out = np.empty(flat.shape[1])
    width = max(1, NUMBERS_AT_ONCE // len(flat))
    for start in range(0, flat.shape[1], width):
        part = slice(start, start + width)
        wide = (array[:, part].astype(np.float64) for array in (flat, scale))
        out[part] = _quantile(*wide, level)
    return out.reshape(shape)


def _quantile(means, scale, level):
    """Return the quantile of each column of means (S, N), scale (S, N) or (1, N)."""
    if not np.any(scale):
        return np.quantile(means, level, axis=0)
    from scipy.special import ndtri

    each = means + scale * ndtri(level)
    low, high = each.min(axis=0), each.max(axis=0)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        below = normal_cdf((middle - means) / scale).mean(axis=0) < level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
        if np.array_equal(low, high):
            break
    return 0.5 * (low + high)
