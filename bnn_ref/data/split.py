"""Which rows are held out of the training rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..border import check_size
from ..errors import expected
from ..noise import permutation


def split(
    count: int, holdout: int, seed: int | None, labels: NDArray[Any] | None = None
) -> tuple[slice | NDArray[np.intp], slice | NDArray[np.intp]]:
    """Return (training rows, held-out rows), each in order: slices or index arrays.

    Parameters
    ----------
    count : int
    holdout : int
        How many rows are held out.
    seed : int or None
        What draws them; None takes the first.
    labels : array (N,), optional
        Classes. Where each has two rows or more, as many rows of each are held out as its share
        asks for: at least one where there are enough held-out rows for that, and never all.

    Raises
    ------
    ValueError
        For a holdout that leaves no row.
    """
    holdout = check_size(holdout, "holdout", least=0)
    if holdout >= count:
        raise expected("holdout", f"fewer than the {count} training rows", holdout)
    if seed is None or holdout == 0:
        return slice(holdout, None), slice(0, holdout)
    order = permutation(count, seed, "split")
    if labels is not None:
        order = _by_class(order, labels, holdout)
    return np.sort(order[holdout:]), np.sort(order[:holdout])


def _by_class(order, labels, holdout):
    """Return the order with the rows first that are held out of each class, where it can be."""
    ids, counts = np.unique(labels, return_inverse=True, return_counts=True)[1:]
    if counts.min() < 2 or holdout > len(order) - len(counts):
        return order
    grouped = order[np.argsort(ids[order], kind="stable")]  # each class in the drawn order
    within = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = within < np.repeat(quotas(counts, holdout), counts)
    return np.concatenate([grouped[first], grouped[~first]])


def quotas(counts: NDArray[np.intp], holdout: int) -> NDArray[np.intp]:
    """Return how many rows of each class are held out: the nearest to its share, never all.

    Parameters
    ----------
    counts : int array (C,)
        Rows of each class, two or more.
    holdout : int
        At most the number of rows without one of each class.

    Returns
    -------
    int array (C,) whose sum is `holdout`
    """
    share = holdout * counts / counts.sum()
    least, most = int(holdout >= len(counts)), counts - 1
    taken = np.clip(np.floor(share).astype(int), least, most)
    while (lacking := holdout - taken.sum()) != 0:
        step = 1 if lacking > 0 else -1
        free = np.flatnonzero(taken < most if step > 0 else taken > least)
        nearest = free[np.argsort(step * (taken - share)[free], kind="stable")]
        taken[nearest[: abs(lacking)]] += step
    return taken
