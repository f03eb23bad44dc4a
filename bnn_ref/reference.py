"""The NumPy back end: one training step of a network, every derivative by hand.

This file is the specification and the first thing to read. A step is a loop over the layers, there
and back: forward, the loss, backward, the update. What one layer computes stands in its own file,
`layers/dense_flipout.py` first of all; a prior's KL in `priors/`, a likelihood in `likelihoods/`.
`docs/derivation.md` derives every line that has a number.

Source: Wen, Vicol, Ba, Tran and Grosse (2018), "Flipout: efficient pseudo-independent weight
perturbations on mini-batches", equations 3 and 4; Blundell et al. (2015) for the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .border import check_size, check_word
from .layers import sigma
from .network import Network
from .noise import Noise, Stream, draw_noise
from .parameters import Parameters
from .priors import KLParts
from .step import (
    Metrics,
    Result,
    check_batch,
    check_inputs,
    check_kind,
    check_kl_weight,
    check_least_rows,
    check_noise,
    frozen_names,
    refuse_non_finite,
)
from .step import adam as adam_rule
from .step.statistics import put_statistics, statistics_after

if TYPE_CHECKING:
    from .noise.draws import IndependentNoise, LocalNoise
    from .step.adam import Adam
    from .step.results import State

__all__ = [
    "draw_noise",
    "draw_outputs",
    "forward",
    "kl",
    "kl_parts",
    "loss_and_gradients",
    "prepare",
    "sigma",
    "train_step",
]


def prepare(network: Network, rows: int, dtype: DTypeLike, threads: int | None = None) -> None:
    """Return the workspace of this back end: None, for NumPy allocates as it goes.

    Parameters
    ----------
    network, rows, dtype, threads
        As for the other back end, which makes its buffers from them.
    """
    return None


def forward(
    network: Network,
    parameters: Parameters,
    x: ArrayLike,
    noise: Noise | LocalNoise | IndependentNoise,
) -> NDArray[Any]:
    """Return the last layer's outputs (..., O) for inputs (..., I); no rows give (0, O).

    Parameters
    ----------
    network : Network
    parameters : Parameters
    x : array (..., I), rank >= 2
        Leading dimensions are flattened: B is their product, every position has its own signs.
    noise : Noise, LocalNoise or IndependentNoise
        For B rows.

    Raises
    ------
    ValueError, TypeError
        Where inputs or noise do not fit the network.
    """
    h, leading = check_inputs(network, x, parameters.dtype)
    check_least_rows(network, len(h))
    check_noise(network, noise, len(h), parameters.dtype)
    for layer, p, n in zip(network.layers, parameters.layers, noise.layers, strict=True):
        h = layer.forward(p, n, h).outputs  # E1 to E3
    return h.reshape(*leading, network.outputs)


def kl(network: Network, parameters: Parameters, noise: Noise | None = None) -> NDArray[np.float64]:
    """Return each layer's KL divergence, float64 (L,), in nats; their sum is the loss's kl.

    Parameters
    ----------
    network : Network
    parameters : Parameters
    noise : Noise, optional
        For a prior whose KL is taken at the drawn weights.
    """
    drawn = [None] * len(network.layers) if noise is None else noise.layers
    layers = zip(network.layers, parameters.layers, drawn, strict=True)
    return np.array([layer.kl(p, n) for layer, p, n in layers])


def kl_parts(network: Network, parameters: Parameters, noise: Noise | None = None) -> list[KLParts]:
    """Return for each layer its KL split into `KLParts` (squared mean, variance, log, constant).

    All its tensors together, in nats; computed in float64. Arguments as for `kl`.
    """
    drawn = [None] * len(network.layers) if noise is None else noise.layers
    layers = zip(network.layers, parameters.layers, drawn, strict=True)
    return [layer.kl_parts(p, n) for layer, p, n in layers]


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
    workspace: Any = None,
) -> Result:
    """Return the loss of one step, loss = nll + kl_weight * kl, and its gradient by everything.

    Parameters
    ----------
    network : Network
    parameters : Parameters
        float32, float64, or complex128 for a complex step.
    x : array (..., I), rank >= 2
        Inputs; integers and booleans keep their values.
    y : array
        Targets, as the likelihood's ``check_targets`` takes them.
    noise : Noise, LocalNoise or IndependentNoise
        For B rows, in the parameters' (real) dtype.
    kl_weight : float, >= 0
        The factor on the KL, 1/N for N training examples.
    sample_weight : array, shape of x without its last dimension, optional
        w_n >= 0 in nll = sum_n w_n nll_n / B.
    trace : bool
        Also return every intermediate.
    workspace : None
        This back end needs none.

    Returns
    -------
    Result

    Raises
    ------
    ValueError, TypeError
        Where something does not fit; the message names it.
    """
    x, y, weight, leading = check_batch(network, parameters, x, y, sample_weight)
    check_noise(network, noise, len(x), parameters.dtype)
    kl_weight = check_kl_weight(kl_weight)

    layers = list(zip(network.layers, parameters.layers, noise.layers, strict=True))
    h, traces = x, []
    for layer, p, n in layers:
        traces.append(layer.forward(p, n, h))  # E1 to E3
        h = traces[-1].outputs
    nll, grad_h, grad_own = network.likelihood.nll_and_gradient(  # E4, E7, E18
        h, y, weight, parameters.likelihood
    )
    kl_layers = np.array(
        [layer.kl(p, n, t) for (layer, p, n), t in zip(layers, traces, strict=True)]  # E5
    )
    loss = nll + kl_weight * np.sum(kl_layers)  # E6

    gradients = parameters.zeros_like()
    for k in reversed(range(len(layers))):
        layer, p, n = layers[k]
        grad_h = layer.backward(  # E8 to E15
            p, n, traces[k], grad_h, kl_weight, gradients.layers[k]
        )
    for name, gradient in grad_own.items():
        gradients.likelihood[name][...] = gradient
    return Result(
        outputs=h.reshape(*leading, network.outputs),
        nll=nll,
        kl=np.sum(kl_layers),  # E5
        kl_layers=kl_layers,
        loss=loss,
        gradients=gradients,
        grad_x=grad_h.reshape(*leading, network.inputs),
        trace=traces if trace else None,
        statistics=statistics_after(network, parameters, traces),
    )


def average(results: Sequence[Result]) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return nll, KL by layer, outputs and flat gradient averaged over the draws of a step.

    Each draw's gradient has the whole KL in it, so the average has it once. A KL in closed form is
    the same in every draw.

    Parameters
    ----------
    results : list of Result, at least one
    """
    share = 1 / len(results)  # E16
    kl_layers = results[0].kl_layers
    same = all(np.array_equal(result.kl_layers, kl_layers) for result in results)
    return (
        sum(result.nll for result in results) * share,  # E16
        kl_layers if same else sum(result.kl_layers for result in results) * share,  # E16
        sum(result.outputs for result in results) * share,  # E16
        sum(result.gradients.flat for result in results) * share,  # E16
    )


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
    workspace: None = None,
) -> Metrics:
    """Take one training step: draw the noise, differentiate, update the state in place.

    The noise is that of (seed, "train", state.step, draw) for draw = 0 .. draws - 1.

    Parameters
    ----------
    state : State
        Changed only after every check has passed.
    x, y, kl_weight, sample_weight
        As for `loss_and_gradients`.
    seed : int
    adam : Adam
    draws : int, >= 1
        Noise draws averaged in this step; the KL counts once.
    estimator : str
        As for `draw_noise`.
    freeze : str or sequence of str
        Tensors whose gradients are computed and not applied, as for `frozen_names`: they and their
        moments stay as they are.
    workspace : None
        This back end needs none.

    Returns
    -------
    Metrics

    Raises
    ------
    NonFinite
        Where the loss or a gradient is not finite; the state is as before.
    ValueError, TypeError
        As `loss_and_gradients`.
    """
    parameters = state.parameters
    network = parameters.network
    rows = len(check_inputs(network, x, parameters.dtype)[0])
    check_word(state.step, "step")
    draws, frozen = check_size(draws, "draws"), frozen_names(network, freeze)
    results = []
    with np.errstate(all="ignore"):  # refuse_non_finite names what went wrong
        for draw in range(draws):
            noise = draw_noise(network, rows, seed, step=state.step, draw=draw,
                               dtype=parameters.dtype, estimator=estimator)  # fmt: skip
            results.append(loss_and_gradients(network, parameters, x, y, noise, kl_weight,
                                              sample_weight=sample_weight))  # fmt: skip
    nll, kl_layers, outputs, flat = average(results)  # E16
    gradients = Parameters(network, flat, parameters.scale_shift)
    kl_total = np.sum(kl_layers)  # E5
    refuse_non_finite(state.step + 1, x, nll, kl_layers, gradients)
    flats = (parameters.flat, flat, state.moment_1.flat, state.moment_2.flat)
    with np.errstate(all="ignore"):  # it refuses what is not finite
        fixed = [network.places[name] for name in (*network.fixed, *frozen)]
        new = adam_rule.after(adam, state.step + 1, *flats, fixed)  # E17
    statistics = [result.statistics for result in results]
    put_statistics(state.step + 1, network, new[0], statistics, frozen)
    state.take(*new)
    return Metrics(nll + kl_weight * kl_total, nll, kl_total, kl_layers, outputs)  # E6


