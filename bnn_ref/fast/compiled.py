"""The numba back end: the functions of `reference.py`, on compiled kernels.

It arranges arrays and calls `kernels/run.py`; what a step is can be read in `reference.py`. A
step of compiled Flipout layers alone is one run of three sweeps (sample, propagate, update), cut
into tasks that whichever thread is free takes. Layers of other kinds run between such runs, see
`gradients.py`. Results are the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..border import check_dtype, check_size, check_word
from ..kernels.adam import LARGE_RATE, SMALL_EPSILON
from ..likelihoods import Categorical, Normal, PredictedNormal
from ..network import Network
from ..noise import (
    IndependentNoise,
    LocalNoise,
    Noise,
    check_estimator,
    estimator_of,
    noise_of,
)
from ..step import (
    Metrics,
    Result,
    State,
    check_batch,
    check_inputs,
    check_kind,
    check_kl_weight,
    check_noise,
    frozen_names,
    refuse_non_finite,
)
from ..step import adam as adam_rule
from ..step.statistics import put_statistics
from .chain import Key
from .gradients import Batch, differentiate
from .streams import CompiledStream, check_blocks
from .workspace import Workspace

if TYPE_CHECKING:
    from ..parameters import Parameters
    from ..step.adam import Adam

__all__ = ["draw_noise", "draw_outputs", "loss_and_gradients", "prepare", "train_step"]


def prepare(network: Network, rows: int, dtype: DTypeLike, threads: int | None = None) -> Workspace:
    """Return the workspace for runs of up to that many rows (more rows make it grow).

    Parameters
    ----------
    network : Network
    rows : int
    dtype : "float32" or "float64"
    threads : int, optional
        By default the environment variable BNN_REF_THREADS, or one a core. Results do not depend
        on it.

    Raises
    ------
    ValueError
        For another dtype or number.
    """
    if any(layer.type != "DenseFlipout" for layer in network.layers):
        from . import twins  # noqa: F401, they register themselves; without, a start is sooner
    return Workspace(network, check_size(rows, "rows", 0), dtype, threads)


def _workspace(workspace, network, rows, dtype):
    """Return the workspace, or a new one where none was given or it is for something else."""
    fits = workspace is not None and workspace.dtype == dtype and (
        workspace.network is network or workspace.network == network
    )  # fmt: skip
    return workspace if fits else prepare(network, rows, dtype)


def draw_noise(
    network: Network,
    rows: int,
    seed: int,
    *,
    step: int = 0,
    draw: int = 0,
    purpose: str = "train",
    dtype: DTypeLike = "float32",
    estimator: str = "flipout",
    first_row: int = 0,
    workspace: Workspace | None = None,
) -> Noise | LocalNoise | IndependentNoise:
    """Return the noise of every layer for one draw of one step. Twin: `noise.draw_noise`.

    Signs are the same; float64 normals are within 4 units in the last place of the twin's and
    float32 ones within 6.

    Raises
    ------
    ValueError
        As the twin.
    """
    check_estimator(estimator)
    rows = check_size(rows, "rows", least=0)
    first_row = check_size(first_row, "first_row", least=0)
    dtype = check_dtype(dtype, ("float32", "float64"))
    layers = [
        layer.draw_noise(CompiledStream(seed, purpose, k, step, draw, dtype, first_row),
                         rows, estimator)
        for k, layer in enumerate(network.layers)
    ]  # fmt: skip
    return noise_of(estimator, layers)


def _plain(parameters):
    """Return the parameters as compiled code takes them, a copy where somebody locked them."""
    return parameters if parameters.flat.flags.carray else parameters.copy()


def _check_blocks(network, rows):
    """Raise where signs of so many rows need more blocks than a stream has."""
    widest = max(max(layer.inputs, layer.outputs) for layer in network.layers)
    check_blocks(rows * -(-widest // 128))


def loss_and_gradients(
    network: Network,
    parameters: Parameters,
    x: ArrayLike,
    y: ArrayLike,
    noise: Noise | LocalNoise | IndependentNoise,
    kl_weight: float,
    *,
    sample_weight: ArrayLike | None = None,
    trace: bool = False,
    workspace: Workspace | None = None,
) -> Result:
    """Return the `Result` of one step. Twin: `reference.loss_and_gradients`.

    Raises
    ------
    ValueError, TypeError
        As the twin; also where a trace is asked for: the NumPy back end has it.
    """
    if trace:
        raise ValueError("trace: expected False with backend 'numba' (backend 'numpy' has it)")
    check_dtype(parameters.dtype, ("float32", "float64"))
    x, y, weight, leading = check_batch(network, parameters, x, y, sample_weight)
    check_noise(network, noise, len(x), parameters.dtype)
    kl_weight = check_kl_weight(kl_weight)
    workspace = _workspace(workspace, network, len(x), parameters.dtype)
    estimator = estimator_of(noise)
    sequence = workspace.for_step(len(x), estimator, by_inputs=True)
    parameters, gradients = _plain(parameters), parameters.zeros_like()
    result = differentiate(sequence, parameters, Batch(x, y, weight), sequence.given(noise.layers),
                          kl_weight, gradients)  # fmt: skip
    return Result(
        outputs=result.outputs.reshape(*leading, network.outputs).copy(),
        nll=result.nll,
        kl=np.sum(result.kl_layers),
        kl_layers=result.kl_layers.copy(),
        loss=result.loss,
        gradients=gradients,
        grad_x=result.grad_x.reshape(*leading, network.inputs).copy(),
        statistics=result.statistics,
    )


# of dtypes that are taken as they are: those of class ids, and of numbers
LOOKED_AT = {Categorical: "?bBhHiIlLqQ", Normal: "fd", PredictedNormal: "fd"}


def _targets_to_look_at(likelihood):
    """Return a check that leaves to the run what it finds itself, or None where it finds nothing.

    A class id that is none, or a number that is not finite, makes the run's nll a NaN (see
    `nll_row`), and no step is taken: then they are checked as usual.
    """
    codes = LOOKED_AT.get(type(likelihood))
    if codes is None:
        return None

    def check(y, leading, outputs):
        one = () if codes != "fd" else (likelihood.targets_of(outputs),)
        if type(y) is np.ndarray and y.dtype.char in codes and y.shape == leading + one:
            return y if len(leading) == 1 else y.reshape(-1, *one)
        return likelihood.check_targets(y, leading, outputs)

    return check


def train_step(
    state: State,
    x: ArrayLike,
    y: ArrayLike,
    *,
    seed: int,
    kl_weight: float,
    adam: Adam,
    draws: int = 1,
    estimator: str = "flipout",
    sample_weight: ArrayLike | None = None,
    freeze: str | Sequence[str] = (),
    workspace: Workspace | None = None,
) -> Metrics:
    """Take one training step in place and return its `Metrics`. Twin: `reference.train_step`.

    In a network of compiled Flipout layers and with one draw, gradients are used up as they are
    made, once it is certain that all of them are finite; else they are made first and looked at.

    Raises
    ------
    NonFinite, ValueError, TypeError
        As the twin; the state is then as before.
    """
    parameters = state.parameters
    network = parameters.network
    check_estimator(estimator)
    draws, seed = check_size(draws, "draws"), check_word(seed, "seed", 64)
    check = _targets_to_look_at(network.likelihood)
    x, taken, weight, leading = check_batch(network, parameters, x, y, sample_weight, check)
    kl_weight, step = check_kl_weight(kl_weight), check_word(state.step, "step")
    workspace = _workspace(workspace, network, len(x), parameters.dtype)
    sequence = workspace.for_step(len(x), estimator)
    frozen = frozen_names(network, freeze) if freeze else ()

    if sequence.is_one_step and draws == 1 and not (frozen or workspace.fixed):
        batch = x, taken, weight, leading
        metrics = sequence.parts[0].chain.step(state, seed, step, batch, kl_weight, adam)
        if metrics is not None:
            return metrics

    batch = Batch(x, network.likelihood.check_targets(y, leading, network.outputs), weight)
    gradients = workspace.gradients(parameters)
    nll, kl_layers, outputs, statistics = _average(
        sequence, parameters, batch, gradients, kl_weight, seed, step, draws
    )
    outputs = outputs.reshape(*leading, network.outputs)
    flat = parameters.flat
    largest = max(np.max(gradients.flat), -np.min(gradients.flat))  # NaN where one is
    if not np.isfinite(nll + np.sum(kl_layers) + largest):
        refuse_non_finite(step + 1, x, nll, kl_layers, gradients)
    plain_update = adam.factors(step + 1)[0] < LARGE_RATE and adam.epsilon > SMALL_EPSILON
    most = 0.5 * np.sqrt(np.finfo(flat.dtype).max)  # below it no square overflows
    if plain_update and largest < most:
        put_statistics(step + 1, network, gradients.flat, statistics)
        kinds = workspace.stretches(statistics[0], frozen)
        workspace.update().take(state, gradients, adam, kinds)
    else:
        flats = (flat, gradients.flat, state.moment_1.flat, state.moment_2.flat)
        with np.errstate(all="ignore"):  # it refuses what is not finite
            fixed = [network.places[name] for name in (*network.fixed, *frozen)]
            new = adam_rule.after(adam, step + 1, *flats, fixed)
        put_statistics(step + 1, network, new[0], statistics, frozen)
        state.take(*new)
    kl = np.sum(kl_layers)
    return Metrics(nll + kl_weight * kl, nll, kl, kl_layers, outputs)


def _average(sequence, parameters, batch, gradients, kl_weight, seed, step, draws):
    """Set a step's gradients; return nll, KL by layer, outputs (means over draws) and statistics.

    A KL in closed form is the same in every draw: its gradient is counted in the first. One that is
    sampled counts in each.
    """
    network = parameters.network
    sampled = any(p.is_sampled for _, layer, _ in network.walk() for p in layer.priors.values())
    of_draw = kl_weight / draws if sampled else kl_weight
    more = None if sequence.is_one_run or draws == 1 else parameters.zeros_like()
    nll, outputs, kls, statistics = 0.0, 0.0, [], []
    for draw in range(draws):
        noise = sequence.draw(Key(seed, step, draw, "train"), len(batch.x))
        weight = of_draw if sampled or draw == 0 else 0.0
        to = gradients if more is None or draw == 0 else more
        with np.errstate(all="ignore"):  # refuse_non_finite names what it was
            result = differentiate(sequence, parameters, batch, noise, weight, to, 1 / draws,
                                  add=draw > 0 and more is None)  # fmt: skip
            if to is more:
                gradients.flat += more.flat
            nll = nll + result.nll
            outputs = outputs + result.outputs
        kls.append(result.kl_layers.copy())
        statistics.append(result.statistics)
    kl_layers = np.sum(kls, axis=0) / draws if sampled else kls[0]
    return nll / draws, kl_layers, outputs / draws, statistics


def draw_outputs(
    network: Network,
    parameters: Parameters,
    x: NDArray[Any],
    seed: int,
    draw: int,
    *,
    kind: str = "weights",
    first_row: int = 0,
    workspace: Workspace | None = None,
    again: bool = False,
) -> NDArray[Any]:
    """Return one draw of the outputs (rows, O) for a block of rows. Twin: `reference.draw_outputs`.

    A row's bits depend on nothing but the row and its place, see `kernels/products.py`.
    """
    check_kind(kind)
    check_dtype(parameters.dtype, ("float32", "float64"))
    seed, draw = check_word(seed, "seed", 64), check_word(draw, "draw")
    x, _ = check_inputs(network, x, parameters.dtype)
    if len(x) == 0:
        return np.empty((0, network.outputs), parameters.dtype)
    first_row = check_size(first_row, "first_row", 0)
    _check_blocks(network, first_row + len(x))
    sequence = _workspace(workspace, network, len(x), parameters.dtype).for_prediction()
    key = Key(seed, 0, draw, "predict", first_row)
    return sequence.draw_outputs(_plain(parameters).layers, x, key, kind, again)
