"""Weights and the learned scale: exact statements, complex step, both back ends, JAX live.

scikit-learn expects a row of weight k to train as k copies do. Under Flipout copies draw signs of
their own, so single steps differ and what holds is the nll (a sum over rows) and the expectation
of the gradient over the signs, which is computed here over every pattern there is.
"""

import itertools

import numpy as np
import pytest
from tolerances import COMPLEX_STEP, FLOAT32_STEP, SAME_FLOAT64, relative

import bnn_ref
from bnn_ref import Bernoulli, Categorical, DenseFlipout, Network, Normal, Parameters
from bnn_ref.backends import get_backend

LIKELIHOODS = {
    "categorical": (Categorical(), 3),
    "bernoulli": (Bernoulli(), 2),
    "normal": (Normal(0.7), 2),
    "learned": (Normal(0.7, learn_scale=True), 2),
}


@pytest.fixture(params=["numpy", "numba"])
def backend(request):
    if request.param == "numba":
        pytest.importorskip("numba", reason="numba is not installed")
    return get_backend(request.param)


def problem(name, rows=5, dtype="float64"):
    """Return network, parameters, x, y, noise and weights, among them 0 and 3."""
    likelihood, outputs = LIKELIHOODS[name]
    network = Network(
        [DenseFlipout(3, 4, "tanh", bias="normal"), DenseFlipout(4, outputs)], likelihood
    )
    parameters = network.init(11, dtype)
    parameters.flat[...] += np.random.default_rng(3).normal(0, 0.3, parameters.flat.shape)
    generator = np.random.default_rng(7)
    x = generator.normal(size=(rows, 3)).astype(dtype)
    y = {
        "categorical": generator.integers(0, outputs, rows),
        "bernoulli": generator.integers(0, 2, (rows, outputs)),
    }.get(name, generator.normal(size=(rows, outputs)))
    noise = bnn_ref.draw_noise(network, rows, 5, dtype=dtype)
    weight = np.array([0.0, 3.0, 0.25, 1.0, 2.5])[:rows]
    return network, parameters, x, y, noise, weight


def part_of(noise, rows):
    """Return the noise of some rows of a batch."""
    return bnn_ref.Noise(
        tuple(
            one._replace(sign_input=one.sign_input[rows], sign_output=one.sign_output[rows])
            for one in noise.layers
        )
    )


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_nll_is_the_weighted_sum_over_the_rows(name, backend):
    network, parameters, x, y, noise, weight = problem(name)
    found = backend.loss_and_gradients(network, parameters, x, y, noise, 0.1, sample_weight=weight)
    single = [
        backend.loss_and_gradients(network, parameters, x[[n]], y[[n]], part_of(noise, [n]), 0.1)
        for n in range(5)
    ]
    exact = sum(w * one.nll for w, one in zip(weight, single, strict=True)) / 5
    assert abs(found.nll - exact) < SAME_FLOAT64 * abs(exact)
    grad_x = [w * one.grad_x[0] / 5 for w, one in zip(weight, single, strict=True)]
    assert relative(found.grad_x, np.array(grad_x)) < 10 * SAME_FLOAT64
    ones = backend.loss_and_gradients(
        network, parameters, x, y, noise, 0.1, sample_weight=np.ones(5)
    )
    without = backend.loss_and_gradients(network, parameters, x, y, noise, 0.1)
    np.testing.assert_array_equal(ones.gradients.flat, without.gradients.flat)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_weight_zero_has_no_gradient(name, backend):
    """B nll and B times the nll's gradient are those without the row, whose signs stay its own."""
    network, parameters, x, y, noise, weight = problem(name)
    whole = backend.loss_and_gradients(network, parameters, x, y, noise, 0.0, sample_weight=weight)
    kept = np.arange(1, 5)
    part = backend.loss_and_gradients(
        network, parameters, x[kept], y[kept], part_of(noise, kept), 0.0,
        sample_weight=weight[kept],
    )  # fmt: skip
    assert abs(5 * whole.nll - 4 * part.nll) < SAME_FLOAT64 * abs(5 * whole.nll)
    assert relative(5 * whole.gradients.flat, 4 * part.gradients.flat) < 10 * SAME_FLOAT64
    assert not np.any(whole.grad_x[0])


