"""Answers at a kink of an activation: undecided there, and nothing else is hidden by it."""

import numpy as np
import pytest
from mistaken import ACTIVATIONS as ACTIVATION_TABLE
from mistaken import results

from bnn_ref.layers import DenseFlipout
from bnn_ref.likelihoods import Categorical
from bnn_ref.network import Network
from bnn_ref.noise import draw_noise
from bnn_ref.verification.vectors import make_question
from bnn_ref.verification.vectors.checking import check_vector
from bnn_ref.verification.vectors.comparison import LIMITS, error_of, truth
from bnn_ref.verification.vectors.parts import Part, fit_parts


def kink_question(dtype, near):
    """Return a question whose first row has a pre-activation of exactly 0 or nearly so."""
    network = Network([DenseFlipout(2, 3, "relu", bias="none"),
                       DenseFlipout(3, 2, bias="none")], Categorical())  # fmt: skip
    parameters = network.init(3, dtype)
    parameters.layers[0].kernel_mu[:, 0] = (1, 1 + near)
    noise = draw_noise(network, 4, 3, dtype=dtype)
    noise.layers[0].kernel_eps[:, 0] = 0
    x = np.random.default_rng(0).normal(size=(4, 2))
    x[0] = (1, -1)
    return make_question(network, parameters, x, np.array([0, 1, 1, 0]), noise, 0.1)


@pytest.mark.parametrize(
    ("dtype", "near"), [("float64", 0), ("float64", -2.3e-16), ("float32", -1.2e-7)]
)
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_a_unit_at_its_kink_is_undecided_and_hides_nothing_else(
    monkeypatch, dtype, near, slope, volume
):
    """Quickly the other faults at one kink beside 0 and one slope of three."""
    question = kink_question(dtype, near)
    function = ACTIVATION_TABLE["relu"][0]
    eps = 10 * np.finfo(dtype).eps
    sloped = function, lambda a: np.where(np.abs(a) < eps, slope, a > 0)
    monkeypatch.setitem(ACTIVATION_TABLE, "relu", sloped)
    found = results(question)
    check = check_vector(question.answer(found, "another side"))
    decided = truth(question)["grad.x"]
    same = error_of(decided, found["grad.x"]) <= LIMITS[dtype]
    assert check.code == 0, check.text()
    assert check.explanations == ()
    assert [unit[:22] for unit in check.comparison.undecided] == (
        [] if same else ["layer 0, row 0, unit 0"]
    )
    if not volume(near == 0 or slope == 0.5, True):
        return
    found["grad.layers.0.kernel_rho"] = found["grad.layers.0.kernel_rho"] * 1.03
    assert check_vector(question.answer(found, "a fault")).comparison.first.name == (
        "grad.layers.0.kernel_rho"
    )
    if near == 0:
        mistake = question.answer(results(question, nll="sum"), "a mistake")
        assert [one.keys for one in check_vector(mistake).explanations] == [("nll-summed",)]


def test_a_unit_far_from_its_kink_is_never_undecided(monkeypatch):
    question = kink_question("float64", 1e-9)
    function = ACTIVATION_TABLE["relu"][0]
    monkeypatch.setitem(ACTIVATION_TABLE, "relu", (function, lambda a: (a > -1e-8).astype(float)))
    check = check_vector(question.answer(results(question), "the wrong side"))
    assert not check.agrees
    assert check.comparison.undecided == ()


def test_what_is_not_finite_is_never_fitted(capfd):
    question = kink_question("float64", 0)
    found = results(question)
    found["grad.layers.0.kernel_mu"] = np.full_like(found["grad.layers.0.kernel_mu"], np.nan)
    assert not check_vector(question.answer(found, "a NaN")).agrees
    part = Part("a part", 1.0, np.array([np.inf, 1.0, 2.0]))
    assert fit_parts([part], np.ones(3), 1e-10) is None
    assert capfd.readouterr() == ("", "")  # LAPACK prints past Python
