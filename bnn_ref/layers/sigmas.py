"""Standard deviations of a posterior, from its rho: as a draw takes them and as a KL does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..elementary import sigmoid, softplus


def sigma(scale_shift: Any, rho: NDArray[Any]) -> NDArray[Any]:
    """Return sigma = scale_shift + softplus(rho), elementwise, of rho's shape and dtype."""
    return rho.real.dtype.type(scale_shift) + softplus(rho)  # E1


def sigma_for_kl(rho: NDArray[Any], its: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], Any]:
    """Return the sigma that a KL is computed with, its derivative by rho, and what is added.

    Where sigma has underflowed (it is then softplus(rho) with rho far below 0, whose logarithm is
    rho), the KL is that of the least normal number s, plus log(s) - rho, and as a function of rho
    it falls by 1: d sigma / d rho is s.

    Parameters
    ----------
    rho, its : arrays of one shape
        ``its`` is the sigma of that rho.

    Returns
    -------
    (sigma, sigma_grad_rho, added) : arrays of that shape; ``added`` is 0 where none is lost.
    """
    least = np.finfo(its.dtype).tiny
    if np.min(its.real) >= least:
        return its, sigmoid(rho), 0.0  # E14
    lost = its.real < least
    added = np.where(lost, np.log(least) - rho, 0)  # E5
    return np.where(lost, least, its), np.where(lost, least, sigmoid(rho)), added  # E5, E14
