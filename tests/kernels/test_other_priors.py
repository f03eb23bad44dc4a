"""The compiled KL of priors other than the plain Normal: mpmath, element by element."""

import mpmath
import needs_numba  # noqa: F401
import numba
import numpy as np
import pytest
from tolerances import KERNEL_ULP, KL_ULP, ulps

from bnn_ref.kernels import other_priors
from bnn_ref.kernels.error_function import erf
from bnn_ref.priors import LaplacePrior, MixturePrior

RATIOS = np.array([0.0, 1e-6, 1e-3, 0.1, 0.7, 0.999, 1.001, 1.5, 3.0, 7.0, 40.0, 1e3, 1e6])
WIDTHS = np.array([1e-12, 1e-6, 1e-3, 0.1, 0.6, 0.79, 0.8, 1.0, 1.3, 5.0, 1e3, 1e6])


@numba.njit
def many_erf(x, out):
    for i in range(x.size):
        out[i] = erf(x[i])


@numba.njit
def laplace(loc, scale, mu, sigma, slope, kl, kl_mu, kl_rho):
    other_priors._laplace(loc, scale, mu, sigma, slope, kl, kl_mu, kl_rho)


@numba.njit
def mixture(constants, locs, scales, w, most, mass, slopes, kl):
    other_priors._densities(constants, locs, scales, w, most, mass, slopes, kl)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_erf_against_mpmath(dtype):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-7, 7, 2000), 10.0 ** rng.uniform(-9, 1, 500), [0, 1, -1, 30]])
    x = x.astype(dtype)
    found = np.empty_like(x)
    many_erf(x, found)
    assert ulps(found, [mpmath.erf(float(v)) for v in x], dtype) <= KERNEL_ULP
    many_erf(np.array([np.nan, np.inf, -np.inf], dtype), found[:3])
    np.testing.assert_array_equal(found[:3], [np.nan, 1, -1])


def exact_laplace(mu, sigma, b):
    """KL and derivatives by mu and sigma, of numbers as they are."""
    with mpmath.workdps(60):
        mu, sigma, b = (mpmath.mpf(float(v)) for v in (mu, sigma, b))
        z = mu / sigma
        outer, inner = mpmath.exp(-z * z / 2), mpmath.erf(z / mpmath.sqrt(2))
        c = b * mpmath.sqrt(mpmath.pi / 2)
        value = (sigma * mpmath.sqrt(2 / mpmath.pi) * outer + mu * inner) / b
        value += mpmath.log(2 * b / sigma) - mpmath.log(2 * mpmath.pi * mpmath.e) / 2
        return +value, +(inner / b), +((sigma / c * outer - 1) / sigma)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("b", [1.0, 0.03])
def test_laplace_against_mpmath(b, dtype):
    """mu/b from 0 to 1e6, sigma/b from 1e-12 to 1e6, and z = mu/sigma on both sides of 1.

    Besides, sigma/b on both sides of every place where the form of the logarithm changes.
    """
    pairs = [(r * b, s * b) for r in RATIOS for s in WIDTHS]
    pairs += [(r * s * b, s * b) for r in RATIOS for s in WIDTHS]
    near = np.concatenate([np.linspace(0.3, 4, 150), 1.7725 + np.linspace(0, 0.05, 30)])
    pairs += [(z * s * b, s * b) for z in (0.0, 3e-4, 0.4, 1.2) for s in near]
    mu, sigma = (np.array(v, dtype) for v in zip(*pairs, strict=True))
    kl, kl_mu, kl_rho = (np.zeros_like(mu) for _ in range(3))
    laplace(0.0, float(dtype == "float32" and np.float32(b)) or b, mu, sigma, np.ones_like(mu),
            kl, kl_mu, kl_rho)  # fmt: skip
    b = np.dtype(dtype).type(b)
    exact = [exact_laplace(*one, b) for one in zip(mu, sigma, strict=True)]
    value, by_mu, by_sigma = zip(*exact, strict=True)
    assert ulps(kl, value, dtype) <= KL_ULP
    assert ulps(kl_mu, by_mu, dtype) <= KL_ULP
    # where its two terms cancel, at sigma = b sqrt(pi / 2) and small z, units are of each term
    pairs = zip(kl_rho, by_sigma, strict=True)
    error = np.array([float(abs(exact - mpmath.mpf(float(found)))) for found, exact in pairs])
    unit = np.finfo(dtype).eps * np.maximum(1 / sigma.astype("f8"), np.abs(kl_rho))
    assert np.max(error / unit) <= KL_ULP


def test_a_mixtures_density_is_its_twins():
    prior = MixturePrior((1.0, 0.002, 3.0), (0.2, 0.3, 0.5), (0.0, 0.1, -1.0))
    w = np.concatenate([np.linspace(-4, 4, 101), [0.1, 50.0, -1e3, 1e5]])
    constants = np.log(prior.weights) - np.log(prior.scales) - 0.5 * np.log(2 * np.pi)
    kl, *spare, slopes = (np.zeros_like(w) for _ in range(4))
    mixture(constants, np.array(prior.locs), np.array(prior.scales), w, *spare, slopes, kl)
    np.testing.assert_allclose(kl, prior.penalty(w), rtol=4e-15)
    np.testing.assert_allclose(slopes, prior.penalty_gradient(w), rtol=2e-14)


def test_laplace_is_its_twins_far_out():
    """Where z overflows: sigma far below |mu - m|."""
    mu, sigma = np.array([1e200, -3.0]), np.array([1e-300, 1e-307])
    kl, kl_mu, kl_rho = (np.zeros(2) for _ in range(3))
    with np.errstate(over="ignore"):
        laplace(0.5, 2.0, mu, sigma, np.ones(2), kl, kl_mu, kl_rho)
    prior = LaplacePrior(0.5, 2.0)
    np.testing.assert_allclose(kl, prior.kl(mu, sigma), rtol=1e-15)
    by_mu, by_sigma = prior.kl_gradient(mu, sigma)
    np.testing.assert_allclose(kl_mu, by_mu, rtol=1e-15)
    np.testing.assert_allclose(kl_rho, by_sigma, rtol=1e-15)
