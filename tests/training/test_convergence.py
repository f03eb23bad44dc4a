"""Whether training has settled: the drift in closed form, and runs too short and long enough."""

import numpy as np
import pytest

from bnn_ref import Adam, Categorical, DenseFlipout, Network, State, fit
from bnn_ref.step.adam import update
from bnn_ref.training import convergence, drift

NETWORK = Network([DenseFlipout(20, 30)], Categorical())
NOISE = 0.1 / 1.9


def state_after(gradients):
    """Return the state after Adam steps along these gradients."""
    state, adam = State.start(NETWORK.init(0, "float64")), Adam(1e-9)
    for gradient in gradients:
        state.step += 1
        update(adam, state.step, state.parameters.flat, gradient, state.moment_1.flat,
               state.moment_2.flat)  # fmt: skip
    return state, adam


def test_drift_of_noise_of_a_constant_and_of_nothing():
    """Noise: (1 - b1) / (1 + b1), for v's own noise is small; a constant: 1; zeros: 0."""
    rng, size = np.random.default_rng(0), NETWORK.num_parameters
    found = drift(*state_after(rng.normal(size=size) for _ in range(400)))
    assert found == pytest.approx(NOISE, rel=0.15)  # 1,230 parameters: 4 % a standard error
    assert drift(*state_after([np.full(size, 1e-3)] * 30)) == pytest.approx(1, rel=1e-9)
    assert drift(*state_after([np.zeros(size)] * 3)) == 0


def test_verdicts():
    flat = [1.0] * 40
    assert convergence([NOISE] * 40, flat).settled
    moving = convergence([NOISE] * 30 + [0.2] * 10, flat)
    assert not moving.settled
    assert "raise the number of steps" in moving.line
    assert convergence([0.2] * 30 + [NOISE] * 10, flat).settled
    falling = list(np.linspace(10, 1, 40))
    assert convergence([NOISE] * 40, falling).settled  # under a schedule the loss says nothing
    constant = convergence([NOISE] * 40, falling, is_constant=True)
    assert not constant.settled
    assert "fell by 2.31 nats" in constant.line
    assert not convergence([], []).settled


@pytest.mark.parametrize(("steps", "settled"), [(200, False), (600, False), (3000, True)])
def test_a_short_run_has_not_settled_and_a_long_one_has(steps, settled):
    pytest.importorskip("numba", reason="numba is not installed")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5))
    y = (x[:, 0] > np.sin(2 * x[:, 1])).astype(int)
    network = Network([DenseFlipout(5, 20, "relu"), DenseFlipout(20, 2)], Categorical())
    run = fit(network, (x, y), steps=steps, kl_warm_up=0.5, threads=1)
    assert run.convergence.settled is settled, run.convergence
    assert len(run.history.records) >= 60
