"""Oracles: mpmath at 60 digits, worked numbers of the cases, complex step."""

import mpmath
import numpy as np
import pytest
from tolerances import CASE_FLOAT32_ULP, COMPLEX_STEP, KL_ULP, ulps

from bnn_ref import priors
from bnn_ref.elementary import sigmoid
from bnn_ref.priors import NormalPrior
from bnn_ref.reference import sigma

STANDARD = NormalPrior(0.0, 1.0)


def exact_kl(mu, sig, prior):
    mu, sig, m, s = (mpmath.mpf(float(v)) for v in (mu, sig, prior.loc, prior.scale))
    return mpmath.log(s / sig) + (sig**2 + (mu - m) ** 2) / (2 * s**2) - mpmath.mpf("0.5")


def exact_gradient(mu, sig, prior):
    mu, sig, m, s = (mpmath.mpf(float(v)) for v in (mu, sig, prior.loc, prior.scale))
    return (mu - m) / s**2, sig / s**2 - 1 / sig


def sigmas(scale):
    """Standard deviations over the whole range, and ever closer to the prior's scale."""
    near = np.concatenate([np.geomspace(1e-16, 0.9, 150), -np.geomspace(1e-16, 0.9, 150)])
    wide = np.geomspace(1e-150, 1e150, 301)
    return np.concatenate([scale * (1 + near), scale + np.array([0, 1e-12, -1e-12]), scale * wide])


@pytest.mark.parametrize("prior", [STANDARD, NormalPrior(0.25, 2.0), NormalPrior(-1.0, 0.3)])
@pytest.mark.parametrize("offset", [0.0, 1e-13, 0.7, -1e3])
def test_kl_and_derivatives_are_within_8_ulp_everywhere(prior, offset):
    """Also where sigma is within 1e-12 of the prior's scale, where other forms lose 7e-5."""
    with mpmath.workdps(400):
        sig = sigmas(prior.scale)
        mu = np.full_like(sig, prior.loc + offset)
        exact = [exact_kl(m, s, prior) for m, s in zip(mu, sig, strict=True)]
        assert ulps(prior.kl(mu, sig), exact, "float64") <= KL_ULP
        exact = [exact_gradient(m, s, prior) for m, s in zip(mu, sig, strict=True)]
        by_mu, by_sigma = prior.kl_gradient(mu, sig)
        assert ulps(by_mu, [e[0] for e in exact], "float64") <= KL_ULP
        assert ulps(by_sigma, [e[1] for e in exact], "float64") <= KL_ULP


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_points_are_within_8_ulp_too(dtype, volume):
    """About the prior's scale, where both forms of the KL meet, and over mu/s and sigma/s."""
    rng, count = np.random.default_rng(16), volume(300, 5000)
    loc, scale = (float(np.dtype(dtype).type(v)) for v in (0.1, 0.3))
    prior, away = NormalPrior(loc, scale), 10 ** rng.uniform(-8, 6, 2 * count)
    ratios = np.concatenate([10 ** rng.uniform(-12, 6, count), rng.uniform(0.2, 5, count)])
    away[count:] *= rng.random(count) < 0.3  # elsewhere the mean hides the rest
    mu, sig = (loc + scale * away).astype(dtype), (scale * ratios).astype(dtype)
    with mpmath.workdps(60):
        exact = [exact_kl(*one, prior) for one in zip(mu, sig, strict=True)]
        slopes = [exact_gradient(*one, prior) for one in zip(mu, sig, strict=True)]
        assert ulps(prior.kl(mu, sig), exact, dtype) <= KL_ULP
        for found, wanted in zip(
            prior.kl_gradient(mu, sig), zip(*slopes, strict=True), strict=True
        ):
            assert ulps(found, wanted, dtype) <= KL_ULP


def test_as_functions_of_rho_within_8_ulp_away_from_the_priors_scale():
    rho = np.concatenate([np.linspace(-300, 0, 601), np.linspace(1.2, 300, 300)])
    sig = sigma(0.0, rho)
    rho, sig = rho[np.abs(sig - 1) > 0.4], sig[np.abs(sig - 1) > 0.4]
    found = STANDARD.kl(np.zeros_like(sig), sig)
    slope = STANDARD.kl_gradient(np.zeros_like(sig), sig)[1] * sigmoid(rho)
    with mpmath.workdps(60):
        exact, exact_slope = [], []
        for r in rho:
            r = mpmath.mpf(float(r))
            s = mpmath.log1p(mpmath.exp(r))
            exact.append(-mpmath.log(s) + s**2 / 2 - mpmath.mpf("0.5"))
            exact_slope.append((s - 1 / s) / (1 + mpmath.exp(-r)))
        assert ulps(found, exact, "float64") <= KL_ULP
        assert ulps(slope, exact_slope, "float64") <= KL_ULP


