"""What a run depends on is checked or filled in for each run; cases 32, 33 and 37 to 39."""

import needs_numba  # noqa: F401
import numpy as np
import pytest
from tolerances import COMPILED_FLOAT32, COMPILED_FLOAT64, relative

from bnn_ref import (
    Adam,
    Categorical,
    DenseFlipout,
    Network,
    NonFinite,
    Normal,
    State,
    reference,
)
from bnn_ref.activations import ACTIVATIONS
from bnn_ref.fast import compiled
from bnn_ref.kernels import activations, dense_flipout, likelihoods, priors
from bnn_ref.parameters import Parameters

NETWORK = Network([DenseFlipout(5, 4, "tanh", bias="normal"), DenseFlipout(4, 3)])
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 5)), RNG.integers(0, 3, 40)
SETTINGS = {"seed": 1, "kl_weight": 0.1, "adam": Adam()}


def step(parameters, rows, workspace=None, **settings):
    """One step on a copy; the metrics, and the parameters after it."""
    state = State.start(parameters.copy())
    metrics = compiled.train_step(state, X[:rows].astype(parameters.dtype), Y[:rows],
                                  workspace=workspace, **SETTINGS | settings)  # fmt: skip
    return metrics, state.parameters.flat


def same(one, other):
    return one[0].loss == other[0].loss and np.array_equal(one[1], other[1])


def test_case_32_a_workspace_serves_states_of_another_scale_shift():
    workspace = compiled.prepare(NETWORK, 8, "float64")
    first = NETWORK.init(3, "float64")
    for shift in (first.scale_shift, (0.5, 0.5), first.scale_shift):
        parameters = Parameters(NETWORK, first.flat.copy(), shift)
        noise = reference.draw_noise(NETWORK, 8, 1, dtype="float64")
        kl = reference.loss_and_gradients(NETWORK, parameters, X[:8], Y[:8], noise, 0.1).kl
        assert relative(step(parameters, 8, workspace)[0].kl, kl) < COMPILED_FLOAT64
        draw = (NETWORK, parameters, X[:8], 1, 0)
        exact = reference.draw_outputs(*draw)
        found = compiled.draw_outputs(*draw, workspace=workspace)
        assert relative(found, exact) < COMPILED_FLOAT64


def test_case_32_weights_rows_and_kinds_of_the_run_before_leave_nothing():
    parameters = NETWORK.init(3, "float64")
    workspace = compiled.prepare(NETWORK, 8, "float64")
    weight = np.linspace(0, 2, 40)
    runs = [
        {"rows": 8, "sample_weight": weight[:8]},
        {"rows": 8},
        {"rows": 40, "sample_weight": weight},  # larger than the workspace
        {"rows": 5},
        {"rows": 8, "estimator": "shared"},
        {"rows": 8, "draws": 2},
        {"rows": 40},
    ]
    for settings in runs:
        assert same(step(parameters, workspace=workspace, **settings), step(parameters, **settings))
        for kind in ("flipout", "weights", "mean"):
            draw = (NETWORK, parameters, X, 1, 2)
            one, other = (compiled.draw_outputs(*draw, kind=kind, workspace=given)
                          for given in (workspace, None))  # fmt: skip
            assert np.array_equal(one, other)


def test_case_32_a_workspace_of_another_network_is_not_used():
    other = Network(NETWORK.layers, Categorical())
    wider = Network([DenseFlipout(5, 4, "tanh", bias="normal", kernel_prior=(0, 2)),
                     DenseFlipout(4, 3)])  # fmt: skip
    for network in (other, wider):
        workspace = compiled.prepare(NETWORK, 8, "float64")
        parameters = network.init(3, "float64")
        assert same(step(parameters, 8, workspace), step(parameters, 8))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_case_33_a_nan_stays_one(name):
    network = Network([DenseFlipout(5, 4, name), DenseFlipout(4, 3)])
    x = X[:6].astype(np.float32)
    x[2, 1] = np.nan
    found = compiled.draw_outputs(network, network.init(0, "float32"), x, 1, 0)
    assert np.array_equal(np.isnan(found).any(axis=1), np.arange(6) == 2)


def test_case_37_steps_beyond_the_counter_are_refused_in_the_same_words():
    said = []
    for backend in (reference, compiled):
        state = State.start(NETWORK.init(0, "float64"))
        state.step = 2**32
        with pytest.raises(ValueError, match="step") as error:
            backend.train_step(state, X, Y, **SETTINGS)
        said.append(str(error.value))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("dtype", "rho", "kl"), [("float32", -120, 119.5), ("float64", -800, 799.5)]
)
def test_case_38_the_kl_of_a_sigma_that_rounds_to_0(dtype, rho, kl):
    network = Network([DenseFlipout(5, 3, scale_shift=0.0, bias="none")])
    parameters = network.init(0, dtype)
    parameters["layers.0.kernel_mu"][...] = 0
    parameters["layers.0.kernel_rho"][...] = rho
    noise = reference.draw_noise(network, 40, 1, dtype=dtype)
    found = compiled.loss_and_gradients(network, parameters, X, Y, noise, 1.0)
    assert found.kl == pytest.approx(15 * kl, rel=1e-6)
    assert np.all(found.gradients["layers.0.kernel_rho"] == -1)


