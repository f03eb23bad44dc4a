"""Normalisation by a mean and a deviation taken along an axis: what two layers share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def moments(h: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return mean and variance along an axis, summed in float64 (complex128), of h's dtype.

    The variance is the mean square about the mean: divided by n, not by n - 1.

    Parameters
    ----------
    h : array (rows, C)
    axis : 0 or 1
        The axis keeps length 1.
    """
    wide = np.result_type(h, np.float64)
    mean = np.mean(h, axis=axis, dtype=wide, keepdims=True)
    away = h - mean
    variance = np.mean(away * away, axis=axis, dtype=wide, keepdims=True)
    return mean.astype(h.dtype), variance.astype(h.dtype)  # E62


def inverse_deviation(variance: NDArray[Any], epsilon: float) -> NDArray[Any]:
    """Return 1 / sqrt(variance + epsilon), elementwise, of the variance's dtype."""
    return 1 / np.sqrt(variance + variance.real.dtype.type(epsilon))  # E62


def normalise_backward(
    grad: NDArray[Any], normalised: NDArray[Any], inverse: NDArray[Any], axis: int
) -> NDArray[Any]:
    """Return the gradient by h of (h - mean) * inverse, where both depend on h.

    Parameters
    ----------
    grad : array (rows, C)
        By what was normalised.
    normalised : array (rows, C)
    inverse : array
        `inverse_deviation`, (rows, 1) or (1, C).
    axis : 0 or 1
        Along which the moments were taken.
    """
    wide = np.result_type(grad, np.float64)
    mean = np.mean(grad, axis=axis, dtype=wide, keepdims=True).astype(grad.dtype)
    along = np.mean(grad * normalised, axis=axis, dtype=wide, keepdims=True).astype(grad.dtype)
    return inverse * (grad - mean - normalised * along)  # E63
