"""Quantiles, intervals and kept draws of a prediction; what a likelihood has not is refused."""

import numpy as np
import pytest
from scipy.stats import norm

from bnn_ref import (
    Bernoulli,
    Categorical,
    DenseFlipout,
    Network,
    Normal,
    PredictedNormal,
    PredictionWarning,
    predict,
    reference,
)
from bnn_ref.prediction import mixture_quantile

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
QUICK = {"backend": "numpy", "draws": 7}


def made(likelihood, outputs=2):
    network = Network([DenseFlipout(4, 5, "tanh"), DenseFlipout(5, outputs)], likelihood)
    parameters = network.init(3, "float64")
    for k in range(2):
        parameters[f"layers.{k}.kernel_rho"][...] = -0.5
    return network, parameters


def test_one_normal_has_the_normals_quantiles():
    means, scale = RNG.normal(size=(1, 6)), np.full(6, 0.3)
    for level in (0.001, 0.05, 0.5, 0.97):
        np.testing.assert_allclose(
            mixture_quantile(means, scale, level), norm.ppf(level, means[0], scale), rtol=1e-12
        )


def test_a_mixtures_quantile_is_where_its_distribution_is():
    """F(q) = level, F by SciPy; two far Normals: half of the mass is below any point between."""
    means, scale = RNG.normal(size=(9, 5, 2)), np.array([0.1, 2.0])
    for level in (0.02, 0.4, 0.9):
        q = mixture_quantile(means, scale, level)
        np.testing.assert_allclose(norm.cdf(q, means, scale).mean(axis=0), level, rtol=1e-9)
    two = mixture_quantile(np.array([[-10.0], [10.0]]), 1.0, 0.25)
    assert two == pytest.approx([-10.0], abs=1e-9)
    np.testing.assert_array_equal(
        mixture_quantile(np.arange(5.0)[:, None], 0.0, 0.25), [1.0]
    )  # points


def test_draws_are_those_of_the_back_end_in_any_blocks():
    network, parameters = made(Normal(0.5))
    found = predict(network, parameters, X, return_draws=True, rows_at_once=128, **QUICK)
    assert found.samples.shape == (7, 300, 2)
    for draw in (0, 6):
        z = reference.draw_outputs(network, parameters, X, 0, draw, kind="weights")
        np.testing.assert_allclose(found.samples[draw], z, rtol=1e-12)
    np.testing.assert_allclose(found.samples.mean(axis=0), found.mean, rtol=1e-12)
    assert predict(network, parameters, X, **QUICK).samples is None
    network, parameters = made(Categorical())
    found = predict(network, parameters, X, return_draws=True, **QUICK)
    np.testing.assert_allclose(found.samples.sum(axis=-1), 1, rtol=1e-12)
    np.testing.assert_allclose(found.samples.mean(axis=0), found.probabilities, rtol=1e-12)


def test_a_drawn_function_is_one_function():
    """The same weights at every place: a row's draw does not change with the rows around it."""
    network, parameters = made(Normal(0.5))
    whole = predict(network, parameters, X, return_draws=True, **QUICK).samples
    part = predict(network, parameters, X[40:43], return_draws=True, **QUICK).samples
    np.testing.assert_array_equal(part, whole[:, 40:43])


def test_intervals_and_their_coverage():
    """Case 79: of targets drawn from the mixture itself 90 % lie inside, within 5 sigma."""
    network, parameters = made(Normal(0.5))
    draws = predict(network, parameters, X, return_draws=True, **QUICK).samples
    chosen = RNG.integers(0, 7, 300)
    y = draws[chosen, np.arange(300)] + RNG.normal(0, 0.5, (300, 2))
    found = predict(network, parameters, X, y, return_draws=True, **QUICK)
    low, high = found.interval(0.9)
    assert low.shape == (300, 2)
    np.testing.assert_array_equal(low, found.quantile(0.5 * (1 - 0.9)))
    assert found.coverage(0.9) == np.mean((low <= y) & (y <= high))
    assert abs(found.coverage(0.9) - 0.9) < 5 * np.sqrt(0.09 / 600)
    assert found.coverage(0.9, "epistemic") < 0.8  # says nothing of the noise
    narrow = found.interval(0.9, "epistemic")
    np.testing.assert_allclose(narrow[0], np.quantile(draws, 0.05, axis=0), rtol=1e-9)


