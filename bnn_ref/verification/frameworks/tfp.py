"""TensorFlow Probability's own Flipout layers and Keras' pooling, draws replaced by a vector's.

The layers are theirs: only the two functions that give it random numbers (`samplers.normal` of its
Normal, `rademacher` of its modules) are replaced while a step runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...step.adam import Adam
from ..vectors.naming import named_results
from . import CannotAnswer, Framework, refuse_kinds, tfp_layers
from .draws import Fed, of_layer
from .tensorflow import tf, tf_keras, tfp, without_warnings

if TYPE_CHECKING:
    from ..vectors.files import Vector

ACTIVATIONS: dict[str, Any] = {
    "linear": None,
    "relu": tf.nn.relu,
    "tanh": tf.nn.tanh,
    "sigmoid": tf.nn.sigmoid,
    "softplus": tf.nn.softplus,
    "elu": tf.nn.elu,
    # tf.nn.gelu rounds the square root of 2 to float32 whatever the dtype (so does tf.cast)
    "gelu": lambda a: 0.5 * a * tf.math.erfc(-a * tf.constant(np.sqrt(0.5), a.dtype)),
}


def refusal(meta: Mapping[str, Any]) -> str | None:
    """Return why TFP's layer cannot express a network, or None."""
    reason = refuse_kinds(meta, ("normal", "mixture", "point"), "TFP",
                          likelihoods=("categorical", "bernoulli", "normal"),
                          types=("DenseFlipout", *tfp_layers.CONVOLUTIONS,
                                 *tfp_layers.PLAIN))  # fmt: skip
    if reason:
        return reason
    if meta["likelihood"].get("learn_scale"):
        return "likelihood.learn_scale: TFP's layers have no scale of the likelihood"
    for k, layer in enumerate(meta["layers"]):
        if layer.get("bias") == "normal_flipped":
            return f"layers[{k}].bias: TFP's layers have no flipped bias, only an unflipped one"
    return None


@contextmanager
def taken_over(normal: Callable[..., Any], rademacher: Callable[..., Any]) -> Iterator[None]:
    """While it lasts, TFP's Normals and Flipout layers take their draws from these functions."""
    from tensorflow_probability.python.distributions import normal as normal_module
    from tensorflow_probability.python.layers import conv_variational, dense_variational

    normals = SimpleNamespace(**{**vars(normal_module.samplers), "normal": normal})
    signs = SimpleNamespace(**{**vars(dense_variational.tfp_random), "rademacher": rademacher})
    with (
        mock.patch.object(normal_module, "samplers", normals),
        mock.patch.object(dense_variational, "tfp_random", signs),
        mock.patch.object(conv_variational, "tfp_random", signs),
    ):
        yield


def _posterior(shift, dtype):
    """Return TFP's default posterior, with another shift where the layer has another."""
    if shift == np.finfo(dtype).eps:
        return tfp.layers.default_mean_field_normal_fn()

    def make(dtype, shape, name, trainable, add_variable):
        loc = add_variable(name=f"{name}_loc", shape=shape, dtype=dtype, trainable=trainable)
        rho = add_variable(name=f"{name}_rho", shape=shape, dtype=dtype, trainable=trainable)
        shifted = tfp.util.DeferredTensor(
            rho, lambda r: tf.constant(shift, r.dtype) + tf.nn.softplus(r)
        )
        normal = tfp.distributions.Normal(loc, shifted)
        return tfp.distributions.Independent(normal, reinterpreted_batch_ndims=len(shape))

    return make


def _prior(prior):
    def make(dtype, shape, name, trainable, add_variable):
        if prior.get("type") == "mixture":
            parts = {key: tf.constant(prior[key], dtype) for key in ("weights", "locs", "scales")}
            each = tfp.distributions.MixtureSameFamily(
                tfp.distributions.Categorical(probs=parts["weights"]),
                tfp.distributions.Normal(parts["locs"], parts["scales"]),
            )
            return tfp.distributions.Sample(each, shape)
        loc = tf.broadcast_to(tf.constant(prior["loc"], dtype), shape)
        scale = tf.broadcast_to(tf.constant(prior["scale"], dtype), shape)
        normal = tfp.distributions.Normal(loc, scale)
        return tfp.distributions.Independent(normal, reinterpreted_batch_ndims=len(shape))

    return make