def test_case_6_zero_at_the_prior_and_never_negative_beside_it():
    for dtype in ("float32", "float64"):
        one, zero = np.ones(1, dtype), np.zeros(1, dtype)
        assert STANDARD.kl(zero, one)[0] == 0
        assert STANDARD.kl_gradient(zero, one) == (0, 0)
    rng = np.random.default_rng(6)
    for prior in (STANDARD, NormalPrior(0.3, 0.7)):
        sig = (prior.scale + rng.uniform(-1e-3, 1e-3, 100_000)).astype(np.float32)
        mu = (prior.loc + rng.uniform(-1e-3, 1e-3, 100_000)).astype(np.float32)
        assert np.all(prior.kl(mu, sig) >= 0)  # NaN would fail too


def test_case_7_extreme_rho_without_a_warning():
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        for rho, dtype, wanted, places in (
            (-200, "float32", 15.4424, 4),
            (-200, "float64", 35.5437, 4),
            (1000, "float64", 499992.5922447, 7),
        ):
            shift = float(np.finfo(dtype).eps)
            sig = sigma(shift, np.array([rho], dtype))
            found = STANDARD.kl(np.zeros(1, dtype), sig)
            assert found.dtype == dtype
            assert round(float(found[0]), places) == wanted
        assert sig[0] == 1000
        rho = np.array([100], np.float32)
        sig = sigma(float(np.finfo(np.float32).eps), rho)
        assert STANDARD.kl(np.zeros(1, "f4"), sig)[0] == pytest.approx(4994.895, abs=1e-3)
        slope = STANDARD.kl_gradient(np.zeros(1, "f4"), sig)[1] * sigmoid(rho)
        assert slope[0] == pytest.approx(99.99, abs=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_case_9_the_scale_is_a_standard_deviation(dtype):
    mu, sig, prior = np.array([0.5], dtype), np.array([0.1], dtype), NormalPrior(0.25, 2)
    found = prior.kl(mu, sig)[0], *(g[0] for g in prior.kl_gradient(mu, sig))
    for value, wanted in zip(found, (2.5047948, 0.0625, -9.975), strict=True):
        unit = np.spacing(np.dtype(dtype).type(wanted))
        limit = 6e-8 if dtype == "float64" else CASE_FLOAT32_ULP * abs(unit) + 6e-8
        assert abs(float(value) - wanted) <= limit
    assert exact_kl(0.5, 0.1, NormalPrior(0.25, np.sqrt(2))) == pytest.approx(2.1672837, abs=5e-8)


def test_derivatives_against_the_complex_step():
    rng = np.random.default_rng(1)
    mu, sig = rng.normal(size=300), np.exp(rng.normal(size=300))
    by_mu, by_sigma = NormalPrior(0.2, 0.9).kl_gradient(mu, sig)
    prior = NormalPrior(0.2, 0.9)
    step_mu = prior.kl(mu + 1e-30j, sig + 0j).imag / 1e-30
    step_sigma = prior.kl(mu + 0j, sig + 1e-30j).imag / 1e-30
    assert np.max(np.abs(by_mu - step_mu)) <= COMPLEX_STEP * np.max(np.abs(step_mu))
    assert np.max(np.abs(by_sigma - step_sigma)) <= COMPLEX_STEP * np.max(np.abs(step_sigma))


def test_the_parts_add_up_to_the_kl():
    rng = np.random.default_rng(2)
    mu, sig, prior = rng.normal(size=1000), np.exp(rng.normal(size=1000)), NormalPrior(0.1, 1.5)
    parts = prior.kl_parts(mu, sig)
    assert sum(parts) == pytest.approx(np.sum(prior.kl(mu, sig)), rel=1e-13)
    assert parts.constant == -500
    assert parts.squared_mean == pytest.approx(np.sum((mu - 0.1) ** 2) / 4.5, rel=1e-13)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ((0, 0), "kernel_prior.scale: expected a finite standard deviation above 0, found 0.0"),
        ((0, -1), "kernel_prior.scale"),
        ((np.nan, 1), "kernel_prior.loc: expected a finite number, found nan"),
        ((0, np.inf), "kernel_prior.scale"),
        ((1,), "kernel_prior: expected a pair"),
        ("N(0,1)", "kernel_prior: expected a pair"),
        ({"loc": 0, "variance": 1}, "kernel_prior: expected a pair"),
    ],
)
def test_a_prior_that_is_none_is_refused(bad, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        priors.make_prior(bad)
