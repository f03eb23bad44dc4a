"""The checks at a step's border.

Both back ends use these, so that both accept and refuse the same things with the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..border import check_choice, check_number, take_array
from ..errors import NonFinite, expected
from ..noise import NOISES, IndependentNoise, LocalNoise, NestedNoise, Noise

if TYPE_CHECKING:
    from ..network import Network
    from ..parameters import Parameters

KINDS = ("weights", "flipout", "mean")


def check_inputs(
    network: Network, x: ArrayLike, dtype: DTypeLike
) -> tuple[NDArray[Any], tuple[int, ...]]:
    """Return the inputs as a C-contiguous (B, I) array of the dtype, and their leading shape.

    Integers and booleans keep their values (0..255 stays 0..255); nothing is scaled.

    Parameters
    ----------
    network : Network
    x : array (..., I), rank >= 2; of a network of images also (..., H, W, C)
    dtype : dtype
        The parameters'.

    Raises
    ------
    TypeError
        For a dtype that is no real number's (complex is taken for complex parameters).
    ValueError
        For rank below 2, another number of inputs, or one too large for the dtype.
    """
    kinds = "buifc" if np.dtype(dtype).kind == "c" else "buif"
    x = take_array(x, "x", kinds=kinds, finite=False)
    leading = leading_shape(network, x.shape)
    flat = x.reshape(-1, network.inputs)  # (B, I)
    if flat.dtype.kind != "f" or flat.dtype == dtype:
        return np.ascontiguousarray(flat, dtype), leading
    try:
        with np.errstate(over="raise"):
            return np.ascontiguousarray(flat, dtype), leading
    except FloatingPointError:
        return take_array(flat, "x", dtype=dtype), leading  # which says where


def leading_shape(network: Network, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of inputs without what belongs to one example.

    Parameters
    ----------
    network : Network
    shape : tuple of int
        (..., I), or (..., H, W, C) where the first layer knows its inputs as (H, W, C).

    Raises
    ------
    ValueError
        For another shape.
    """
    if len(shape) == 2 and shape[1] == network.inputs:  # the usual one, in every step
        return shape[:1]
    image = network.layers[0].input_shape
    if len(shape) > len(image) > 1 and tuple(shape[-len(image) :]) == image:
        return tuple(shape[: -len(image)])
    if len(shape) > 1 and shape[-1] == network.inputs:
        return tuple(shape[:-1])
    wanted = f"last dimension {network.inputs}" + (f" or {image}" if len(image) > 1 else "")
    if len(shape) < 2:
        wanted = f"rank 2 or more, {wanted}"
    raise expected("x", wanted, f"shape {tuple(shape)}")


