"""Scores and calibration against worked numbers, uncertainty-toolbox, scikit-learn and draws."""

import numpy as np
import pytest

from bnn_ref.prediction import (
    calibration_bins,
    calibration_error,
    classwise_calibration_error,
    coverage,
    crps,
    crps_mixture,
    interval_score,
    pinball,
    rms_calibration_error,
)

RNG = np.random.default_rng(2)
N = 211
MEAN, SCALE = RNG.normal(size=N), RNG.uniform(0.3, 2, N)
Y = MEAN + 1.3 * SCALE * RNG.normal(size=N)


def test_worked_numbers():
    """N(0, 1) at 0: 2 phi(0) - 1/sqrt(pi) = .2336949773; outside by 1 at 90 %: width + 20."""
    assert crps(0.0, 0.0, 1.0) == pytest.approx(0.2336949773, abs=1e-10)
    assert interval_score([3.0], [0.0], [2.0], 0.9) == pytest.approx(2 + 20 * 1)
    assert pinball([1.0, -1.0], [0.0, 0.0], 0.9) == pytest.approx((0.9 + 0.1) / 2)
    assert coverage([0, 1, 2, 3], [0, 0, 0, 0], [2, 2, 2, 2]) == 0.75
    p = np.array([[0.9, 0.1], [0.6, 0.4]])
    assert classwise_calibration_error(p, [0, 1]) == pytest.approx((0.1 + 0.6) / 2)


def test_a_mixture_of_one_is_the_normal_and_of_many_is_what_draws_say():
    assert crps_mixture(Y, MEAN[None], SCALE) == pytest.approx(crps(Y, MEAN, SCALE), rel=1e-12)
    means = np.array([-1.0, 0.5, 3.0])
    draws = RNG.choice(means, 400_000) + 0.7 * RNG.normal(size=400_000)
    half = len(draws) // 2
    exact = crps_mixture(np.array([0.2]), means[:, None], 0.7)
    sampled = np.mean(np.abs(draws - 0.2)) - 0.5 * np.mean(np.abs(draws[:half] - draws[half:]))
    assert abs(exact - sampled) < 5 * 2 / np.sqrt(half)


def test_the_crps_of_a_mixture_of_different_scales():
    """CRPS = integral of (F(q) - [q >= y])^2 (Gneiting and Raftery 2007), by a fine sum."""
    from scipy.stats import norm

    means, scales, y = np.array([-1.0, 0.5, 3.0]), np.array([0.1, 1.0, 0.4]), 0.2
    q = np.linspace(-12, 12, 480_001)
    below = norm.cdf(q[:, None], means, scales).mean(axis=1)
    wanted = np.sum((below - (q >= y)) ** 2) * (q[1] - q[0])
    found = crps_mixture(np.array([y]), means[:, None], scales[:, None])
    assert found == pytest.approx(wanted, abs=1e-4)


def test_uncertainty_toolboxs_numbers():
    pytest.importorskip("uncertainty_toolbox", reason="uncertainty-toolbox is not installed")
    from scipy.stats import norm
    from uncertainty_toolbox import metrics_calibration, metrics_scoring_rule

    theirs = metrics_scoring_rule.crps_gaussian(MEAN, SCALE, Y)
    assert crps(Y, MEAN, SCALE) == pytest.approx(theirs, rel=1e-12)
    theirs = metrics_calibration.root_mean_squared_calibration_error(MEAN, SCALE, Y)
    assert rms_calibration_error(Y, MEAN, SCALE) == pytest.approx(theirs, rel=1e-9)
    levels = np.linspace(0.01, 0.99, 99)
    ours = np.mean([pinball(Y, norm.ppf(q, MEAN, SCALE), q) for q in levels])
    assert ours == pytest.approx(metrics_scoring_rule.check_score(MEAN, SCALE, Y), rel=1e-12)
    ours = np.mean([
        interval_score(Y, *norm.ppf([[0.5 - p / 2], [0.5 + p / 2]], MEAN, SCALE), p)
        for p in levels
    ])  # fmt: skip
    assert ours == pytest.approx(metrics_scoring_rule.interval_score(MEAN, SCALE, Y), rel=1e-12)
    low, high = norm.ppf([[0.05], [0.95]], MEAN, SCALE)
    theirs = metrics_calibration.get_proportion_in_interval(MEAN, SCALE, Y, 0.9)
    assert coverage(Y, low, high) == theirs


def test_scikit_learns_numbers():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    from sklearn.calibration import calibration_curve

    for level in (0.1, 0.5, 0.9):
        theirs = metrics.mean_pinball_loss(Y, MEAN, alpha=level)
        assert pinball(Y, MEAN, level) == pytest.approx(theirs, rel=1e-12)
    p = RNG.dirichlet(np.ones(3), 400)
    y = np.array([RNG.choice(3, p=row) for row in p])
    errors = []
    for k in range(3):
        share, mean = calibration_curve(y == k, p[:, k], n_bins=10)
        count = np.histogram(p[:, k], np.linspace(0, 1, 11))[0]
        errors.append(np.sum(count[count > 0] * np.abs(share - mean)) / 400)
    assert classwise_calibration_error(p, y) == pytest.approx(np.mean(errors), rel=1e-12)


def test_case_93_an_edge_falls_into_the_bin_that_it_opens():
    for bins in (*range(1, 60), 100, 1000):
        for k in range(bins):
            count, *_ = calibration_bins([k / bins], [True], bins)
            assert np.flatnonzero(count).tolist() == [k], (k, bins)
        assert calibration_bins([1.0], [True], bins)[0][-1] == 1
    assert calibration_error([0.95, 1.0], [True, False]) == pytest.approx(0.475)


def test_what_does_not_fit_is_refused():
    for call, message in (
        (lambda: crps(Y, MEAN[:3], SCALE), r"mean: expected shape \(211,\), found \(3,\)"),
        (lambda: crps([], [], []), "targets: expected at least one row"),
        (lambda: crps_mixture(Y, MEAN, SCALE), "means: expected shape"),
        (lambda: pinball(Y, MEAN, 1.5), "level: expected a number above 0 and below 1"),
        (lambda: calibration_bins([0.5], [True], 0), "bins: expected a whole number, at least 1"),
        (lambda: classwise_calibration_error(np.ones((3, 2)) / 2, [0]), "targets: expected shape"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
