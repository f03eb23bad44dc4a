"""Oracles: case 16's printed numbers; the paper's algorithm in mpmath."""

import mpmath
import numpy as np
import pytest

from bnn_ref import Adam, NonFinite
from bnn_ref.step.adam import update


def run(adam, gradients, dtype="float64"):
    p, m, v = (np.zeros(1, dtype) for _ in range(3))
    steps = []
    for t, g in enumerate(gradients, start=1):
        before = p.copy()
        update(adam, t, p, np.array([g], dtype), m, v)
        steps.append(float((before - p)[0]))
    return steps


@pytest.mark.parametrize(
    ("convention", "first", "hundredth", "total"),
    [
        ("paper", 5.0000e-4, 5.0000e-4, 0.0500000),
        ("tensorflow1", 3.0653430e-5, 2.35799842e-4, 0.0170023490),
        ("keras", 3.1523092e-6, 2.99321890e-5, 0.00204462513),
    ],
)
def test_case_16_three_conventions_of_epsilon(convention, first, hundredth, total):
    steps = run(Adam(1e-3, convention=convention), [1e-8] * 100)
    assert steps[0] == pytest.approx(first, rel=2e-8)
    assert steps[99] == pytest.approx(hundredth, rel=2e-8)
    assert sum(steps) == pytest.approx(total, rel=2e-8)


@pytest.mark.parametrize("beta_1", [0.9, 0.0])
def test_a_run_of_random_gradients_against_the_algorithm_in_mpmath(beta_1):
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=50) * 10.0 ** rng.integers(-6, 3, 50)
    found = run(Adam(0.01, beta_1=beta_1), gradients)
    with mpmath.workdps(40):
        b1, b2, lr, eps = (mpmath.mpf(float(v)) for v in (beta_1, 0.999, 0.01, 1e-8))
        m = v = mpmath.mpf(0)
        for t, g in enumerate(gradients, start=1):
            g = mpmath.mpf(float(g))
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
            exact = lr * (m / (1 - b1**t)) / (mpmath.sqrt(v / (1 - b2**t)) + eps)
            assert found[t - 1] == pytest.approx(float(exact), rel=1e-10, abs=1e-16)


def test_float32_stays_float32():
    p, m, v = (np.ones(3, "f4") for _ in range(3))
    update(Adam(), 3, p, np.ones(3, "f4"), m, v)
    assert p.dtype == m.dtype == v.dtype == np.float32


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"learning_rate": 0}, "learning_rate: expected a finite number above 0, found 0"),
        ({"learning_rate": -1e-3}, "learning_rate"),
        ({"learning_rate": np.nan}, "learning_rate"),
        ({"learning_rate": "up"}, "learning_rate: expected a finite number above 0, found 'up'"),
        ({"beta_1": 1.0}, "beta_1: expected a number from 0 up to"),
        ({"beta_2": -0.1}, "beta_2"),
        ({"epsilon": -1e-8}, "epsilon"),
        ({"convention": "torch"}, "adam: expected one of paper, tensorflow1, keras"),
    ],
)
def test_settings_out_of_range_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        Adam(**bad)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("adam", "gradient"),
    [
        (Adam(epsilon=0), 0.0),  # 0 / 0
        (Adam(learning_rate=1e300), 1e10),
        (Adam(), 1e200),  # its square is no number
    ],
)
def test_case_91_an_update_that_is_not_finite_is_not_taken(adam, gradient, dtype):
    adam = Adam(learning_rate=1e39) if dtype == "float32" and adam.learning_rate > 1 else adam
    arrays = [np.array([0.5, 1.0], dtype) for _ in range(3)]
    moments = [np.zeros(2, dtype), np.zeros(2, dtype)] if not adam.epsilon else arrays[1:]
    before = [array.copy() for array in (arrays[0], *moments)]
    with np.errstate(all="ignore"), pytest.raises(NonFinite, match="step 7: .* in the update"):
        update(adam, 7, arrays[0], np.array([gradient, 1.0], dtype), *moments)
    for found, wanted in zip((arrays[0], *moments), before, strict=True):
        np.testing.assert_array_equal(found, wanted)
