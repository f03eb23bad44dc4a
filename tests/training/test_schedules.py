"""Schedules against their formulas: the rate, the KL's rise, and that a step takes both."""

import math

import numpy as np
import pytest

from bnn_ref import (
    Adam,
    Categorical,
    DenseFlipout,
    Network,
    Normal,
    PredictedNormal,
    Trainer,
    draw_noise,
    fit,
    loss_and_gradients,
)
from bnn_ref.noise import permutation
from bnn_ref.step.adam import update
from bnn_ref.training import Cosine, kl_share
from bnn_ref.training.schedules import parse_rate

NETWORK = Network([DenseFlipout(3, 4, "tanh"), DenseFlipout(4, 2)], Categorical())
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(10, 3)), RNG.integers(0, 2, 10)
SETTINGS = {"backend": "numpy", "dtype": "float64", "seed": 3}


def test_cosine_in_worked_numbers():
    """peak .02, floor .1, a fifth of ten steps to warm up: height .1 + .9 (1 + cos(pi u)) / 2."""
    rate = Cosine(0.02, 0.1, 0.2)
    assert rate.rate(0, 10) == pytest.approx(0.02 / 2)  # half-way up, u = 0
    assert rate.rate(1, 10) == pytest.approx(0.02)
    assert rate.rate(2, 10) == pytest.approx(0.02)
    assert rate.rate(6, 10) == pytest.approx(0.02 * 0.55)  # u = 1/2
    assert rate.rate(8, 10) == pytest.approx(0.02 * (0.1 + 0.45 * (1 - math.sqrt(0.5))))
    assert rate.rate(10, 10) == rate.rate(1000, 10) == pytest.approx(0.002)
    assert Cosine().rate(0, 4) == 0.01
    assert Cosine().rate(0, 0) == pytest.approx(1e-4)


def test_the_kls_rise():
    assert [kl_share(s, 8, 0.5) for s in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert kl_share(0, 8, 0.0) == 1.0


def test_a_rate_as_text_and_back():
    assert parse_rate("0.003") == 0.003
    assert parse_rate("cosine") == Cosine()
    assert parse_rate("cosine:0.02") == Cosine(0.02)
    for cosine in (Cosine(), Cosine(1 / 3, 0.0, 0.1)):
        assert parse_rate(str(cosine)) == cosine


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("linear", "learning_rate: expected a number, 'cosine' or .* found 'linear'"),
        ("cosine:a", "learning_rate: expected a number, 'cosine' or"),
        ("cosine:0", "learning_rate.peak: expected a finite number above 0, found 0.0"),
        ("cosine:1:2", "learning_rate.floor: expected a number from 0 to 1, found 2.0"),
        ("cosine:1:0:1", "learning_rate.warm_up: expected .* not including, 1, found 1.0"),
        (None, "learning_rate: expected a number, 'cosine' or a function of the step"),
        (lambda step: -1.0, r"learning_rate\(0\): expected a finite number, at least 0, found -1"),
        (lambda step: "x", r"learning_rate\(0\): expected a finite number, at least 0, found 'x'"),
    ],
)
def test_rates_that_are_none_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        fit(NETWORK, (X, Y), steps=1, learning_rate=value, **SETTINGS)


def test_a_schedule_without_a_length_is_refused():
    for settings in ({"learning_rate": "cosine"}, {"kl_warm_up": 0.5}):
        with pytest.raises(ValueError, match="steps: expected how many are planned"):
            Trainer(NETWORK, 10, **settings, **SETTINGS)


def test_every_step_takes_the_schedules_rate_and_weight():
    """Replayed by hand: draw, differentiate with the step's KL weight, Adam with its rate."""
    run = fit(NETWORK, (X, Y), steps=4, learning_rate="cosine:0.02:0.1:0.5", kl_warm_up=0.5,
              temperature=0.3, report_every=1, **SETTINGS)  # fmt: skip
    p = NETWORK.init(3, "float64")
    m, v = p.zeros_like(), p.zeros_like()
    cosine, weights = Cosine(0.02, 0.1, 0.5), []
    for step in range(4):
        noise = draw_noise(NETWORK, 10, 3, step=step, dtype="float64")
        order = permutation(10, 3, "shuffle", step=step)
        weights.append(0.3 / 10 * min(1, (step + 1) / 2))
        result = loss_and_gradients(NETWORK, p, X[order], Y[order], noise, weights[-1])
        update(Adam(cosine.rate(step, 4)), step + 1, p.flat, result.gradients.flat, m.flat, v.flat)
    np.testing.assert_array_equal(run.parameters.flat, p.flat)
    assert [one["kl_weight"] for one in run.history.records] == weights


def test_defaults_of_fit():
    """The cosine; the KL's weight is 1/N, but where a scale is to be found or layers are many."""
    run = fit(NETWORK, (X, Y), steps=3, report_every=1, **SETTINGS)
    assert run.trainer.learning_rate == Cosine()
    assert {one["kl_weight"] for one in run.history.records} == {1 / 10}
    learned = Network([DenseFlipout(3, 1)], Normal(learn_scale=True))
    deep = Network([DenseFlipout(3, 4), DenseFlipout(4, 3), DenseFlipout(3, 2)], Categorical())
    for network, y in (
        (learned, X[:, :1]),
        (Network([DenseFlipout(3, 2)], PredictedNormal()), X[:, :1]),
        (deep, Y),
    ):
        run = fit(network, (X, y), steps=4, report_every=1, **SETTINGS)
        assert [one["kl_weight"] for one in run.history.records] == [0.05, 0.1, 0.1, 0.1]
    run = fit(learned, (X, X[:, :1]), steps=4, learning_rate=1e-3, report_every=1, **SETTINGS)
    assert {one["kl_weight"] for one in run.history.records} == {1 / 10}
    run = fit(NETWORK, (X, Y), steps=3, adam=Adam(0.5), **SETTINGS)
    assert run.trainer.adam_at(2) == Adam(0.5)


def test_a_resumed_schedule_is_picklable():
    import pickle

    trainer = Trainer(NETWORK, 10, "cosine", steps=9, kl_warm_up=0.5, **SETTINGS)
    again = pickle.loads(pickle.dumps(trainer))
    assert again.adam_at(4) == trainer.adam_at(4) == Adam(Cosine().rate(4, 9))
    assert again.kl_weight_at(1) == trainer.kl_weight_at(1)


def test_temperature_is_a_multiple_of_one_over_n():
    assert Trainer(NETWORK, 40, temperature=0.1, **SETTINGS).kl_weight_at(0) == 0.1 / 40
    for settings, message in (
        ({"temperature": -1}, "temperature: expected a finite number, at least 0, found -1"),
        ({"temperature": np.inf}, "temperature: expected a finite number, at least 0"),
        ({"temperature": 0.5, "kl_weight": 0.1}, "temperature: expected 1 where kl_weight is"),
        ({"kl_warm_up": 2, "steps": 9}, "kl_warm_up: expected a number from 0 to 1, found 2"),
    ):
        with pytest.raises(ValueError, match=message):
            Trainer(NETWORK, 10, **settings, **SETTINGS)
