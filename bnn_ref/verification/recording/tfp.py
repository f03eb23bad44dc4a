"""Recording a call of a person's own TFP layers; see `bnn_ref.verification.record`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from ...errors import expected
from ..frameworks.tensorflow import tf, tf_keras, tfp
from ..frameworks.tfp import framework, taken_over, variables
from ..frameworks.tfp import nll as own_nll
from ..vectors.naming import named_results
from .seen import Seen, activation_of, plain, shift_of

if TYPE_CHECKING:
    from ...likelihoods.base import Likelihood

CONVOLUTIONS = tuple(getattr(tfp.layers, f"Convolution{n}D{kind}") for n in (1, 2)
                     for kind in ("Flipout", "Reparameterization"))  # fmt: skip
DRAWING = (tfp.layers.DenseFlipout, tfp.layers.DenseReparameterization, *CONVOLUTIONS)
PLAIN = {tf_keras.layers.MaxPooling2D: "MaxPool2D", tf_keras.layers.AveragePooling2D:
         "AveragePool2D"}  # fmt: skip


def _flipout_layers(model):
    """Return the layers that draw, in a list, a model or models within it."""
    if isinstance(model, DRAWING):
        return [model]
    inner = model if isinstance(model, (list, tuple)) else getattr(model, "layers", [])
    return [layer for part in inner for layer in _flipout_layers(part)]


def _call(model, x):
    if isinstance(model, (list, tuple)):
        for layer in model:
            x = _first(layer(x))
        return x
    return _first(model(x))


def _first(outputs):
    """Return the outputs of a layer or model that may return its KL beside them."""
    return outputs[0] if isinstance(outputs, tuple) else outputs


def _watched(model, x, tape):
    """Call the model; return (outputs, what was seen of each call that is of account, in order).

    The inputs of every Flipout layer are watched by the tape.
    """
    from tensorflow_probability.python.distributions import normal as normal_module
    from tensorflow_probability.python.layers import conv_variational, dense_variational

    seen, now, again = [], [], []
    own_normal, own_sign = normal_module.samplers.normal, dense_variational.tfp_random.rademacher

    def watched(kind):
        own_call = kind.call

        def call(layer, inputs, *args, **kwargs):
            inputs = tf.convert_to_tensor(inputs)
            tape.watch(inputs)
            now.append(SimpleNamespace(layer=layer, inputs=inputs, draws=[], outputs=None))
            now[-1].outputs = own_call(layer, inputs, *args, **kwargs)
            if isinstance(layer, DRAWING) and any(call.layer is layer for call in seen):
                again.append(layer.name)  # told after the call: Keras wraps what is raised in it
            seen.append(now.pop())
            return seen[-1].outputs

        return mock.patch.object(kind, "call", call)

    def watch(kind, own):
        def draw(*args, **kwargs):
            drawn = own(*args, **kwargs)
            if now:
                now[-1].draws.append((kind, drawn.numpy()))
            return drawn

        return draw

    with ExitStack() as stack:
        stack.enter_context(taken_over(watch("normal", own_normal), watch("sign", own_sign)))
        bases = dense_variational._DenseVariational, conv_variational._ConvVariational
        for kind in (*bases, *PLAIN):
            stack.enter_context(watched(kind))
        outputs = _call(model, x)
    if again:
        raise expected(again[0], "one call of each layer", "a second")
    first = next((k for k, call in enumerate(seen) if isinstance(call.layer, DRAWING)), len(seen))
    return outputs, seen[first:]


def _noise(k, layer, seen):
    """Return a layer's draws by their names, checked against what such a layer draws."""
    shape = tuple(layer.kernel_posterior.event_shape)
    kinds = [kind for kind, _ in seen.draws]
    flipout = type(layer).__name__.endswith("Flipout")
    wanted = ["normal", "sign", "sign"] if flipout else ["normal"]
    if kinds not in (wanted, [*wanted, "normal"]):
        raise expected(f"layers.{k}", f"the draws {wanted}", kinds)
    values = [value for _, value in seen.draws]
    noise, rows = {"kernel_eps": values[0].reshape(shape)}, len(seen.inputs)
    for place, side in enumerate(("input", "output")):
        ones = np.ones((rows, shape[place - 2]), values[0].dtype)
        noise[f"sign_{side}"] = values[1 + place] if flipout else ones
    if len(kinds) > len(wanted):
        noise["bias_eps"] = values[-1].reshape(shape[-1:])
    return noise


