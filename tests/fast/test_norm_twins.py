"""Compiled LayerNorm, BatchNorm and Elementwise against the NumPy layers; every tile and thread."""

import needs_numba  # noqa: F401
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tolerances import relative
from twins import DTYPES, LIMITS

from bnn_ref import (
    Adam,
    BatchNorm,
    Categorical,
    Dense,
    Elementwise,
    LayerNorm,
    Network,
    Residual,
    State,
    reference,
)
from bnn_ref.activations import ACTIVATIONS, Activation
from bnn_ref.fast import compiled, places, twins  # noqa: F401, twins register themselves
from bnn_ref.fast.twin import TWINS, Twin


def stack():
    """Columns fewer and more than a row of the kernels, statistics of batch, run and positions."""
    return [
        BatchNorm(shape=(5, 4, 7), convention="pytorch"), LayerNorm(), Elementwise("silu"),
        Dense(140, 97), LayerNorm(1e-3), Elementwise("tanh"), BatchNorm(),
        Elementwise("leaky_relu(0.2)"),
        Residual([BatchNorm(frozen=True), Elementwise("gelu"), LayerNorm()]), Dense(97, 3),
    ]  # fmt: skip


def problem(network, dtype, rows):
    rng = np.random.default_rng(0)
    p = network.init(1, dtype)
    for name, array in p.items():
        array += rng.normal(0, 0.2, array.shape)
        if name.endswith("running_variance"):
            array[...] = np.abs(array) + 0.1
    x = rng.normal(3, 2, size=(rows, network.inputs)).astype(dtype)
    return p, x, rng.integers(0, 3, rows)


def assert_same_step(layers, dtype, rows):
    network = Network(layers, Categorical())
    p, x, y = problem(network, dtype, rows)
    noise = reference.draw_noise(network, rows, 3, dtype="float64")
    weight = np.linspace(0, 2, rows)
    found = compiled.loss_and_gradients(network, p, x, y, noise, 0.1, sample_weight=weight)
    exact = reference.loss_and_gradients(network, p.astype("float64"), x.astype("float64"), y,
                                         noise, 0.1, sample_weight=weight)  # fmt: skip
    limit = LIMITS[dtype]
    for name in ("outputs", "nll", "grad_x"):
        assert relative(getattr(found, name), getattr(exact, name)) < limit, name
    largest = np.max(np.abs(exact.gradients.flat))
    for name, gradient in exact.gradients.items():
        if np.max(np.abs(gradient)) > 1e-6 * largest:  # else it is rounding alone
            assert relative(found.gradients[name], gradient) < limit, name
    assert set(found.statistics) == set(exact.statistics)
    for name, value in exact.statistics.items():
        assert relative(found.statistics[name], value) < limit, name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [2, 37, 300])
def test_a_step_is_the_references(dtype, rows):
    if dtype == "float32" and rows == 2:
        pytest.skip("of two rows that are normalised to -1 and 1 most of a gradient cancels")
    assert all(TWINS.get(layer.type, Twin) is not Twin for layer in stack())
    assert_same_step(stack(), dtype, rows)


def test_one_row_of_positions():
    assert_same_step([*stack()[:3], Dense(140, 3)], "float64", 1)


def test_every_activation_and_one_that_no_kernel_has(monkeypatch):
    cube = Activation("cube", lambda a: a**3, lambda a, h: 3 * a * a)
    monkeypatch.setitem(ACTIVATIONS, "cube", cube)
    for name in ACTIVATIONS:
        assert_same_step([Elementwise(name, 3), BatchNorm()], "float64", 5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_prediction_is_the_references_and_a_row_its_own(dtype):
    network = Network(stack(), Categorical())
    p, x, _ = problem(network, dtype, 150)
    for kind in ("weights", "mean"):
        found = compiled.draw_outputs(network, p, x, 4, 2, kind=kind)
        exact = reference.draw_outputs(network, p.astype("float64"), x.astype("float64"), 4, 2,
                                       kind=kind)  # fmt: skip
        assert relative(found, exact) < LIMITS[dtype], kind
        some = compiled.draw_outputs(network, p, x[131:], 4, 2, kind=kind, first_row=131)
        assert_array_equal(some, found[131:])


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_do_not_change_a_bit(dtype, monkeypatch):
    """Also where runs are so small that one thread would do them all, and tasks many."""
    monkeypatch.setattr("bnn_ref.fast.crew.SMALL", 0.0)
    monkeypatch.setattr(places, "SWEEP_NUMBERS", 300)
    network = Network(stack(), Categorical())
    _, x, y = problem(network, dtype, 140)
    states = []
    for threads in (1, 2, 3):
        state = State.start(network.init(0, dtype))
        workspace = compiled.prepare(network, 140, dtype, threads)
        for rows in (140, 33):
            compiled.train_step(state, x[:rows], y[:rows], seed=0, kl_weight=0.01, adam=Adam(),
                                workspace=workspace)  # fmt: skip
        states.append(state.parameters.flat)
    assert_array_equal(states[0], states[1])
    assert_array_equal(states[0], states[2])