def _at_the_draw(layer):
    """Make a layer's divergences from mixtures log q(w) - log p(w), by TFP's own densities.

    log q is taken at the rounded w = mu + sigma eps: in float32 that is up to 2.6e-6 off.
    """
    own = {part: getattr(layer, f"{part}_divergence_fn") for part in ("kernel", "bias")}

    def make(part):
        def divergence(q, p, drawn):
            if not isinstance(p, tfp.distributions.Sample):
                return own[part](q, p, drawn)
            if part == "kernel":
                drawn = q.distribution.loc + layer.kernel_posterior_affine_tensor
            return q.log_prob(drawn) - p.log_prob(drawn)

        return divergence

    layer.kernel_divergence_fn, layer.bias_divergence_fn = make("kernel"), make("bias")


def make_layer(description: Mapping[str, Any], inputs: int, dtype: str) -> Any:
    """Return a built layer of TFP or Keras as a vector's `meta` describes it."""
    if description["type"] in tfp_layers.PLAIN:
        return tfp_layers.PLAIN[description["type"]](description, dtype)
    options = {}
    posterior = _posterior(description["scale_shift"], dtype)
    if description["bias"] == "none":
        options["bias_posterior_fn"] = None
    elif description["bias"] == "normal":
        options["bias_posterior_fn"] = posterior
    if description["bias_prior"]:
        options["bias_prior_fn"] = _prior(description["bias_prior"])
    options |= {"activation": ACTIVATIONS[description["activation"]], "dtype": dtype,
                "kernel_posterior_fn": posterior,
                "kernel_prior_fn": _prior(description["kernel_prior"])}  # fmt: skip
    if description["type"] == "DenseFlipout":
        layer, shape = tfp.layers.DenseFlipout(description["units"], **options), (inputs,)
    else:
        layer, shape = tfp_layers.convolution(description, options), description["input_shape"]
    with without_warnings():
        layer.build((None, *shape))
    _at_the_draw(layer)
    return layer


def variables(layer: Any) -> dict[str, Any]:
    """Return a layer's variables by the names of `docs/vectors.md`."""
    named = {}
    if not hasattr(layer, "kernel_posterior"):
        return named
    for part, posterior in (("kernel", layer.kernel_posterior), ("bias", layer.bias_posterior)):
        if posterior is None:
            continue
        named[f"{part}_mu"] = posterior.distribution.loc
        scale = getattr(posterior.distribution, "scale", None)
        if scale is not None:
            named[f"{part}_rho"] = scale.pretransformed_input
    return named


def _network(vector):
    """Return (layers, variables by full name) holding a vector's parameters."""
    reason = refusal(vector.meta)
    if reason:
        raise CannotAnswer(f"tfp: {reason}")
    layers, named = [], {}
    for k, description in enumerate(vector.whole_meta["layers"]):
        layers.append(make_layer(description, vector.network.layers[k].inputs, vector.dtype))
        for name, variable in variables(layers[-1]).items():
            variable.assign(vector.arrays[f"layers.{k}.{name}"])
            named[f"layers.{k}.{name}"] = variable
    return layers, named


def likelihood(description: Mapping[str, Any], outputs: Any) -> Any:
    """Return TFP's own distribution of the targets."""
    if description["type"] == "categorical":
        return tfp.distributions.Categorical(logits=outputs)
    if description["type"] == "bernoulli":
        return tfp.distributions.Bernoulli(logits=outputs, dtype=outputs.dtype)
    return tfp.distributions.Normal(outputs, tf.constant(description["scale"], outputs.dtype))


