"""The step written in JAX and differentiated by JAX."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ...step.adam import Adam
from . import Framework, FrameworkMissing

ACTIVATIONS = {
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


def _kl(mu, sigma, prior):
    m, s = prior["loc"], prior["scale"]
    return jnp.sum(jnp.log(s / sigma) + (sigma**2 + (mu - m) ** 2) / (2 * s**2) - 0.5)


def _nll(likelihood, z, y):
    if likelihood["type"] == "categorical":
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1))
    if likelihood["type"] == "bernoulli":
        return jnp.mean(jnp.sum(jax.nn.softplus(z) - y * z, axis=-1))
    s = likelihood["scale"]
    each = ((y - z) / s) ** 2 / 2 + math.log(s) + math.log(2 * math.pi) / 2
    return jnp.mean(jnp.sum(each, axis=-1))


def loss(free, fixed, meta):
    """Return the loss, and (outputs, nll, kl of each layer) beside it.

    Parameters
    ----------
    free : dict of str to array
        x and the parameters, by their names in a vector file: what is differentiated.
    fixed : dict of str to array
        y and the noise.
    meta : dict
    """
    h, kls = free["x"], []
    for k, layer in enumerate(meta["layers"]):
        p = {name[len(f"layers.{k}.") :]: value for name, value in {**free, **fixed}.items()
             if name.startswith(f"layers.{k}.")}  # fmt: skip
        sigma = layer["scale_shift"] + jax.nn.softplus(p["kernel_rho"])
        a = h @ p["kernel_mu"]
        a += ((h * p["sign_input"]) @ (sigma * p["kernel_eps"])) * p["sign_output"]
        kl = _kl(p["kernel_mu"], sigma, layer["kernel_prior"])
        if layer["bias"] != "none":
            a += p["bias_mu"]
        if layer["bias"].startswith("normal"):
            sigma = layer["scale_shift"] + jax.nn.softplus(p["bias_rho"])
            flips = p["sign_output"] if layer["bias"] == "normal_flipped" else 1
            a += sigma * p["bias_eps"] * flips
            kl += _kl(p["bias_mu"], sigma, layer["bias_prior"])
        h = ACTIVATIONS[layer["activation"]](a)
        kls.append(kl)
    nll = _nll(meta["likelihood"], h, fixed["y"])
    return nll + meta["kl_weight"] * sum(kls), (h, nll, kls)


def _split(vector):
    """Return (free, fixed) as JAX arrays."""
    free, fixed = {}, {}
    for name, value in vector.arrays.items():
        place = free if name == "x" or name.endswith(("_mu", "_rho")) else fixed
        if name == "y" and vector.meta["likelihood"]["type"] == "bernoulli":
            value = np.asarray(value, vector.dtype)
        place[name] = jnp.asarray(value)
    return free, fixed


def answer(vector):
    """Return every result of a vector's step; see `Framework`."""
    with _x64():
        free, fixed = _split(vector)
        step = jax.jit(jax.value_and_grad(partial(loss, meta=vector.meta), has_aux=True))
        (total, (outputs, nll, kls)), gradients = step(free, fixed)
        results = {"outputs": outputs, "nll": nll, "kl": sum(kls), "loss": total}
        results |= {f"layers.{k}.kl": kl for k, kl in enumerate(kls)}
        results |= {f"grad.{name}": value for name, value in gradients.items()}
        return {name: np.asarray(value) for name, value in results.items()}


def train(vectors, learning_rate):
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
        gradient = jax.jit(jax.grad(partial(loss, meta=vectors[0].meta), has_aux=True))
        for vector in vectors:
            free, fixed = _split(vector)
            gradients = gradient({**free, **parameters}, fixed)[0]
            gradients.pop("x")
            updates, state = optimizer.update(gradients, state)
            parameters = optax.apply_updates(parameters, updates)
        return {name: np.asarray(value) for name, value in parameters.items()}


def framework(name):
    """Return the `Framework` "jax"."""
    return Framework(name, lambda: f"jax {jax.__version__}", lambda meta: None, answer, train,
                     Adam(convention="paper"))  # fmt: skip
