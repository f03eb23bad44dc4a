"""The variance bench: its own estimator, its closed forms, and the claims at a small size."""

import numpy as np
import pytest

pytest.importorskip("bench", reason="the bench is not in this checkout")

from bench import estimators
from bnn_ref import DenseFlipout, Network, Normal

DRAWS = 1500


@pytest.fixture(scope="module")
def linear():
    rng = np.random.default_rng(5)
    network = Network([DenseFlipout(6, 3, bias="none")], Normal())
    return network, network.init(2, "float64"), rng.random((64, 6)), rng.random((64, 3))


def test_closed_form_of_one_sigma_is_the_printed_one(linear):
    _, _, x, _ = linear
    sigma = np.full((6, 3), 0.2)
    wanted = 3 * 0.2**2 * np.sum(np.sum(x * x, 1) ** 2) / 64**2
    assert estimators.kernel_mu_variance(x, sigma) == pytest.approx(wanted)


@pytest.mark.parametrize("estimator", ["flipout", "local", "independent"])
def test_kernel_mu_variance_is_the_closed_form(estimator, linear):
    network, parameters, x, y = linear
    rows = estimators.gradients(network, parameters, x, y, estimator, DRAWS, 9)["kernel_mu"]
    deviations = estimators.squared_deviations(rows)
    error = np.std(deviations) / np.sqrt(DRAWS)
    kernel_sigma = np.log1p(np.exp(parameters.layers[0].kernel_rho))
    wanted = estimators.kernel_mu_variance(x, kernel_sigma)
    assert abs(deviations.mean() - wanted) < 5 * error  # 6e-7 to fail by chance


def test_shared_draw_is_worse_and_rho_has_a_floor(linear):
    network, parameters, x, y = linear
    many = np.tile(x, (32, 1)), np.tile(y, (32, 1))  # B = 2048: what is left is the floor
    rows = estimators.gradients(network, parameters, *many, "flipout", 400, 9)["kernel_rho"]
    found = estimators.squared_deviations(rows).mean()
    floor = estimators.kernel_rho_floor(x, parameters.layers[0])
    assert floor * 0.8 < found < floor * 1.5
    shared = estimators.gradients(network, parameters, x, y, "shared", 400, 9)["kernel_mu"]
    flipout = estimators.gradients(network, parameters, x, y, "flipout", 400, 9)["kernel_mu"]
    assert np.var(shared, axis=0).sum() > 5 * np.var(flipout, axis=0).sum()


def test_squared_deviations_average_to_the_unbiased_variance():
    rows = np.random.default_rng(0).standard_normal((50, 4))
    wanted = np.var(rows, axis=0, ddof=1).sum()
    assert estimators.squared_deviations(rows).mean() == pytest.approx(wanted)
