"""The step written in JAX and differentiated by JAX."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from ...step.adam import Adam
from ..vectors.naming import below, named_results
from . import CannotAnswer, Framework, FrameworkMissing, jax_layers

if TYPE_CHECKING:
    from ..vectors.files import Vector

ACTIVATIONS: dict[str, Any] = {
    "linear": lambda a: a,
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "elu": jax.nn.elu,
    "gelu": lambda a: jax.nn.gelu(a, approximate=False),
}


def _x64():
    """Return the context in which float64 stays float64."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64  # before JAX 0.8

    return enable_x64()


def _log_normal(y, m, s):
    return -(((y - m) / s) ** 2) / 2 - jnp.log(s) - math.log(2 * math.pi) / 2


def _kl_normal(prior, own, mu, sigma, eps):
    m = own.get("loc", jnp.asarray(prior["loc"], mu.dtype))
    s = jax.nn.softplus(own["rho"]) if "rho" in own else jnp.asarray(prior["scale"], mu.dtype)
    return jnp.sum(jnp.log(s / sigma) + (sigma**2 + (mu - m) ** 2) / (2 * s**2) - 0.5)


def _kl_laplace(prior, own, mu, sigma, eps):
    b, off = prior["scale"], mu - prior["loc"]
    z = off / sigma
    away = sigma * math.sqrt(2 / math.pi) * jnp.exp(-(z**2) / 2)
    away += off * jax.scipy.special.erf(z / math.sqrt(2))
    return jnp.sum(away / b + math.log(2 * b) - jnp.log(sigma) - math.log(2 * math.pi * math.e) / 2)


def _minus_log_mixture(prior, w):
    parts = [math.log(share) + _log_normal(w, m, s) for share, m, s in
             zip(prior["weights"], prior["locs"], prior["scales"], strict=True)]  # fmt: skip
    return -jax.nn.logsumexp(jnp.stack(parts), axis=0)


def _kl_mixture(prior, own, mu, sigma, eps):
    log_q = -(eps**2) / 2 - jnp.log(sigma) - math.log(2 * math.pi) / 2
    return jnp.sum(log_q + _minus_log_mixture(prior, mu + sigma * eps))


def _kl_scaled(prior, own, mu, sigma, eps):
    """Return another prior's KL times a factor."""
    inner = prior["prior"]
    return prior["factor"] * KLS[inner.get("type", "normal")](inner, own, mu, sigma, eps)


KLS: dict[str, Any] = {
    "normal": _kl_normal,
    "learned_normal": _kl_normal,
    "laplace": _kl_laplace,
    "mixture": _kl_mixture,
    "scaled": _kl_scaled,
    "none": lambda prior, own, mu, sigma, eps: 0.0,
}


def _penalty(prior, mu):
    """Return -log p(mu) of a point estimate, summed."""
    kind = prior.get("type", "normal")
    if kind == "scaled":
        return prior["factor"] * _penalty(prior["prior"], mu)
    if kind == "mixture":
        return jnp.sum(_minus_log_mixture(prior, mu))
    m, s = (jnp.asarray(prior[name], mu.dtype) for name in ("loc", "scale"))
    if kind == "laplace":
        return jnp.sum(jnp.abs(mu - m) / s + jnp.log(2 * s))
    return -jnp.sum(_log_normal(mu, m, s))


def layer_kl(layer: Mapping[str, Any], p: Any) -> Any:
    """Return a layer's KL, its tensors' summed."""
    total = 0.0
    for part in ("kernel", "bias"):
        prior, mu = layer.get(f"{part}_prior"), p.get(f"{part}_mu")
        if prior is None:
            continue
        if f"{part}_rho" not in p:
            total += _penalty(prior, mu)
            continue
        sigma = layer["scale_shift"] + jax.nn.softplus(p[f"{part}_rho"])
        own = {name: p[f"{part}_prior_{name}"] for name in ("loc", "rho")
               if f"{part}_prior_{name}" in p}  # fmt: skip
        total += KLS[prior.get("type", "normal")](prior, own, mu, sigma, p.get(f"{part}_eps"))
    return total


def _dense_flipout(layer, p, h):
    """Return the pre-activations of a dense Flipout layer."""
    sigma = layer["scale_shift"] + jax.nn.softplus(p["kernel_rho"])
    a = h @ p["kernel_mu"]
    if layer["bias"] != "none":
        a += p["bias_mu"]
    if "output_eps" in p:
        variance = h**2 @ sigma**2
        if "bias_rho" in p:
            variance += (layer["scale_shift"] + jax.nn.softplus(p["bias_rho"])) ** 2
        seen = variance > 0  # a row of zeros has no noise; sqrt's derivative there is infinite
        deviation = jnp.where(seen, jnp.sqrt(jnp.where(seen, variance, 1.0)), 0.0)
        return a + deviation * p["output_eps"]
    a += ((h * p["sign_input"]) @ (sigma * p["kernel_eps"])) * p["sign_output"]
    if layer["bias"].startswith("normal"):
        sigma = layer["scale_shift"] + jax.nn.softplus(p["bias_rho"])
        a += sigma * p["bias_eps"] * (p["sign_output"] if layer["bias"] == "normal_flipped" else 1)
    return a


LAYERS: dict[str, Any] = {
    "DenseFlipout": _dense_flipout,
    **jax_layers.LAYERS,
}  # type to pre-activations


