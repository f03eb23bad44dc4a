"""E0, on a model whose evidence and posterior are known: a linear network with Normal noise."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from bnn_ref import DenseFlipout, Network, Normal, fit, kl

NOISE = 0.7


def linear(rows=12, inputs=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, inputs))
    y = x @ np.array([1.0, -2.0, 0.5])[:inputs] + NOISE * rng.normal(size=rows)
    layer = DenseFlipout(inputs, 1, bias="none", kernel_prior=(0.0, 1.5))
    return Network([layer], Normal(NOISE)), x, y


def exact(x, y):
    """Return (log evidence, posterior mean, posterior covariance) of weights N(0, 1.5^2)."""
    evidence = multivariate_normal.logpdf(y, cov=NOISE**2 * np.eye(len(x)) + 1.5**2 * x @ x.T)
    covariance = np.linalg.inv(x.T @ x / NOISE**2 + np.eye(x.shape[1]) / 1.5**2)
    return evidence, covariance @ x.T @ y / NOISE**2, covariance


def elbo(network, parameters, x, y):
    """Return E_q[log p(y | w)] - KL(q || p): the first is a square, its expectation known."""
    mu, sigma = mu_and_sigma(parameters)
    mean, variance = x @ mu, x**2 @ sigma**2
    log_p = -0.5 * ((y - mean) ** 2 + variance) / NOISE**2 - np.log(NOISE * np.sqrt(2 * np.pi))
    return log_p.sum() - kl(network, parameters).sum()


def mu_and_sigma(parameters):
    p = parameters.layers[0]
    return p.kernel_mu[:, 0], p.scale_shift + np.log1p(np.exp(p.kernel_rho[:, 0]))


def gap(parameters, mean, covariance):
    """Return KL(q || posterior) of two Normals, q's covariance diagonal."""
    mu, sigma = mu_and_sigma(parameters)
    inverse = np.linalg.inv(covariance)
    return 0.5 * (
        np.trace(inverse * sigma**2)
        + (mean - mu) @ inverse @ (mean - mu)
        - len(mu)
        + np.linalg.slogdet(covariance)[1]
        - np.sum(np.log(sigma**2))
    )


@pytest.mark.parametrize("seed", range(5))
def test_evidence_is_elbo_plus_gap_where_all_three_are_known(seed):
    network, x, y = linear(seed=seed)
    evidence, mean, covariance = exact(x, y)
    parameters = network.init(seed, "float64")
    found = elbo(network, parameters, x, y) + gap(parameters, mean, covariance)
    assert found == pytest.approx(evidence, rel=1e-12)
    assert elbo(network, parameters, x, y) < evidence


def test_training_goes_to_the_best_mean_field_posterior():
    """At its optimum q has the posterior's mean and the inverse diagonal of its precision."""
    network, x, y = linear(rows=40)
    _, mean, covariance = exact(x, y)
    rate = lambda step: 0.03 / (1 + step / 80)  # noqa: E731 (said where it is used)
    run = fit(network, (x, y[:, None]), steps=1200, learning_rate=rate, dtype="float64",
              draws_per_step=4)  # fmt: skip
    mu, sigma = mu_and_sigma(run.parameters)
    wanted = 1 / np.sqrt(np.diag(np.linalg.inv(covariance)))
    np.testing.assert_allclose(mu, mean, atol=0.02)
    np.testing.assert_allclose(sigma, wanted, rtol=0.05)
