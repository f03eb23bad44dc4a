"""Keras models: a Sequential or functional chain of Keras' own layers and of TFP's.

Both Keras 3 and tf_keras, which TFP's layers belong to, are read by their layers' attributes.

Source: `keras.layers`; `tfp.layers.DenseFlipout`, `DenseReparameterization`,
`DenseLocalReparameterization`, `Convolution2DFlipout` and `Convolution2DReparameterization` 0.25.0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import expected
from ..layers import (
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Conv2DFlipout,
    Dense,
    DenseFlipout,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    MaxPool2D,
)
from ..likelihoods import Likelihood
from ..priors import NoPrior
from .building import GRID, Builder, Converted, one_prior, refuse

ENDS = {"softmax": "categorical", "sigmoid": "bernoulli"}
TFP = {"DenseFlipout": "flipout", "DenseReparameterization": "shared",
       "DenseLocalReparameterization": "local", "Conv2DFlipout": "flipout",
       "Conv2DReparameterization": "shared"}  # fmt: skip
ACTIVATIONS = ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax")


def from_keras(
    model: Any,
    likelihood: Likelihood | None = None,
    *,
    kl_weight: float | None = None,
    dropout_predicts: bool = False,
    dtype: DTypeLike | None = None,
) -> Converted:
    """Return a built Keras model as a network, its parameters and its estimator.

    A softmax (or, with a Bernoulli likelihood, a sigmoid) at the end is left out: a network's
    outputs are logits. `Add` of two tensors of a functional chain becomes a `Residual`.

    Parameters
    ----------
    model : keras.Model or tf_keras.Model
    likelihood : Likelihood, optional
        Categorical unless given.
    kl_weight : float, optional
        The factor on the KL that it will be trained with, by which an L2 regularizer becomes the
        prior that has its gradient: `l2` is N(0, sqrt(kl_weight / (2 l2))).
    dropout_predicts : bool
        Whether dropout drops in predictions too (Monte Carlo dropout); in Keras it does not.
    dtype : "float32" or "float64", optional
        The model's own unless given.

    Raises
    ------
    ValueError
        For the first thing that has no counterpart, with its place.
    """
    shape = getattr(model, "input_shape", None)
    known = isinstance(shape, tuple) and len(shape) in (2, 4) and None not in shape[1:]
    builder, wide = Builder(likelihood, shape[1:] if known else None), False
    is_graph = type(model).__name__ == "Functional"
    counts: dict[int, int] = {}  # of a tensor, how many of our layers it has behind it
    previous = None
    layers = list(model.layers)
    for k, layer in enumerate(layers):
        kind, last = type(layer).__name__, k == len(layers) - 1
        place = f"model.layers[{k}] ({kind} {layer.name!r})"
        wide = wide or any("float64" in str(w.dtype) for w in layer.weights)
        if is_graph and kind != "InputLayer":
            _follow(builder, place, layer, previous, counts)
        if kind == "Add":
            pass  # done by `_follow`
        elif kind in ACTIVATIONS:
            _activate(builder, place, getattr(layer, "activation", layer), last, kind)
        elif kind == "Dropout":
            builder.add(place, Dropout(layer.rate, dropout_predicts))
        elif kind in LAYERS:
            LAYERS[kind](builder, place, layer, kl_weight)
            if hasattr(layer, "activation"):
                _activate(builder, place, layer.activation, last)
        elif kind == "Flatten":
            if builder.shape is not None and len(builder.shape) > 1:
                builder.add(place, Flatten())
        elif kind != "InputLayer":
            raise refuse(place, [*LAYERS, "Dropout", "Flatten", "Add", *ACTIVATIONS], layer)
        if is_graph:
            previous = layer.output[0] if isinstance(layer.output, list) else layer.output
            counts[id(previous)] = len(builder.layers)
    if not builder.layers:
        raise expected("model", "at least one layer", "none")
    return builder.finish(dtype or ("float64" if wide else "float32"))


def _follow(
    builder: Builder, place: str, layer: Any, previous: Any, counts: dict[int, int]
) -> None:
    """Refuse a layer that does not take the outputs of the one before; let `Add` close a block."""
    try:
        inputs = layer.input
    except (AttributeError, ValueError):
        raise expected(place, "a layer that is used once", "one that is shared") from None
    given = inputs if isinstance(inputs, list | tuple) else [inputs]
    others = [tensor for tensor in given if tensor is not previous]
    if type(layer).__name__ == "Add":
        if len(given) != 2 or len(others) != 1 or id(others[0]) not in counts:
            raise expected(place, "the outputs of the layer before and of one earlier", "others")
        builder.enclose(place, counts[id(others[0])])
    elif others:
        raise expected(place, "the outputs of the layer before, as in a chain", "others")


def _activate(
    builder: Builder, place: str, function: Any, last: bool, kind: str = "Activation"
) -> None:
    """Add an activation by what it does; one that makes probabilities of logits ends the model."""
    name = getattr(function, "__name__", kind).lower()
    if last and name in ENDS and builder.likelihood.type == ENDS[name]:
        builder.end(place, ENDS[name])
        return
    if function is None:
        return
    if name == "softmax":
        raise expected(place, "a softmax at the end of a categorical model alone", "one elsewhere")
    values = function(np.asarray(GRID, np.float32))
    builder.activate(place, np.asarray(values))


def _prior(place: str, regularizer: Any, kl_weight: float | None) -> Any:
    """Return the prior whose -log p has an L2 regularizer's gradient, or None without one."""
    if regularizer is None:
        return None
    strength = float(getattr(regularizer, "l2", 0.0))
    if float(getattr(regularizer, "l1", 0.0)) or type(regularizer).__name__ not in ("L2", "L1L2"):
        raise expected(place, "no regularizer but L2", repr(regularizer))
    if not strength:
        return None
    if kl_weight is None:
        raise expected(place, "kl_weight, by which its L2 regularizer becomes a prior", "none")
    return (0.0, float(np.sqrt(kl_weight / (2 * strength))))