def test_a_predicted_scale_is_each_draws_own_in_a_quantile():
    """A row's mixture has the scale of every draw, not the root of their mean variance."""
    network, parameters = made(PredictedNormal())
    found = predict(network, parameters, X, return_draws=True, rows_at_once=128, **QUICK)
    z = np.stack([reference.draw_outputs(network, parameters, X, 0, k) for k in range(7)])
    mean, scale = PredictedNormal().normals(z)
    np.testing.assert_allclose(found.sample_scales, scale, rtol=1e-12)
    q = found.quantile(0.95)
    np.testing.assert_allclose(norm.cdf(q, mean, scale).mean(axis=0), 0.95, rtol=1e-9)
    shared = mixture_quantile(found.samples, np.sqrt(found.aleatoric), 0.95)
    assert np.max(np.abs(q - shared)) > 0.01
    draws = (np.quantile(found.samples, level, axis=0) for level in (0.05, 0.95))
    np.testing.assert_allclose(found.interval(0.9, "epistemic"), list(draws), rtol=1e-9)
    network, parameters = made(Normal(0.5))
    assert predict(network, parameters, X, return_draws=True, **QUICK).sample_scales is None


def test_what_a_likelihood_has_not_is_refused_by_both_names():
    network, parameters = made(Normal(0.5))
    numbers = predict(network, parameters, X, X[:, :2], **QUICK)
    network, parameters = made(Categorical())
    classes = predict(network, parameters, X, np.zeros(300, int), return_draws=True, **QUICK)
    for read, message in (
        (lambda: numbers.classes, "prediction.classes: expected .* probabilities, found Normal"),
        (lambda: numbers.accuracy, "prediction.accuracy: expected .*, found Normal"),
        (lambda: numbers.calibration_error, "calibration_error: expected .*, found Normal"),
        (lambda: classes.rmse, r"prediction.rmse: expected .* \(Normal\), found Categorical"),
        (lambda: classes.interval(), "prediction.quantile: expected .*, found Categorical"),
        (lambda: numbers.interval(), r"samples: expected the draws \(return_draws=True\)"),
        (lambda: numbers.interval(90), "coverage: expected a number above 0 and below 1, found 90"),
        (lambda: numbers.quantile(0.5, "both"), "kind: expected one of predictive, epistemic"),
    ):
        with pytest.raises(ValueError, match=message):
            read()


def test_case_85_classes_of_bernoulli_outputs_without_targets():
    network, parameters = made(Bernoulli(), 3)
    found = predict(network, parameters, X, **QUICK)
    np.testing.assert_array_equal(found.classes, (found.probabilities > 0.5).astype(int))
    assert found.classes.shape == (300, 3)
    one, parameters = made(Bernoulli(), 1)
    assert set(predict(one, parameters, X, **QUICK).classes.ravel()) == {0, 1}


def test_case_72_one_draw_is_one_network():
    network, parameters = made(Categorical())
    with pytest.warns(PredictionWarning, match="draws=1: this is one network drawn from the "
                      "posterior.*kind='mean'"):  # fmt: skip
        predict(network, parameters, X, draws=1, backend="numpy")
    predict(network, parameters, X, draws=1, kind="mean", backend="numpy")


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e39])
def test_case_33_a_value_that_is_not_finite_is_named_by_row_and_column(value):
    network, _ = made(Categorical())
    x = X.copy()
    x[200, 3] = value
    with pytest.raises(ValueError, match=r"x: expected .*finite.* in row 200, column 3"):
        predict(network, network.init(0, "float32"), x, rows_at_once=128, **QUICK)


def test_too_many_draws_to_keep_are_refused(monkeypatch):
    from bnn_ref.prediction import predicting

    monkeypatch.setattr(predicting, "MOST_SAMPLES", 7 * 300 * 2 - 1)
    for likelihood in (Categorical(), PredictedNormal()):  # the second keeps scales beside means
        network, parameters = made(likelihood)
        with pytest.raises(ValueError, match="return_draws: expected at most .* 7 draws of 300"):
            predict(network, parameters, X, return_draws=True, **QUICK)