@pytest.mark.parametrize("name", ["categorical", "bernoulli", "learned"])
def test_weight_k_has_the_expected_gradient_of_k_copies(name, backend):
    """Exactly: the mean over all sign patterns, for a row of weight 2 and for two copies of it."""
    likelihood, outputs = LIKELIHOODS[name]
    network = Network([DenseFlipout(1, outputs)], likelihood)
    parameters = network.init(2, "float64")
    parameters["layers.0.kernel_rho"][...] = 0.3
    eps = np.linspace(-1, 0.8, outputs)[None]
    x = np.array([[1.3]])
    y = np.array([1]) if name == "categorical" else np.array([[1.0, 0.0]])

    def expectation(rows, weight):
        patterns = list(itertools.product([-1.0, 1.0], repeat=rows * (1 + outputs)))
        nll, gradient = 0.0, 0.0
        for pattern in patterns:
            signs = np.array(pattern).reshape(rows, 1 + outputs)
            layer = bnn_ref.LayerNoise(
                eps, np.ascontiguousarray(signs[:, :1]), np.ascontiguousarray(signs[:, 1:])
            )
            found = backend.loss_and_gradients(
                network, parameters, np.repeat(x, rows, 0), np.repeat(y, rows, 0),
                bnn_ref.Noise((layer,)), 0.0, sample_weight=weight,
            )  # fmt: skip
            nll = nll + rows * found.nll / len(patterns)
            gradient = gradient + rows * found.gradients.flat / len(patterns)
        return nll, gradient

    weighted, copies = expectation(1, np.array([2.0])), expectation(2, None)
    assert abs(weighted[0] - copies[0]) < 10 * SAME_FLOAT64 * abs(copies[0])
    assert relative(weighted[1], copies[1]) < 10 * SAME_FLOAT64


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_weighted_gradients_against_the_complex_step(name, backend):
    """d loss / d p = Im loss(p + i h) / h: exact to rounding for h = 1e-30, nothing cancels."""
    network, parameters, x, y, noise, weight = problem(name)
    found = backend.loss_and_gradients(network, parameters, x, y, noise, 0.2, sample_weight=weight)
    exact = parameters.zeros_like()
    for place in range(parameters.flat.size):
        stepped = Parameters(network, parameters.flat.astype(np.complex128), parameters.scale_shift)
        stepped.flat[place] += 1e-30j
        loss = bnn_ref.loss_and_gradients(
            network, stepped, x, y, noise, 0.2, sample_weight=weight
        ).loss
        exact.flat[place] = loss.imag / 1e-30
    for tensor, gradient in found.gradients.items():
        assert relative(gradient, exact[tensor]) < COMPLEX_STEP, tensor


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_back_ends_train_the_learned_scale_alike(dtype):
    pytest.importorskip("numba", reason="numba is not installed")
    results = []
    for name in ("numpy", "numba"):
        network, parameters, x, y, noise, weight = problem("learned", dtype=dtype)
        results.append(
            get_backend(name).loss_and_gradients(
                network, parameters, x, y, noise, 0.2, sample_weight=weight
            )
        )
    limit = {"float32": 10 * FLOAT32_STEP, "float64": COMPLEX_STEP}[dtype]
    for tensor, gradient in results[0].gradients.items():
        assert relative(results[1].gradients[tensor], gradient) < limit, tensor
    assert abs(results[0].nll - results[1].nll) < limit * abs(results[0].nll)


def test_the_learned_scale_finds_the_residuals_standard_deviation(backend):
    """With the outputs fixed at 0 the best scale is sqrt(sum_n w_n y_n^2 / sum_n w_n)."""
    network = Network([DenseFlipout(1, 2, bias="none")], Normal(1.0, learn_scale=True))
    generator = np.random.default_rng(0)
    y = generator.normal(0, [0.3, 2.0], (400, 2))
    weight = generator.uniform(0, 2, 400)
    weight /= weight.mean()
    trainer = bnn_ref.Trainer(
        network, 400, 0.05, backend=backend, dtype="float64", kl_weight=0.0, threads=1
    )
    for _ in range(800):
        trainer.step(np.zeros((400, 1)), y, weight)
    scale = np.log1p(np.exp(trainer.parameters.scale_rho))
    np.testing.assert_allclose(scale, np.sqrt(weight @ y**2 / weight.sum()), rtol=1e-3)


def test_weights_and_learned_scale_against_jax(backend, request):
    """The same loss written down in JAX, differentiated by it, with the same noise."""
    jax = pytest.importorskip("jax", reason="jax is not installed")
    before = jax.config.jax_enable_x64
    request.addfinalizer(lambda: jax.config.update("jax_enable_x64", before))
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    network, parameters, x, y, noise, weight = problem("learned")
    found = backend.loss_and_gradients(network, parameters, x, y, noise, 0.2, sample_weight=weight)

    def loss(p):
        h, kl = x, 0.0
        for k, (layer, n) in enumerate(zip(network.layers, noise.layers, strict=True)):
            name = f"layers.{k}."
            shift = parameters.scale_shift[k]
            sigma = shift + jax.nn.softplus(p[name + "kernel_rho"])
            a = h @ p[name + "kernel_mu"] + p[name + "bias_mu"]
            a += ((h * n.sign_input) @ (sigma * n.kernel_eps)) * n.sign_output
            kl += jnp.sum((p[name + "kernel_mu"] ** 2 + sigma**2 - 1) / 2 - jnp.log(sigma))
            if layer.bias_is_random:
                sigma = shift + jax.nn.softplus(p[name + "bias_rho"])
                a += sigma * n.bias_eps
                kl += jnp.sum((p[name + "bias_mu"] ** 2 + sigma**2 - 1) / 2 - jnp.log(sigma))
            h = jnp.tanh(a) if layer.activation == "tanh" else a
        scale = jax.nn.softplus(p["likelihood.scale_rho"])
        rows = -jnp.sum(jax.scipy.stats.norm.logpdf(y, h, scale), axis=1)
        return jnp.sum(weight * rows) / len(x) + 0.2 * kl

    value, gradients = jax.jit(jax.value_and_grad(loss))(dict(parameters))
    assert abs(found.loss - float(value)) < COMPLEX_STEP * abs(float(value))
    for tensor, gradient in gradients.items():
        assert relative(found.gradients[tensor], np.asarray(gradient)) < COMPLEX_STEP, tensor