def _nll(likelihood, own, z, y, weights):
    """Return (sum_n w_n nll_n / B, what is differentiated in its place)."""
    kind = likelihood["type"]
    if kind == "categorical":
        each = -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1)
    elif kind == "bernoulli":
        each = jax.nn.softplus(z) - y * z
    elif kind == "predicted_normal":
        mean, rho = jnp.split(z, 2, axis=-1)
        s = likelihood["floor"] + jax.nn.softplus(rho)
        each = -_log_normal(y, mean, s)
        factor = jax.lax.stop_gradient(s ** (2 * likelihood["beta"]))
        return _reduced(each, weights), _reduced(factor * each, weights)
    else:
        s = likelihood["scale"]
        s = jax.nn.softplus(own["scale_rho"]) if "scale_rho" in own else jnp.asarray(s, z.dtype)
        each = -_log_normal(y, z, s)
    nll = _reduced(each, weights)
    return nll, nll


def _reduced(each, weights):
    rows = jnp.sum(each, axis=-1)
    return jnp.mean(rows if weights is None else weights * rows)


def loss(
    free: Mapping[str, Any], fixed: Mapping[str, Any], meta: Mapping[str, Any]
) -> tuple[Any, tuple[Any, Any, list[Any], list[Any]]]:
    """Return the loss that is differentiated; (outputs, nll, KLs, pre-activations) beside it.

    Parameters
    ----------
    free : dict of str to array
        x and the parameters, by their names in a vector file: what is differentiated.
    fixed : dict of str to array
        y, the noise and, where there are any, sample weights.
    meta : dict
        A prior's arrays in their places.
    """
    h, kls, before = free["x"], [], []
    for k, layer in enumerate(meta["layers"]):
        p = below({**free, **fixed}, f"layers.{k}.")
        before.append(LAYERS[layer["type"]](layer, p, h))
        h = ACTIVATIONS[layer.get("activation", "linear")](before[-1])
        kls.append(layer_kl(layer, p))
    own, weights = below(free, "likelihood."), fixed.get("sample_weight")
    nll, differentiated = _nll(meta["likelihood"], own, h, fixed["y"], weights)
    return differentiated + meta["kl_weight"] * sum(kls), (h, nll, kls, before)


def _split(vector):
    """Return (free, fixed) as arrays of one dtype, which JAX takes over as they are."""
    free, fixed = {}, {}
    for name, value in vector.arrays.items():
        free_one = name == "x" or name.endswith(("_mu", "_rho", "_prior_loc"))
        if name == "y" and vector.meta["likelihood"]["type"] == "bernoulli":
            value = np.asarray(value, vector.dtype)
        (free if free_one else fixed)[name] = value
    return free, fixed


def refusal(meta: Mapping[str, Any]) -> str | None:
    """Return why a network is not written here, or None."""
    for k, layer in enumerate(meta["layers"]):
        kinds = [(layer[part] or {}).get("type", "normal") for part in layer
                 if part.endswith("_prior")]  # fmt: skip
        for key, found, known in (
            ("type", [layer["type"]], LAYERS),
            ("activation", [layer.get("activation", "linear")], ACTIVATIONS),
            ("prior", kinds, KLS),
        ):
            unknown = [name for name in found if name not in known]
            if unknown:
                return f"layers[{k}].{key}: expected one of {', '.join(known)}, found {unknown[0]}"
    return None


def answer(vector: Vector) -> dict[str, NDArray[Any]]:
    """Return every result of a vector's step; see `Framework`."""
    reason = refusal(vector.meta)
    if reason:
        raise CannotAnswer(f"jax: {reason}")
    with _x64():
        free, fixed = _split(vector)
        step = jax.jit(jax.value_and_grad(partial(loss, meta=vector.whole_meta), has_aux=True))
        (_, (outputs, nll, kls, before)), gradients = step(free, fixed)
        total = nll + vector.kl_weight * sum(kls)
        activated = [a if vector.version == 2 and "activation" in layer else None
                     for a, layer in zip(before, vector.meta["layers"], strict=True)]  # fmt: skip
        results = named_results(outputs, nll, sum(kls), kls, total, gradients, activated)
        return {name: np.asarray(value) for name, value in results.items()}


def train(vectors: Sequence[Vector], learning_rate: float) -> dict[str, NDArray[Any]]:
    """Return the parameters after a step of `optax.adam` per vector; see `Framework`."""
    try:
        import optax
    except ImportError:
        raise FrameworkMissing("jax: optax is not installed") from None
    with _x64():
        free, _ = _split(vectors[0])
        parameters = {name: value for name, value in free.items() if name != "x"}
        optimizer = optax.adam(learning_rate)
        state = optimizer.init(parameters)
        gradient = jax.grad(partial(loss, meta=vectors[0].whole_meta), has_aux=True)

        @jax.jit  # the whole step: what Adam computes would be compiled a line at a time
        def step(parameters, state, free, fixed):
            gradients = gradient({**free, **parameters}, fixed)[0]
            gradients.pop("x")
            updates, state = optimizer.update(gradients, state)
            return optax.apply_updates(parameters, updates), state

        for vector in vectors:
            parameters, state = step(parameters, state, *_split(vector))
        return {name: np.asarray(value) for name, value in parameters.items()}


def framework(name: str) -> Framework:
    """Return the `Framework` "jax"."""
    return Framework(name, lambda: f"jax {jax.__version__}", refusal, answer, train,
                     Adam(convention="paper"))  # fmt: skip
