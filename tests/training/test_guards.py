"""The library's own guards, cases 36, 71, 73, 74, 75, 86: what warns, in which words, what not."""

import warnings

import numpy as np
import pytest

from bnn_ref import (
    Bernoulli,
    Categorical,
    DenseFlipout,
    Network,
    Normal,
    ObjectiveWarning,
    Residual,
    Trainer,
    fit,
)
from bnn_ref.training import prior_line

NETWORK = Network([DenseFlipout(64, 8, "relu"), DenseFlipout(8, 10)], Categorical())
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 4)), RNG.integers(0, 2, 40)
QUICK = {"backend": "numpy", "dtype": "float64"}


@pytest.mark.parametrize(
    ("kl_weight", "message"),
    [
        (1 / 128, "is 1/128, as 1/batch size would be: the prior counts 11 times; 1/N = 1/1437"),
        (1.0, "kl_weight 1: the prior counts 1,437 times; 1/N = 1/1437 = 0.000696 was probably"),
        (1 / 1437 + 1, "the prior counts 1,438 times"),
        (2 / 1437, "the prior counts 2 times"),
        (1.06e-5, r"the temperature is 0.0152 \(kl_weight times N\), a cold posterior"),
    ],
)
def test_case_71_a_weight_far_from_one_over_n(kl_weight, message):
    with pytest.warns(ObjectiveWarning, match=message):
        Trainer(NETWORK, 1437, kl_weight=kl_weight, **QUICK)


def test_case_71_silent_weights():
    for kl_weight in (1 / 1437, 0.1 / 1437, 0.5 / 1437, 0, None, lambda step: 1.0):
        Trainer(NETWORK, 1437, kl_weight=kl_weight, **QUICK)


def test_the_warning_is_easy_to_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ObjectiveWarning)
        Trainer(NETWORK, 1437, kl_weight=1.0, **QUICK)


@pytest.mark.parametrize(
    ("activation", "likelihood", "y", "message"),
    [
        ("relu", Normal(), X[:, :1], r"layers\[0\] ends in relu, whose values are from 0 to inf: "
                                     r"Normal needs the targets' mean, and \d+ of 40 targets"),
        ("tanh", Normal(), 2 + np.abs(X[:, :1]), "40 of 40 targets cannot be reached"),
        ("relu", Categorical(), Y, "Categorical takes logits, which may be any number"),
        ("sigmoid", Bernoulli(), X[:, :1] > 0, "from 0 to 1: Bernoulli takes logits"),
    ],
)  # fmt: skip
def test_case_73_a_last_activation_that_the_likelihood_cannot_use(
    activation, likelihood, y, message
):
    outputs = 2 if y.ndim == 1 else 1
    layer = DenseFlipout(4, outputs, activation)
    for last in (layer, Residual([layer], add=False)):
        with pytest.warns(ObjectiveWarning, match=message):
            fit(Network([last], likelihood), (X, y), steps=1, **QUICK)


def test_case_73_reachable_targets_are_silent():
    network = Network([DenseFlipout(4, 1, "relu")], Normal())
    fit(network, (X, np.abs(X[:, :1])), steps=1, **QUICK)


def test_case_74_sigma_that_drowns_the_mean():
    """sigma = .95 + softplus(-3) = .999 beside means of deviation .1: about ten times."""
    wide = Network([DenseFlipout(784, 128, scale_shift=0.95)])
    with pytest.warns(ObjectiveWarning, match=r"layers\[0\]: initial sigma 0.999 drowns the means: "
                      r"a unit's noise has \d+(\.\d+)? times .* from sigma 0\.[01]"):  # fmt: skip
        Trainer(wide, 60000, **QUICK)


def test_case_75_a_posterior_that_is_its_prior():
    network = Network([DenseFlipout(4, 3)], Categorical())
    parameters = network.init(0, "float64")
    parameters["layers.0.kernel_mu"][...] = 0
    parameters["layers.0.kernel_rho"][...] = np.log(np.expm1(0.999))
    assert "median sigma / prior scale 0.999" in prior_line(parameters, kl=1e-4)
    assert prior_line(parameters, kl=1.0) is None
    assert prior_line(network.init(0, "float64"), kl=1e-4) is None


def test_case_36_weights_that_sum_to_one():
    weight = np.full(40, 1 / 40)
    network = Network([DenseFlipout(4, 2)], Categorical())
    with pytest.warns(ObjectiveWarning, match=r"the weights sum to 1, so N = 1 for 40 rows .* 40 "
                      "times .* num_examples=40"):  # fmt: skip
        fit(network, (X, Y), steps=1, sample_weight=weight, **QUICK)
    given = fit(network, (X, Y), steps=3, sample_weight=weight, num_examples=40, **QUICK)
    plain = fit(network, (X, Y), steps=3, **QUICK)
    np.testing.assert_allclose(given.parameters.flat, plain.parameters.flat, rtol=1e-12)


def test_case_86_weights_of_two_are_two_copies():
    """Linear regression of noise 1: the posterior's deviations are 1 / sqrt(sum w x^2 + 1).

    With a factorised posterior over one weight and a fixed bias this is exact.
    """
    x = np.linspace(-1, 1, 20)[:, None]
    y = 0.7 * x + np.random.default_rng(1).normal(size=(20, 1))
    pytest.importorskip("numba", reason="numba is not installed")
    network = Network([DenseFlipout(1, 1, bias="none")], Normal(1.0))
    run = fit(network, (x, y), steps=3000, learning_rate="cosine:0.02",
              sample_weight=np.full(20, 2.0), dtype="float64", threads=1)  # fmt: skip
    assert run.trainer.num_examples == 40
    sigma = np.log1p(np.exp(run.parameters["layers.0.kernel_rho"][0, 0]))
    exact = 1 / np.sqrt(2 * np.sum(x * x) + 1)
    assert abs(sigma / exact - 1) < 0.03
    mean = run.parameters["layers.0.kernel_mu"][0, 0]
    assert abs(mean - 2 * np.sum(x * y) * exact**2) < 0.1 * exact