def test_a_prior_far_wider_than_sigma():
    """sigma / scale is below the normal numbers of float32 where neither of them is."""
    network = Network([DenseFlipout(5, 3, kernel_prior=(0, 1e35), bias="none")])
    parameters = network.init(0, "float32")
    noise = reference.draw_noise(network, 40, 1)
    found = compiled.loss_and_gradients(network, parameters, X.astype("float32"), Y, noise, 1.0)
    sigma = np.finfo(np.float32).eps + np.logaddexp(0, parameters["layers.0.kernel_rho"])
    exact = np.sum(np.log(1e35) - np.log(sigma.astype(np.float64)) - 0.5)
    assert found.kl == pytest.approx(exact, rel=1e-6)


def test_case_38_an_nll_beyond_float32_is_a_float64_number():
    network = Network([DenseFlipout(5, 3)], Normal())
    parameters = network.init(0, "float32")
    y = np.full((40, 3), 1e20)
    noise = reference.draw_noise(network, 40, 1)
    found = compiled.loss_and_gradients(network, parameters, X.astype("float32"), y, noise, 0.0)
    assert found.nll == pytest.approx(3 * 0.5e40, rel=1e-6)
    weighted = compiled.loss_and_gradients(network, parameters, X.astype("float32"), y * 1e-2,
                                           noise, 0.0, sample_weight=np.full(40, 1e10))  # fmt: skip
    assert weighted.nll == pytest.approx(3 * 0.5e46, rel=1e-6)


@pytest.mark.parametrize("backend", [reference, compiled])
def test_case_39_adam_in_float32_rounds_one_minus_beta_once(backend):
    parameters = NETWORK.init(3, "float32")
    state = State.start(parameters.copy())
    noise = reference.draw_noise(NETWORK, 40, 1)
    x = X.astype("float32")
    gradient = backend.loss_and_gradients(NETWORK, parameters, x, Y, noise, 0.1).gradients.flat
    backend.train_step(state, x, Y, **SETTINGS)
    wide = gradient.astype(np.float64)
    assert relative(state.moment_1.flat, 0.1 * wide) < COMPILED_FLOAT32
    large = np.abs(wide) > 1e-3
    error = state.moment_2.flat[large] / (0.001 * wide[large] ** 2) - 1
    assert np.max(np.abs(error)) < COMPILED_FLOAT32


def test_what_has_no_compiled_twin_runs_in_numpy(monkeypatch):
    parameters = NETWORK.init(3, "float64")
    whole = step(parameters, 8)
    for table, name in (
        (activations.CODES, "tanh"),
        (dense_flipout.CODES, "DenseFlipout"),
        (likelihoods.CODES, "categorical"),
        (priors.CODES, "normal"),
    ):
        with monkeypatch.context() as without:
            without.delitem(table, name)
            found = step(parameters, 8)
        assert relative(found[1], whole[1]) < COMPILED_FLOAT64, name
        assert relative(found[0].loss, whole[0].loss) < COMPILED_FLOAT64


def test_a_prior_may_leave_its_derivative_by_mu(monkeypatch):
    parameters = NETWORK.init(3, "float64")
    noise = reference.draw_noise(NETWORK, 40, 1, dtype="float64")
    exact = reference.loss_and_gradients(NETWORK, parameters, X, Y, noise, 0.5).gradients.flat
    monkeypatch.setattr(priors, "STORED", {"normal"})
    found = compiled.loss_and_gradients(NETWORK, parameters, X, Y, noise, 0.5).gradients.flat
    assert relative(found, exact) < COMPILED_FLOAT64


@pytest.mark.parametrize("draws", [1, 2])
@pytest.mark.parametrize("backend", [reference, compiled])
@pytest.mark.parametrize("adam", [Adam(epsilon=0.0), Adam(1e39), Adam(epsilon=1e-60)])
def test_case_91_an_update_that_is_not_finite_changes_nothing(adam, backend, draws):
    network = Network([DenseFlipout(5, 4, "relu"), DenseFlipout(4, 3)])
    state = State.start(Parameters(network, np.zeros(network.num_parameters, np.float32)))
    with pytest.raises(NonFinite, match="step 1: .*the update"):
        backend.train_step(state, np.zeros((4, 5), np.float32), Y[:4],
                           seed=1, kl_weight=0.0, adam=adam, draws=draws)  # fmt: skip
    assert state.step == 0
    assert not state.parameters.flat.any()
    assert not state.moment_1.flat.any()
