"""What `fit` is given to train on, checked before the first step with the row's place named.

What is in memory is checked whole. Rows that are read as they are needed (a memory-mapped file, a
Dask array, a scaled data set) are checked batch by batch, with the same words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..border import refuse_rows, take_array
from ..border.rows import check_rows, take
from ..errors import expected
from ..noise import permutation
from ..step import check_sample_weight
from .guards import warn_of_few_examples

if TYPE_CHECKING:
    from ..network import Network

ROWS_AT_ONCE = 8192  # looked at together, so that a check makes no copy of a table


class Examples(NamedTuple):
    """Rows, targets and weights to train on.

    Attributes
    ----------
    x : array, or anything with ``shape`` and row indexing, (N, I)
    y : array
        As `check_targets` returns it.
    weight : array (N,) or None
        Of mean 1, so that sum_n w_n nll_n / B has the size of a mean over rows.
    num_examples : float
        N, the sum of the weights as they were given.
    lazy : bool
        Whether a batch's rows are still to be checked.
    dtype : dtype
        What the rows are cast to.
    """

    x: Any
    y: NDArray[Any]
    weight: NDArray[np.float64] | None
    num_examples: float
    lazy: bool
    dtype: np.dtype[Any]

    def batch(self, index: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """Return x, y and weight of the rows of that index, or raise the `ValueError` for x."""
        x = take(self.x, index)
        if self.lazy:
            refuse_rows(x, "x", self.dtype, index)
        return x, self.y[index], None if self.weight is None else self.weight[index]


class Batches:
    """Which rows each step takes: epochs shuffled by (seed, epoch), the last batch of one smaller.

    Parameters
    ----------
    rows, batch_size : int
    seed : int
    """

    def __init__(self, rows: int, batch_size: int, seed: int) -> None:
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self._epoch, self._order = -1, np.arange(0)

    def of_step(self, step: int) -> NDArray[np.intp]:
        """Return the places of the rows of a step, step 0 being the first."""
        epoch, at = divmod(step, -(-self.rows // self.batch_size))
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = permutation(self.rows, self.seed, "shuffle", step=epoch)
        return self._order[at * self.batch_size :][: self.batch_size]


def check_whole(x: Any, thing: str, dtype: np.dtype[Any]) -> bool:
    """Refuse what is not finite in an array, in parts; return whether it is yet to be read.

    Parameters
    ----------
    x : array or object with ``shape`` and row indexing
    thing : str
    dtype : dtype
    """
    if not isinstance(x, np.ndarray) or isinstance(x, np.memmap):
        return True
    take_array(x, thing, finite=False)  # its kind
    for start in range(0, len(x), ROWS_AT_ONCE):
        part = x[start : start + ROWS_AT_ONCE]
        if part.dtype.kind == "f":
            refuse_rows(part, thing, dtype, range(start, start + len(part)))
    return False


def take_targets(network: Network, y: ArrayLike, rows: int, thing: str = "y") -> NDArray[Any]:
    """Return all targets as `check_targets` returns them; the message names value and row."""
    y = take_array(y, thing, finite=False)
    if len(y) != rows:
        raise expected(thing, f"{rows} rows, as x", len(y))
    return network.likelihood.check_targets(y, (rows,), network.outputs)


def take_examples(
    network: Network,
    x: Any,
    y: ArrayLike,
    dtype: np.dtype[Any],
    sample_weight: ArrayLike | None = None,
    num_examples: float | None = None,
) -> Examples:
    """Return the `Examples` of what a person gave.

    Parameters
    ----------
    network : Network
    x, y
        As for `fit`.
    dtype : dtype
        The model's.
    sample_weight : array (N,), optional
        w_n >= 0, of any mean.
    num_examples : float, optional
        N, where the sum of the weights is not it.

    Raises
    ------
    ValueError, TypeError
        For anything that can be seen without reading it all twice.
    """
    x = check_rows(x)
    rows = x.shape[0]
    if rows == 0:
        raise expected("x", "at least one row to train on", "none")
    if len(x.shape) == 2 and x.shape[-1] != network.inputs:
        raise expected("x", f"last dimension {network.inputs}", f"shape {tuple(x.shape)}")
    y = take_targets(network, y, rows)
    total, weight = rows, None
    if sample_weight is not None:
        weight = check_sample_weight(sample_weight, (rows,))
        total = float(weight.sum())
        if total == 0:
            raise expected("sample_weight", "at least one weight above 0", "none")
        warn_of_few_examples(total, rows, num_examples is not None)
        weight = weight * (rows / total)
    lazy = check_whole(x, "x", dtype)
    return Examples(x, y, weight, total if num_examples is None else num_examples, lazy, dtype)


def refuse_small_batches(network: Network, rows: int, batch_size: int) -> None:
    """Raise where an epoch has a batch that is too small for layers that take its statistics.

    Parameters
    ----------
    network : Network
    rows, batch_size : int
    """
    last = rows % batch_size or min(rows, batch_size)
    if last < network.least_rows:
        wanted = f"one that leaves no batch of fewer than {network.least_rows} rows, whose "
        raise expected("batch_size", wanted + "statistics a layer takes",
                       f"{batch_size}: the last of {rows} rows' has {last}")  # fmt: skip


def take_held_out(
    network: Network, x: Any, y: ArrayLike, dtype: np.dtype[Any]
) -> tuple[Any, NDArray[Any]]:
    """Return rows and targets held out for scores, checked as those that are trained on.

    Parameters
    ----------
    network : Network
    x, y
        As for `fit`.
    dtype : dtype
        The model's.
    """
    x = check_rows(x, "validation x")
    y = take_targets(network, y, x.shape[0], "validation y")
    check_whole(x, "validation x", dtype)
    return x, y
