"""Recording a call of a person's own TFP layers; see `bnn_ref.verification.record`."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from ..frameworks.tensorflow import tf, tfp
from ..frameworks.tfp import framework, taken_over, variables
from ..frameworks.tfp import nll as own_nll
from .seen import Seen, activation_of, shift_of

if TYPE_CHECKING:
    from ...likelihoods.base import Likelihood

FLIPOUT, SHARED = tfp.layers.DenseFlipout, tfp.layers.DenseReparameterization


def _flipout_layers(model):
    """Return the layers that draw, in a list, a model or models within it."""
    if isinstance(model, (FLIPOUT, SHARED)):
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
    """Call the model; return (outputs, {id of a layer: what was seen of it}).

    The inputs of every Flipout layer are watched by the tape.
    """
    from tensorflow_probability.python.distributions import normal as normal_module
    from tensorflow_probability.python.layers import dense_variational

    base = dense_variational._DenseVariational
    seen, now, again = {}, [], []
    own_call = base.call
    own_normal, own_sign = normal_module.samplers.normal, dense_variational.tfp_random.rademacher

    def call(layer, inputs, *args, **kwargs):
        inputs = tf.convert_to_tensor(inputs)
        tape.watch(inputs)
        now.append(SimpleNamespace(inputs=inputs, draws=[], outputs=None))
        now[-1].outputs = own_call(layer, inputs, *args, **kwargs)
        if id(layer) in seen:
            again.append(layer.name)  # told after the call: Keras wraps what is raised in it
        seen[id(layer)] = now.pop()
        return seen[id(layer)].outputs

    def watch(kind, own):
        def draw(*args, **kwargs):
            drawn = own(*args, **kwargs)
            if now:
                now[-1].draws.append((kind, drawn.numpy()))
            return drawn

        return draw

    with (
        taken_over(watch("normal", own_normal), watch("sign", own_sign)),
        mock.patch.object(base, "call", call),
    ):
        outputs = _call(model, x)
    if again:
        raise ValueError(f"{again[0]}: expected one call of each layer, found a second")
    return outputs, seen


def _noise(k, layer, seen):
    """Return a layer's draws by their names, checked against what such a layer draws."""
    shape = tuple(layer.kernel_posterior.event_shape)
    kinds = [kind for kind, _ in seen.draws]
    flipout = isinstance(layer, FLIPOUT)
    wanted = ["normal", "sign", "sign"] if flipout else ["normal"]
    if kinds not in (wanted, [*wanted, "normal"]):
        raise ValueError(f"layers.{k}: expected the draws {wanted}, found {kinds}")
    values = [value for _, value in seen.draws]
    inputs, outputs = seen.inputs.shape, seen.outputs.shape
    noise = {"kernel_eps": values[0].reshape(shape)}
    noise["sign_input"] = values[1] if flipout else np.ones(inputs, values[0].dtype)
    noise["sign_output"] = values[2] if flipout else np.ones(outputs, values[0].dtype)
    if len(kinds) > len(wanted):
        noise["bias_eps"] = values[-1].reshape(shape[-1:])
    return noise


def _prior(k, distribution):
    """Return (loc, scale) of a Normal prior that is the same for every weight."""
    normal = getattr(distribution, "distribution", distribution)
    if not isinstance(normal, tfp.distributions.Normal):
        raise ValueError(f"layers.{k}: expected a Normal prior, found {normal!r}")
    loc, scale = np.asarray(normal.loc, np.float64), np.asarray(normal.scale, np.float64)
    if np.ptp(loc) or np.ptp(scale):
        raise ValueError(f"layers.{k}: expected one prior for every weight, found several")
    return float(np.mean(loc)), float(f"{np.mean(scale):.9g}")


def _seen(k, layer, seen):
    """Return the `Seen` of one layer."""
    if len(seen.inputs.shape) != 2:
        raise ValueError(f"layers.{k}: expected inputs of rank 2, found {tuple(seen.inputs.shape)}")
    named = variables(layer)
    parameters = {name: variable.numpy() for name, variable in named.items()}
    bias = "none"
    if layer.bias_posterior is not None:
        bias = "normal" if "bias_rho" in named else "deterministic"
    grid = np.linspace(-4, 4, 65).astype(parameters["kernel_mu"].dtype)
    own = layer.activation
    activation = activation_of(lambda a: own(tf.constant(a)).numpy(), grid) if own else "linear"
    if activation is None:
        raise ValueError(f"layers.{k}: expected an activation of docs/vectors.md, found {own!r}")
    sigma = np.asarray(tf.convert_to_tensor(layer.kernel_posterior.distribution.scale))
    return Seen(
        parameters, _noise(k, layer, seen), seen.inputs.numpy(), seen.outputs.numpy(), activation,
        shift_of(sigma, parameters["kernel_rho"]), _prior(k, layer.kernel_prior),
        _prior(k, layer.bias_prior) if bias == "normal" else None, bias,
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
        raise ValueError("model: expected DenseFlipout layers of TFP, found none")
    x = tf.convert_to_tensor(np.asarray(x, tf.as_dtype(layers[0].dtype).as_numpy_dtype))
    with tf.GradientTape() as tape:
        outputs, seen = _watched(model, x, tape)
        missing = [layer.name for layer in layers if id(layer) not in seen]
        if missing:
            raise ValueError(f"{missing[0]}: expected one call of each layer, found none")
        fit = nll(outputs, y) if nll else own_nll(likelihood, outputs, y)
        kls = [
            kl_divided_by * tf.add_n(layer.losses) if layer.losses else tf.zeros_like(fit)
            for layer in layers
        ]
        total = fit + kl_weight * tf.add_n(kls)
    order = sorted(range(len(layers)), key=lambda k: list(seen).index(id(layers[k])))
    named = {
        f"layers.{place}.{name}": variable
        for place, k in enumerate(order)
        for name, variable in variables(layers[k]).items()
    }
    first = seen[id(layers[order[0]])].inputs
    gradients = tape.gradient(total, {"x": first, **named})
    results = {"outputs": outputs, "nll": fit, "kl": tf.add_n(kls), "loss": total}
    results |= {f"layers.{place}.kl": kls[k] for place, k in enumerate(order)}
    results |= {f"grad.{name}": _dense(gradient) for name, gradient in gradients.items()}
    told = [_seen(place, layers[k], seen[id(layers[k])]) for place, k in enumerate(order)]
    return told, {name: np.asarray(v) for name, v in results.items()}, framework("tfp").source()


def _dense(gradient):
    if gradient is None:
        raise ValueError("model: expected a loss that depends on every parameter")
    return gradient