def _described(k, layer, shape):
    """Return the type and sizes of a layer of images of that shape, None of a dense one.

    Raises
    ------
    ValueError
        For what no vector expresses: channels first, dilation, causal padding.
    """
    if isinstance(layer, DRAWING) and not isinstance(layer, CONVOLUTIONS):
        if len(shape) != 1:
            raise expected(f"layers.{k}", "inputs of rank 2", f"rank {1 + len(shape)}")
        return None
    known = {"data_format": "channels_last"}
    if isinstance(layer, CONVOLUTIONS):
        known["dilation_rate"] = (1,) * (len(shape) - 1)
    for name, wanted in known.items():
        if getattr(layer, name) != wanted:
            raise expected(f"layers.{k}.{name}", wanted, getattr(layer, name))
    if layer.padding not in ("valid", "same"):
        raise expected(f"layers.{k}.padding", "valid or same", layer.padding)
    common = {"strides": list(layer.strides), "padding": layer.padding, "input_shape": list(shape)}
    for kind, name in PLAIN.items():
        if isinstance(layer, kind):
            return {"type": name, "pool_size": list(layer.pool_size), **common}
    return {"type": f"Conv{len(shape) - 1}DFlipout", "filters": layer.filters,
            "kernel_size": list(layer.kernel_size), **common}  # fmt: skip


def _prior(k, distribution):
    """Return (loc, scale) of a Normal prior that is the same for every weight."""
    normal = getattr(distribution, "distribution", distribution)
    if not isinstance(normal, tfp.distributions.Normal):
        raise expected(f"layers.{k}", "a Normal prior", repr(normal))
    loc, scale = np.asarray(normal.loc, np.float64), np.asarray(normal.scale, np.float64)
    if np.ptp(loc) or np.ptp(scale):
        raise expected(f"layers.{k}", "one prior for every weight", "several")
    return float(np.mean(loc)), float(f"{np.mean(scale):.9g}")


def _seen(k, layer, seen):
    """Return the `Seen` of one layer."""
    described = _described(k, layer, tuple(seen.inputs.shape[1:]))
    inputs, outputs = (np.reshape(value, (len(value), -1)) for value in
                       (seen.inputs.numpy(), seen.outputs.numpy()))  # fmt: skip
    if not isinstance(layer, DRAWING):
        return plain(described, inputs, outputs)
    named = variables(layer)
    parameters = {name: variable.numpy() for name, variable in named.items()}
    bias = "none"
    if layer.bias_posterior is not None:
        bias = "normal" if "bias_rho" in named else "deterministic"
    grid = np.linspace(-4, 4, 65).astype(parameters["kernel_mu"].dtype)
    own = layer.activation
    activation = activation_of(lambda a: own(tf.constant(a)).numpy(), grid) if own else "linear"
    if activation is None:
        raise expected(f"layers.{k}", "an activation of docs/vectors.md", repr(own))
    sigma = np.asarray(tf.convert_to_tensor(layer.kernel_posterior.distribution.scale))
    return Seen(
        parameters, _noise(k, layer, seen), inputs, outputs, activation,
        shift_of(sigma, parameters["kernel_rho"]), _prior(k, layer.kernel_prior),
        _prior(k, layer.bias_prior) if bias == "normal" else None, bias, described,
    )  # fmt: skip


def record_call(
    model: Any,
    x: Any,
    y: Any,
    likelihood: Likelihood,
    kl_weight: float,
    nll: Callable[[Any, Any], Any] | None,
    kl: str,
    kl_divided_by: float,
) -> tuple[list[Seen], dict[str, NDArray[Any]], str]:
    """Return ([Seen of each layer], results by name, source) of one call."""
    layers = _flipout_layers(model)
    if not layers:
        raise expected("model", "Flipout layers of TFP", "none")
    x = tf.convert_to_tensor(np.asarray(x, tf.as_dtype(layers[0].dtype).as_numpy_dtype))
    with tf.GradientTape() as tape:
        outputs, seen = _watched(model, x, tape)
        missing = [layer.name for layer in layers if not any(call.layer is layer for call in seen)]
        if missing:
            raise expected(missing[0], "one call of each layer", "none")
        fit = nll(outputs, y) if nll else own_nll(likelihood, outputs, y)
        kls = [
            kl_divided_by * tf.add_n(call.layer.losses) if call.layer.losses else tf.zeros_like(fit)
            for call in seen
        ]
        total = fit + kl_weight * tf.add_n(kls)
    named = {
        f"layers.{k}.{name}": variable
        for k, call in enumerate(seen)
        for name, variable in variables(call.layer).items()
    }
    gradients = tape.gradient(total, {"x": seen[0].inputs, **named})
    gradients = {name: _dense(gradient) for name, gradient in gradients.items()}
    results = named_results(outputs, fit, tf.add_n(kls), kls, total, gradients)
    told = [_seen(k, call.layer, call) for k, call in enumerate(seen)]
    return told, {name: np.asarray(v) for name, v in results.items()}, framework("tfp").source()


def _dense(gradient):
    if gradient is None:
        raise ValueError("model: expected a loss that depends on every parameter")
    return gradient