def draw_outputs(
    network: Network,
    parameters: Parameters,
    x: NDArray[Any],
    seed: int,
    draw: int,
    *,
    kind: str = "weights",
    first_row: int = 0,
    workspace: None = None,
    again: bool = False,
) -> NDArray[Any]:
    """Return one draw of the outputs (rows, O) for a block of a table's rows.

    Parameters
    ----------
    network : Network
    parameters : Parameters
    x : array (rows, I)
    seed, draw : int
        The key of the noise, purpose "predict".
    kind : str
        "weights": one draw of whole weights for all rows (for each row the same distribution as
        Flipout's, at one product instead of two, and a function coherent over rows). "flipout":
        the layer as it trains, signs keyed by the row's place in the table. "mean": every weight
        at its posterior mean.
    first_row : int
        The place in the table of x's first row.
    workspace : None
        This back end needs none.
    again : bool
        Parameters and x are those of the call before, with the same workspace: a back end may have
        kept what draws share. This one keeps nothing.

    Returns
    -------
    array (rows, O) of the parameters' dtype; a row's bits do not depend on how many rows there
    are, nor, as far as BLAS keeps it so, on its place (see `docs/limits.md`).
    """
    check_kind(kind)
    h, _ = check_inputs(network, x, parameters.dtype)
    for k, (layer, p) in enumerate(zip(network.layers, parameters.layers, strict=True)):
        stream = Stream(seed, "predict", k, draw=draw, dtype=h.dtype, first_row=first_row)
        h = layer.draw_outputs(p, h, stream, kind)  # E21
    return h