def check_sample_weight(
    sample_weight: ArrayLike | None, leading: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """Return the weights as float64 (B,), or None for None.

    Parameters
    ----------
    sample_weight : array, shape leading, or None
    leading : tuple of int
        The inputs' shape without its last dimension.

    Raises
    ------
    ValueError
        For another shape than the inputs' leading one, a negative weight or one not finite.
    """
    if sample_weight is None:
        return None
    weight = take_array(sample_weight, "sample_weight", finite=False)
    if weight.shape != leading:
        raise expected("sample_weight", f"shape {leading}", weight.shape)
    weight = weight.astype(np.float64).reshape(-1)
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if np.any(bad):
        row = int(np.argmax(bad))
        raise expected("sample_weight", "finite numbers, at least 0", f"{weight[row]} in row {row}")
    return weight


def check_batch(
    network: Network,
    parameters: Parameters,
    x: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    check_targets: Callable[[ArrayLike, tuple[int, ...], int], NDArray[Any]] | None = None,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None, tuple[int, ...]]:
    """Return (x, y, sample_weight, leading shape) ready for a step; see the checks it calls.

    Parameters
    ----------
    network, parameters, x, y, sample_weight
        As for `bnn_ref.reference.loss_and_gradients`.
    check_targets : function(y, leading, outputs), optional
        In place of the likelihood's own.

    Raises
    ------
    ValueError
        Also for a batch of no rows: a mean over nothing is no loss.
    """
    x, leading = check_inputs(network, x, parameters.dtype)
    if len(x) == 0:
        raise expected("x", "at least one row (a loss of nothing is not defined)", "none")
    check_least_rows(network, len(x))
    y = (check_targets or network.likelihood.check_targets)(y, leading, network.outputs)
    return x, y, check_sample_weight(sample_weight, leading), leading


def check_least_rows(network: Network, rows: int) -> None:
    """Raise where a layer cannot be trained on so few rows: the statistics of one are none.

    Parameters
    ----------
    network : Network
    rows : int
        B.
    """
    if rows >= network.least_rows:
        return
    for k, layer in enumerate(network.layers):
        if 0 < rows < layer.least_rows:
            wanted = f"at least {layer.least_rows} rows in training, whose statistics it takes"
            raise expected(f"layers[{k}] ({layer.type})", wanted, rows)


def check_kl_weight(kl_weight: float) -> float:
    """Return the factor on the KL as a float, or raise for one that is not finite and >= 0.

    Parameters
    ----------
    kl_weight : float
    """
    if type(kl_weight) is float and 0 <= kl_weight < np.inf:
        return kl_weight
    return check_number(kl_weight, "kl_weight")


def check_noise(
    network: Network, noise: Noise | LocalNoise | IndependentNoise, rows: int, dtype: DTypeLike
) -> None:
    """Raise where the noise has not the shapes or the dtype that the network and batch need.

    Parameters
    ----------
    network : Network
    noise : Noise, LocalNoise or IndependentNoise
    rows : int
        B.
    dtype : dtype
        The parameters'; noise of complex ones is real.

    Raises
    ------
    ValueError
        The message names the array: "noise[1].sign_output: expected (32, 4), found (16, 4)".
    """
    dtype = np.empty(0, dtype).real.dtype
    wanted = NOISES.get(type(noise))
    if wanted is None:
        raise expected("noise", "a Noise", type(noise).__name__)
    if len(noise.layers) != len(network.layers):
        raise expected("noise", f"{len(network.layers)} layers", len(noise.layers))
    for k, (layer, layer_noise) in enumerate(zip(network.layers, noise.layers, strict=True)):
        _check_noise_kind(layer_noise, wanted, f"noise[{k}]")
        layer.check_noise(layer_noise, rows, dtype, f"noise[{k}]")


def _check_noise_kind(noise, wanted, thing):
    """Raise where a Flipout layer's noise is of another estimator than the step's."""
    if isinstance(noise, NestedNoise):
        for j, layer_noise in enumerate(noise.layers):
            _check_noise_kind(layer_noise, wanted, f"{thing}.layers[{j}]")
    elif type(noise) in NOISES.values() and type(noise) is not wanted:
        raise expected(thing, wanted.__name__, type(noise).__name__)


def check_kind(kind: str) -> str:
    """Return the kind of prediction draw, or raise a `ValueError` for an unknown one."""
    return check_choice(kind, "kind", KINDS)


def refuse_non_finite(
    step: int,
    x: NDArray[Any],
    nll: float,
    kl_layers: NDArray[Any],
    gradients: Mapping[str, NDArray[Any]],
) -> None:
    """Raise `NonFinite` for the first of these that holds a NaN or an infinity.

    `gradients` maps names to arrays. Inputs are only looked at where something else is wrong:
    a NaN there always shows in the nll or a gradient.

    Parameters
    ----------
    step : int
        The number of the step, for the message.
    x : array (B, I)
    nll : float
    kl_layers : array (L,)
    gradients : mapping of str to array
    """
    if (
        np.isfinite(nll)
        and np.all(np.isfinite(kl_layers))
        and all(np.all(np.isfinite(gradient)) for gradient in gradients.values())
    ):
        return
    if not np.all(np.isfinite(x)):
        raise NonFinite(step, "x")
    for k, kl in enumerate(kl_layers):
        if not np.isfinite(kl):
            raise NonFinite(step, f"layers.{k}.kl")
    if not np.isfinite(nll):
        raise NonFinite(step, "nll")
    for name, gradient in gradients.items():
        if not np.all(np.isfinite(gradient)):
            raise NonFinite(step, f"grad.{name}")
