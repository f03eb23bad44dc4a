"""A step through every piece, and JAX's: batch normalisation in both modes, the masks given."""

import numpy as np
import pytest
from tolerances import COMPLEX_STEP, relative

jax = pytest.importorskip("jax")

from jax_step import x64  # noqa: E402

from bnn_ref import (  # noqa: E402
    BatchNorm,
    Dense,
    Dropout,
    Elementwise,
    LayerNorm,
    Network,
    Normal,
    Residual,
    draw_noise,
    loss_and_gradients,
    reference,
)

NETWORK = Network([
    Dense(4, 6, "leaky_relu(0.2)"), BatchNorm(), Dropout(0.3),
    Residual([LayerNorm(), Dense(6, 6, "selu")]), BatchNorm(frozen=True), Elementwise("silu"),
    Dense(6, 2),
], Normal())  # fmt: skip
X, Y = (np.random.default_rng(0).normal(size=(9, n)) for n in (4, 2))


def theirs(p, x, keep, training):
    """The network's outputs, written in jax.numpy by the layers' definitions."""
    nn, jnp = jax.nn, jax.numpy

    def normal(h, axis, name, epsilon, running):
        mean, variance = jnp.mean(h, axis, keepdims=True), jnp.var(h, axis, keepdims=True)
        if running:
            mean, variance = p[f"{name}.running_mean"], p[f"{name}.running_variance"]
        normalised = (h - mean) / jnp.sqrt(variance + epsilon)
        return normalised * p[f"{name}.scale"] + p[f"{name}.shift"]

    def dense(h, name):
        return h @ p[f"{name}.kernel_mu"] + p[f"{name}.bias_mu"]

    h = nn.leaky_relu(dense(x, "layers.0"), 0.2)
    h = normal(h, 0, "layers.1", 1e-3, running=not training)
    h = h * keep / 0.7 if training else h
    inner = normal(h, 1, "layers.3.layers.0", 1e-5, running=False)
    h = h + nn.selu(dense(inner, "layers.3.layers.1"))
    h = nn.silu(normal(h, 0, "layers.4", 1e-3, running=True))
    return dense(h, "layers.6")


@pytest.fixture(scope="module")
def step():
    """Parameters away from their start, and the noise."""
    rng, p = np.random.default_rng(1), NETWORK.init(0, "float64")
    for name, array in p.items():
        array += rng.normal(0, 0.2, array.shape)
        if name.endswith("running_variance"):
            array[...] = np.abs(array) + 0.1
    return p, draw_noise(NETWORK, 9, 2, dtype="float64")


def test_a_training_step_is_jaxs(step):
    p, noise = step
    result = loss_and_gradients(NETWORK, p, X, Y, noise, 0.0)

    def loss(parameters, x):
        z = theirs(parameters, x, noise.layers[2].keep, training=True)
        return jax.numpy.mean(jax.numpy.sum((Y - z) ** 2, 1)) / 2 + np.log(2 * np.pi)

    with x64():
        value, (by, by_x) = jax.jit(jax.value_and_grad(loss, (0, 1)))(dict(p), X)
        assert result.nll == pytest.approx(float(value), rel=1e-13)
        for name, gradient in result.gradients.items():
            if "running" not in name:
                assert relative(gradient, np.asarray(by[name])) <= COMPLEX_STEP, name
        assert relative(result.grad_x, np.asarray(by_x)) <= COMPLEX_STEP


def test_a_prediction_is_jaxs(step):
    p, _ = step
    found = reference.draw_outputs(NETWORK, p, X, 0, 0, kind="mean")
    with x64():
        exact = np.asarray(jax.jit(lambda p: theirs(p, X, None, training=False))(dict(p)))
    assert relative(found, exact) <= COMPLEX_STEP