def _weights(place: str, theirs: Any, kl_weight: float | None) -> tuple[Any, dict[str, Any]]:
    """Return a layer's arrays by name, and what it says of bias, training and priors."""
    arrays = {"kernel_mu": np.asarray(theirs.kernel)}
    if theirs.use_bias:
        arrays["bias_mu"] = np.asarray(theirs.bias)
    options = {
        f"{name}_prior": _prior(place, getattr(theirs, f"{name}_regularizer"), kl_weight)
        for name in ("kernel", "bias")
    }
    return arrays, {"bias": bool(theirs.use_bias), "frozen": not theirs.trainable, **options}


def _dense(builder: Builder, place: str, theirs: Any, kl_weight: float | None) -> None:
    arrays, options = _weights(place, theirs, kl_weight)
    builder.add(place, Dense(*arrays["kernel_mu"].shape, **options), arrays)


def _check_conv(place: str, layer: Any) -> None:
    wanted = "channels last, without groups and dilation"
    if set(layer.dilation_rate) != {1} or layer.data_format != "channels_last":
        raise expected(place, wanted, f"{layer.data_format}, dilation {layer.dilation_rate}")
    if getattr(layer, "groups", 1) != 1:
        raise expected(place, wanted, f"{layer.groups} groups")


def _conv(builder: Builder, place: str, theirs: Any, kl_weight: float | None) -> None:
    _check_conv(place, theirs)
    arrays, options = _weights(place, theirs, kl_weight)
    layer = Conv2D(theirs.filters, theirs.kernel_size, theirs.strides, theirs.padding, **options)
    builder.add(place, layer, arrays)


def _pool(builder: Builder, place: str, layer: Any, kl_weight: float | None) -> None:
    make = MaxPool2D if type(layer).__name__ == "MaxPooling2D" else AveragePool2D
    builder.add(place, make(layer.pool_size, layer.strides, layer.padding))


def _last_axis(place: str, axis: Any, layer: Any) -> None:
    rank = len(layer.gamma.shape) if layer.scale else 0
    axes = [axis] if isinstance(axis, int) else list(axis)
    if rank != 1 or not layer.center or axes[0] not in (-1, 1, 3):
        raise expected(place, "one axis, the last, with scale and center", f"axis {axis}")


def _batch_norm(builder: Builder, place: str, theirs: Any, kl_weight: float | None) -> None:
    _last_axis(place, theirs.axis, theirs)
    arrays = {
        "scale": np.asarray(theirs.gamma), "shift": np.asarray(theirs.beta),
        "running_mean": np.asarray(theirs.moving_mean),
        "running_variance": np.asarray(theirs.moving_variance),
    }  # fmt: skip
    layer = BatchNorm(theirs.momentum, theirs.epsilon, "keras", frozen=not theirs.trainable)
    builder.add(place, layer, arrays)


def _layer_norm(builder: Builder, place: str, layer: Any, kl_weight: float | None) -> None:
    _last_axis(place, layer.axis, layer)
    arrays = {"scale": np.asarray(layer.gamma), "shift": np.asarray(layer.beta)}
    builder.add(place, LayerNorm(layer.epsilon), arrays)


def _tfp(builder: Builder, place: str, theirs: Any, kl_weight: float | None) -> None:
    """Add a layer of TFP; a divisor of its KL is the training's kl_weight, not the network's."""
    arrays, priors, bias = {}, {}, "none"
    for name in ("kernel", "bias"):
        posterior = getattr(theirs, f"{name}_posterior")
        if posterior is None:
            continue
        inner = getattr(posterior, "distribution", posterior)
        distribution = type(inner).__name__.lstrip("_")
        arrays[f"{name}_mu"] = np.asarray(inner.loc)
        if distribution == "Normal":
            arrays[f"{name}_sigma"] = np.asarray(inner.stddev(), np.float64)
            prior = getattr(theirs, f"{name}_prior")
            priors[f"{name}_prior"] = _prior_of(place, getattr(prior, "distribution", prior))
        elif name == "kernel" or "Deterministic" not in distribution:
            raise expected(place, f"a Normal posterior of the {name}", distribution)
        if name == "bias":
            bias = "normal" if distribution == "Normal" else "deterministic"
    if type(theirs).__name__.startswith("Conv2D"):
        _check_conv(place, theirs)
        layer: Layer = Conv2DFlipout(theirs.filters, theirs.kernel_size, theirs.strides,
                                     theirs.padding, bias=bias, **priors)  # fmt: skip
    else:
        layer = DenseFlipout(*arrays["kernel_mu"].shape, bias=bias, **priors)
    builder.add(place, layer, arrays, TFP[type(theirs).__name__])


def _prior_of(place: str, normal: Any) -> Any:
    """Return the prior that a distribution of TFP is; without one its layers add no KL."""
    if normal is None:
        return NoPrior()
    if type(normal).__name__ != "Normal":
        raise expected(place, "a Normal prior", type(normal).__name__)
    return one_prior(np.asarray(normal.loc), np.asarray(normal.scale))


LAYERS: dict[str, Callable[[Builder, str, Any, float | None], None]] = {
    "Dense": _dense,
    "Conv2D": _conv,
    "MaxPooling2D": _pool,
    "AveragePooling2D": _pool,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    **dict.fromkeys(TFP, _tfp),
}
