"""Monte Carlo predictions: draws of the outputs, reduced as they come, once for both back ends.

Memory does not grow with the number of draws, rows are read in blocks, and a row's prediction
depends on no other row: see `bnn_ref.reference.draw_outputs`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backends import get_backend
from ..border import check_size, check_word, refuse_rows
from ..border.rows import check_rows
from ..errors import PredictionWarning, expected
from ..layers import BLOCK_ROWS
from ..likelihoods import NOTHING
from ..network import Network
from ..parameters import Parameters
from ..step import check_kind, leading_shape
from .prediction import Prediction

if TYPE_CHECKING:
    from ..likelihoods.base import Likelihood

ROWS_AT_ONCE = 64 * BLOCK_ROWS
ONE_DRAW = (
    "draws=1: this is one network drawn from the posterior, not the average over it; raise draws "
    "(50, say), or predict at the posterior mean (kind='mean')"
)
MOST_SAMPLES = 1 << 28  # numbers kept of draws: 1 GB in float32


class _Reduction:
    """Draws of one block of rows, reduced as they come."""

    def __init__(self, likelihood, y, own, samples=None, scales=None):
        self.likelihood, self.y, self.own = likelihood, y, own
        self.samples, self.scales = samples, scales  # arrays (S, rows, O) that keep draws, or None
        self.draws = likelihood.reduction(likelihood, own)
        self.log_sum = None  # log of the sum over draws of the likelihood

    def add(self, z):
        """Add one draw of the outputs z, (rows, O)."""
        z = z.astype(np.float64)
        if self.y is not None:
            log_prob = -self.likelihood.nll_rows(z, self.y, self.own)  # E4
            self.log_sum = (  # E22
                log_prob if self.log_sum is None else np.logaddexp(self.log_sum, log_prob)
            )
        averaged = self.draws.add(z)
        if self.samples is not None:
            self.samples[self.draws.draws - 1] = averaged
        if self.scales is not None:
            self.scales[self.draws.draws - 1] = self.likelihood.normals(z, self.own)[1]

    def result(self):
        """Return the block's arrays, by the names of `Prediction`."""
        moments = self.draws.result()
        if self.y is not None:
            moments["log_prob"] = self.log_sum - np.log(self.draws.draws)  # E22
        return moments


def reduce_draws(
    likelihood: Likelihood,
    draws: Iterable[ArrayLike],
    y: ArrayLike | None = None,
    own: Mapping[str, NDArray[Any]] = NOTHING,
) -> Prediction:
    """Return the `Prediction` of draws of the outputs that a person already has.

    Parameters
    ----------
    likelihood : Categorical, Bernoulli or Normal
    draws : iterable of arrays (N, O), at least one
    y : array, optional
        Targets as the likelihood takes them.
    own : mapping of str to array, optional
        The likelihood's own parameters, ``{"scale_rho": ...}`` where the Normal's is learned.
    """
    reduction, count = None, 0
    for count, z in enumerate(draws, start=1):  # noqa: B007 (the last count is used)
        z = np.asarray(z)
        if reduction is None:
            if y is not None:
                y = likelihood.check_targets(y, z.shape[:-1], z.shape[-1])
            reduction = _Reduction(likelihood, y, own)
        reduction.add(z)
    if reduction is None:
        raise expected("draws", "at least one", "none")
    return _prediction(likelihood, [reduction.result()], y, count)


def _prediction(likelihood, blocks, targets, draws, samples=None, scales=None):
    """Return the `Prediction` of blocks of rows, one after the other."""
    names = set().union(*blocks)
    whole = {
        name: np.concatenate([block[name] for block in blocks])
        for name in Prediction.__dataclass_fields__
        if name in names
    }
    given = {"targets": targets, "draws": draws, "likelihood": likelihood, "samples": samples,
             "sample_scales": scales}  # fmt: skip
    absent = set(Prediction.__dataclass_fields__) - set(whole) - set(given)
    return Prediction(**whole, **dict.fromkeys(absent), **given)