def nll(description: Mapping[str, Any], outputs: Any, y: Any, weights: Any = None) -> Any:
    """Return the batch's (weighted) mean negative log-likelihood, summed over outputs."""
    y = y if description["type"] == "categorical" else tf.cast(y, outputs.dtype)
    log_prob = likelihood(description, outputs).log_prob(y)
    rows = -tf.reduce_sum(tf.reshape(log_prob, (len(y), -1)), axis=-1)
    return tf.reduce_mean(rows if weights is None else weights * rows)


def _loss(vector, layers, x):
    """Return (loss, outputs, nll, kl of each layer) on the vector's draws."""
    draws = []
    for k in range(len(layers)):
        own = of_layer(vector, k)
        if not own:
            continue
        draws += [("normal", own["kernel_eps"]), ("sign", own["sign_input"]),
                  ("sign", own["sign_output"])]  # fmt: skip
        draws += [("normal", own["bias_eps"])] if "bias_eps" in own else []
    fed = Fed(draws)

    def normal(shape, *args, **kwargs):
        return tf.constant(fed.next("normal", shape))

    def rademacher(shape, *args, **kwargs):
        return tf.constant(fed.next("sign", shape))

    h = x
    with taken_over(normal, rademacher):
        for layer, own in zip(layers, vector.network.layers, strict=True):
            shape = getattr(own, "input_shape", None) or (own.inputs,)
            h = tf.reshape(layer(tf.reshape(h, (-1, *shape))), (-1, own.outputs))
    fed.finish()
    kls = [tf.add_n(layer.losses) if layer.losses else tf.zeros((), h.dtype) for layer in layers]
    fit = nll(vector.meta["likelihood"], h, vector.y, vector.sample_weight)
    return fit + vector.kl_weight * tf.add_n(kls), h, fit, kls


def answer(vector: Vector) -> dict[str, NDArray[Any]]:
    """Return every result of a vector's step; see `Framework`."""
    layers, named = _network(vector)
    x = tf.constant(vector.x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total, outputs, fit, kls = _loss(vector, layers, x)
    gradients = tape.gradient(total, {"x": x, **named})
    results = named_results(outputs, fit, tf.add_n(kls), kls, total, gradients)
    return {name: np.asarray(value) for name, value in results.items()}


def train(vectors: Sequence[Vector], learning_rate: float) -> dict[str, NDArray[Any]]:
    """Return the parameters after a step of Keras' Adam per vector; see `Framework`."""
    layers, named = _network(vectors[0])
    optimizer = tf_keras.optimizers.Adam(learning_rate)
    for vector in vectors:
        with tf.GradientTape() as tape:
            total = _loss(vector, layers, tf.constant(vector.x))[0]
        gradients = tape.gradient(total, list(named.values()))
        optimizer.apply_gradients(zip(gradients, named.values(), strict=True))
    return {name: variable.numpy() for name, variable in named.items()}


def random_layer(
    kernel_mu: NDArray[Any], kernel_sigma: NDArray[Any]
) -> Callable[[ArrayLike], NDArray[Any]]:
    """Return a function from inputs to pre-activations: TFP's own layer, its own draws."""
    description = {"type": "DenseFlipout", "units": kernel_mu.shape[1], "activation": "linear",
                   "scale_shift": 0.0, "kernel_prior": {"loc": 0.0, "scale": 1.0},
                   "bias": "none", "bias_prior": None}  # fmt: skip
    layer = make_layer(description, len(kernel_mu), "float64")
    named = variables(layer)
    named["kernel_mu"].assign(kernel_mu)
    named["kernel_rho"].assign(kernel_sigma + np.log(-np.expm1(-kernel_sigma)))
    run = tf.function(lambda rows: layer(rows), reduce_retracing=True)  # 10 times as fast
    return lambda x: run(tf.constant(x, tf.float64)).numpy()


def framework(name: str) -> Framework:
    """Return the `Framework` "tfp"."""

    def source():
        return f"tensorflow-probability {tfp.__version__}, tensorflow {tf.__version__}"

    return Framework(name, source, refusal, answer, train, Adam(convention="keras"),
                     random_layer=random_layer)  # fmt: skip
