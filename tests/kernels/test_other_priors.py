"""The compiled KL of priors other than the plain Normal: mpmath, element by element."""

import mpmath
import needs_numba  # noqa: F401
import numba
import numpy as np
import pytest
from exact_laplace import check, points
from tolerances import KERNEL_ULP, ulps

from bnn_ref.kernels import laplace as laplace_kernels
from bnn_ref.kernels import other_priors
from bnn_ref.kernels.error_function import erf
from bnn_ref.priors import LaplacePrior, MixturePrior


@numba.njit
def many_erf(x, out):
    for i in range(x.size):
        out[i] = erf(x[i])


@numba.njit
def laplace(loc, scale, mu, sigma, slope, kl, kl_mu, kl_rho):
    laplace_kernels.laplace(loc, scale, mu, sigma, slope, kl, kl_mu, kl_rho)


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (0.0, 0.03), (0.1, 0.4)])
def test_laplace_against_mpmath(loc, scale, dtype, volume):
    loc, scale = (float(np.dtype(dtype).type(v)) for v in (loc, scale))
    mu, sigma = points(loc, scale, dtype, volume(30, 2000))
    found = [np.zeros_like(mu) for _ in range(3)]
    laplace(loc, scale, mu, sigma, np.ones_like(mu), *found)
    check(mu, sigma, loc, scale, found)


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
