"""Oracles: worked numbers of the cases, scipy's distributions, the complex step."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from tolerances import COMPLEX_STEP, PRINTED, relative

from bnn_ref import Bernoulli, Categorical, Normal
from bnn_ref.elementary import softplus
from bnn_ref.likelihoods import likelihood_from_json

RNG = np.random.default_rng(3)
Z = RNG.normal(size=(9, 4)) * 3
LABELS = RNG.integers(0, 4, 9)
BITS = RNG.integers(0, 2, (9, 4))
TARGETS = RNG.normal(size=(9, 4))
SCALE_RHO = RNG.normal(size=4)
ALL = [
    (Categorical(), LABELS, {}),
    (Bernoulli(), BITS, {}),
    (Normal(0.7), TARGETS, {}),
    (Normal(1.0, learn_scale=True), TARGETS, {"scale_rho": SCALE_RHO}),
]


def test_values_against_scipy():
    wanted = -scipy.special.log_softmax(Z, axis=1)[np.arange(9), LABELS]
    np.testing.assert_allclose(Categorical().nll_rows(Z, LABELS), wanted, rtol=1e-13, atol=2e-15)
    wanted = -scipy.stats.bernoulli.logpmf(BITS, 1 / (1 + np.exp(-Z))).sum(1)
    np.testing.assert_allclose(Bernoulli().nll_rows(Z, BITS), wanted, rtol=1e-12)
    wanted = -scipy.stats.norm.logpdf(TARGETS, Z, 0.7).sum(1)
    np.testing.assert_allclose(Normal(0.7).nll_rows(Z, TARGETS), wanted, rtol=1e-13)
    wanted = -scipy.stats.norm.logpdf(TARGETS, Z, softplus(SCALE_RHO)).sum(1)
    found = Normal(learn_scale=True).nll_rows(Z, TARGETS, {"scale_rho": SCALE_RHO})
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


@pytest.mark.parametrize(("likelihood", "y", "own"), ALL)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_against_the_complex_step(likelihood, y, own, weighted):
    weight = RNG.uniform(0, 2, 9) if weighted else None
    nll, grad_z, grad_own = likelihood.nll_and_gradient(Z, y, weight, own)
    rows = likelihood.nll_rows(Z, y, own)
    assert nll == pytest.approx(np.mean(rows if weight is None else weight * rows), rel=1e-14)
    step = np.empty_like(Z)
    for place in np.ndindex(Z.shape):
        z = Z + 0j
        z[place] += 1e-30j
        step[place] = likelihood.nll_and_gradient(z, y, weight, own)[0].imag / 1e-30
    assert relative(grad_z, step) <= COMPLEX_STEP
    assert set(grad_own) == set(own)
    for name, values in own.items():
        step = np.empty_like(values)
        for place in range(4):
            moved = {name: values + 0j}
            moved[name][place] += 1e-30j
            step[place] = likelihood.nll_and_gradient(Z, y, weight, moved)[0].imag / 1e-30
        assert relative(grad_own[name], step) <= COMPLEX_STEP


def test_case_11_normal_residuals_0_and_2():
    found = Normal(1.0).nll_rows(np.array([[1.0], [3.0]]), np.array([[1.0], [1.0]]))
    np.testing.assert_allclose(found, [0.9189385, 2.9189385], atol=PRINTED)


def test_case_18_logits_by_hand_and_labels_of_any_whole_dtype():
    z = np.array([[2.0, 0.0], [0.0, 2.0]])
    for dtype in ("int64", "uint8", "int8", "float64"):
        y = Categorical().check_targets(np.array([0, 1], dtype), (2,), 2)
        assert Categorical().nll_and_gradient(z, y)[0] == pytest.approx(0.1269280, abs=PRINTED)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([0, 10, 1], "y: expected class ids, whole numbers from 0 to 9, found 10 in row 1"),
        ([-1, 0, 1], "found -1 in row 0"),
        ([0.0, 1.0, 3.5], "found 3.5 in row 2"),
        ([0.0, np.nan, 1.0], "found nan in row 1"),
        (np.eye(10)[:3], r"y: expected shape \(3,\) \(class ids, not one-hot rows or a column\)"),
        ([[0], [1], [2]], r"y: expected shape \(3,\).*found \(3, 1\)"),
        ([0, 1], r"y: expected shape \(3,\)"),
    ],
)
def test_case_18_labels_that_are_none(bad, message):
    with pytest.raises(ValueError, match=message):
        Categorical().check_targets(bad, (3,), 10)


def test_targets_of_the_other_likelihoods_are_checked_too():
    with pytest.raises(ValueError, match="y: expected 0 or 1, found 0.5 in row 1, column 0"):
        Bernoulli().check_targets([[0, 1], [0.5, 1]], (2,), 2)
    with pytest.raises(ValueError, match="y: expected finite numbers, found inf in row 0"):
        Normal().check_targets([[np.inf], [0]], (2,), 1)
    with pytest.raises(ValueError, match=r"y: expected shape \(2, 1\), found \(2,\)"):
        Normal().check_targets([1, 0], (2,), 1)
    with pytest.raises(TypeError, match="y: expected numbers, found dtype <U1"):
        Categorical().check_targets(["a", "b"], (2,), 2)


def test_case_25_extreme_logits_without_a_warning():
    with np.errstate(all="raise", under="ignore"):
        for dtype in ("float32", "float64"):
            z = np.array([[1000, 0, -1000]], dtype)
            nll, grad, _ = Categorical().nll_and_gradient(z, np.array([2]))
            assert nll == 2000
            np.testing.assert_array_equal(grad, np.array([[1, 0, -1]], dtype))
            assert grad.dtype == dtype
            nll, grad, _ = Bernoulli().nll_and_gradient(z, np.array([[1.0, 1.0, 0.0]]))
            assert nll == pytest.approx(np.log(2), rel=1e-7)


@pytest.mark.parametrize(("likelihood", "y", "own"), ALL)
def test_json_round_trip(likelihood, y, own):
    assert likelihood_from_json(likelihood.to_json()) == likelihood


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "poisson"},
        {"type": "categorical", "scale": 1},
        {"scale": 1},
        "normal",
        {"type": "normal", "scale": 0},
        {"type": "normal", "scale": "1e"},
        {"type": "normal", "scale": 1, "variance": 2},
    ],
)
def test_a_description_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match="likelihood"):
        likelihood_from_json(bad)