def predict(
    network: Network,
    parameters: Parameters,
    x: Any,
    y: ArrayLike | None = None,
    *,
    draws: int = 50,
    seed: int = 0,
    kind: str = "weights",
    return_draws: bool = False,
    backend: str | ModuleType = "numba",
    threads: int | None = None,
    rows_at_once: int = ROWS_AT_ONCE,
) -> Prediction:
    """Return the `Prediction` for each row of x, averaged over draws from the posterior.

    Parameters
    ----------
    network : Network
    parameters : Parameters
    x : array, or anything with ``shape`` and row slicing, (N, I)
        Read in blocks; more than two dimensions are flattened to rows.
    y : array, optional
        Targets: adds `log_prob`, and with it nats, accuracy or rmse, and calibration error.
    draws : int
        S. One is enough for kind "mean", which draws nothing.
    seed : int
    kind : str
        "weights" (default): S draws of whole weights. "flipout": the layers as they train.
        "mean": every weight at its posterior mean.
    return_draws : bool
        Keep each draw's probabilities or mean as `samples`, (S, N, O) in the parameters' dtype:
        what quantiles and intervals are taken of, and functions drawn from the posterior on the
        rows of a grid; of a predicted scale also each draw's, as `sample_scales`. At most 2**28
        numbers.
    backend : "numba", "numpy" or a module
    threads : int, optional
    rows_at_once : int
        Rows of a block, a multiple of 128; it changes memory and time, never a bit of a result.

    Raises
    ------
    ValueError, TypeError
        Where something does not fit; the message names it: a value that is not finite by row
        and column.

    Warns
    -----
    PredictionWarning
        For one draw of whole weights.
    """
    check_kind(kind)
    draws, seed = check_size(draws, "draws"), check_word(seed, "seed", 64)
    if kind == "mean":
        draws = 1
    elif draws == 1:
        warnings.warn(ONE_DRAW, PredictionWarning, stacklevel=2)
    rows_at_once = -(-check_size(rows_at_once, "rows_at_once") // BLOCK_ROWS) * BLOCK_ROWS
    backend = get_backend(backend)
    x = check_rows(x)
    leading = leading_shape(network, x.shape)
    if y is not None:
        y = network.likelihood.check_targets(y, leading, network.outputs)
    if len(x.shape) > 2:
        x = np.asarray(x).reshape(-1, network.inputs)
    rows = x.shape[0]
    own = {name: array.astype(np.float64) for name, array in parameters.likelihood.items()}
    targets = network.likelihood.targets_of(network.outputs)
    samples = scales = None
    if return_draws:
        samples, scales = _room(draws, rows, targets, parameters.dtype, network.likelihood)
    workspace = backend.prepare(network, min(rows, rows_at_once), parameters.dtype, threads)
    blocks = []
    for start in range(0, max(rows, 1), rows_at_once):
        part = slice(start, min(start + rows_at_once, rows))
        block = np.asarray(x[part])
        refuse_rows(block, "x", parameters.dtype, range(start, start + len(block)))
        kept = (None if drawn is None else drawn[:, part] for drawn in (samples, scales))
        reduction = _Reduction(network.likelihood, None if y is None else y[part], own, *kept)
        for draw in range(draws):
            reduction.add(
                backend.draw_outputs(network, parameters, block, seed, draw, kind=kind,
                                     first_row=start, workspace=workspace, again=draw > 0)
            )  # fmt: skip
        blocks.append(reduction.result())
    return _prediction(network.likelihood, blocks, y, draws, samples, scales)


def _room(draws, rows, outputs, dtype, likelihood):
    """Return the arrays that keep draws and their scales, or raise for what is too large.

    The second is None where the draws of a row have one scale.
    """
    arrays = 1 + likelihood.scale_by_row
    if arrays * draws * rows * outputs > MOST_SAMPLES:
        found = f"{draws} draws of {rows} rows and {outputs} outputs"
        raise expected("return_draws", f"at most {MOST_SAMPLES:,} numbers (give fewer rows at a "
                       "time: a row's draws are its own)", found)  # fmt: skip
    rooms = [np.empty((draws, rows, outputs), dtype) for _ in range(arrays)]
    return (*rooms, None)[:2]
