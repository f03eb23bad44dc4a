"""Oracle: JAX differentiates the whole loss, written from the definitions, without us."""

import numpy as np
import pytest
from tolerances import relative

from bnn_ref import (
    DenseFlipout,
    Network,
    NormalPrior,
    PredictedNormal,
    draw_noise,
    loss_and_gradients,
)
from bnn_ref.priors import LaplacePrior, LearnedNormalPrior, MixturePrior

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))
LIMIT = 1e-11  # a dozen operations each way, in float64


def normal_kl(mu, sigma, loc, scale):
    z = ((mu - loc) ** 2 + sigma**2) / (2 * scale**2)
    return jnp.sum(z - jnp.log(sigma / scale) - 0.5)


def laplace_kl(mu, sigma, loc, b):
    d = mu - loc
    outer = sigma * jnp.sqrt(2 / jnp.pi) * jnp.exp(-(d**2) / (2 * sigma**2))
    away = outer + d * jax.scipy.special.erf(d / sigma / jnp.sqrt(2.0))
    return jnp.sum(away / b + jnp.log(2 * b) - jnp.log(sigma) - 0.5 * jnp.log(2 * jnp.pi * jnp.e))


def mixture_kl(mu, sigma, eps, prior):
    w = mu + sigma * eps
    log_q = jax.scipy.stats.norm.logpdf(w, mu, sigma)
    parts = [jnp.log(a) + jax.scipy.stats.norm.logpdf(w, m, s)
             for a, m, s in zip(prior.weights, prior.locs, prior.scales, strict=True)]  # fmt: skip
    return jnp.sum(log_q - jax.scipy.special.logsumexp(jnp.stack(parts), axis=0))


MIXTURE = MixturePrior((1.0, 0.1), (0.3, 0.7), (0.1, -0.2))
ARRAY = NormalPrior(RNG.normal(size=(3, 4)), np.exp(RNG.normal(size=(3, 1))))
KLS = {
    "laplace": (LaplacePrior(0.1, 0.6), lambda mu, s, eps, own: laplace_kl(mu, s, 0.1, 0.6)),
    "mixture": (MIXTURE, lambda mu, s, eps, own: mixture_kl(mu, s, eps, MIXTURE)),
    "array": (ARRAY, lambda mu, s, eps, own: normal_kl(mu, s, ARRAY.loc, ARRAY.scale)),
    "learned": (
        LearnedNormalPrior(0.2, 0.5, ("loc", "scale")),
        lambda mu, s, eps, own: normal_kl(mu, s, own["loc"], jax.nn.softplus(own["rho"])),
    ),
}


@pytest.mark.parametrize("name", KLS)
def test_the_whole_loss_by_jax(name):
    prior, kl_of = KLS[name]
    layers = [DenseFlipout(3, 4, "tanh", prior), DenseFlipout(4, 4, bias="none")]
    network = Network(layers, PredictedNormal(0.01))
    p, noise = network.init(3, "float64"), draw_noise(network, 6, 4, dtype="float64")

    def loss(p):
        h, kl = jnp.asarray(X), 0.0
        for k, n in enumerate(noise.layers):
            own = {one: p.get(f"layers.{k}.kernel_prior_{one}") for one in ("loc", "rho")}
            mu, sigma = p[f"layers.{k}.kernel_mu"], jax.nn.softplus(p[f"layers.{k}.kernel_rho"])
            sigma = sigma + np.finfo(np.float64).eps
            h = h @ mu + ((h * n.sign_input) @ (sigma * n.kernel_eps)) * n.sign_output
            h = jnp.tanh(h + p["layers.0.bias_mu"]) if k == 0 else h
            kl += normal_kl(mu, sigma, 0.0, 1.0) if k else kl_of(mu, sigma, n.kernel_eps, own)
        scale = 0.01 + jax.nn.softplus(h[:, 2:])
        nll = -jnp.mean(jnp.sum(jax.scipy.stats.norm.logpdf(Y, h[:, :2], scale), axis=1))
        return nll + 0.2 * kl

    with jax.enable_x64(True):
        value, gradients = jax.jit(jax.value_and_grad(loss))(
            {n: jnp.asarray(a) for n, a in p.items()}
        )
    found = loss_and_gradients(network, p, X, Y, noise, 0.2)
    assert found.loss == pytest.approx(float(value), rel=LIMIT)
    for tensor in p:
        assert relative(found.gradients[tensor], np.asarray(gradients[tensor])) < LIMIT, tensor
