"""Compiled convolutions and pooling against the NumPy back end; every tile, thread and prior."""

import needs_numba  # noqa: F401
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tolerances import COMPILED_FLOAT64, relative
from twins import DTYPES, LIMITS

from bnn_ref import (
    Adam,
    AveragePool2D,
    Categorical,
    Conv1DFlipout,
    Conv2DFlipout,
    DenseFlipout,
    MaxPool2D,
    Network,
    State,
    reference,
)
from bnn_ref.fast import compiled
from bnn_ref.fast.members import is_compiled
from bnn_ref.fast.twins import conv_flipout
from bnn_ref.priors import LearnedNormalPrior, NormalPrior, ScaledPrior


def network(seed=0):
    """Every bias, uneven strides and paddings, patches as rows and transposed, both pools."""
    return Network([
        Conv2DFlipout(5, (3, 2), (2, 1), "same", "relu", (0.2, 0.8), "normal",
                      input_shape=(9, 7, 2)),
        MaxPool2D(2, 1, "same"),
        Conv2DFlipout(3, 2, 1, "valid", "tanh", bias="normal_flipped", scale_shift=0.01),
        AveragePool2D((2, 3), 1, "same"),
        Conv2DFlipout(17, (3, 7), (2, 3), "same", "softplus", bias="none"),
        Conv2DFlipout(4, 4, 1, "same", "relu"),
        DenseFlipout(16, 3),
    ], Categorical())  # fmt: skip


def problem(network, dtype, rows=5):
    p = network.init(1, dtype)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, network.inputs)).astype(dtype)
    return p, x, rng.integers(0, 3, rows), reference.draw_noise(network, rows, 3, dtype=dtype)


def assert_same_step(network, dtype, rows=5):
    p, x, y, noise = problem(network, dtype, rows)
    weight = np.linspace(0, 2, rows)
    found = compiled.loss_and_gradients(network, p, x, y, noise, 0.1, sample_weight=weight)
    exact = reference.loss_and_gradients(network, p.astype("float64"), x, y,
                                         reference.draw_noise(network, rows, 3, dtype="float64")
                                         if dtype == "float64" else wide(noise), 0.1,
                                         sample_weight=weight)  # fmt: skip
    limit = LIMITS[dtype]
    assert relative(found.outputs, exact.outputs) < limit
    assert relative(found.kl_layers, exact.kl_layers) < limit
    for name in exact.gradients:
        assert relative(found.gradients[name], exact.gradients[name]) < limit, name
    assert relative(found.grad_x, exact.grad_x) < limit


def wide(noise):
    """Return the noise in float64."""
    return noise._replace(layers=tuple(
        None if one is None else type(one)(*(None if a is None else a.astype("float64")
                                             for a in one))
        for one in noise.layers))  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tile", [1 << 15, 40])
def test_a_step_is_the_references(dtype, tile, monkeypatch):
    """Also with tiles of one row of places, and with more examples than tasks."""
    monkeypatch.setattr(conv_flipout, "TILE", tile)
    monkeypatch.setattr(conv_flipout, "TASKS", 3)
    assert_same_step(network(), dtype)


def test_signals_priors_of_arrays_and_other_priors():
    prior = {"type": "laplace", "loc": 0.1, "scale": 0.7}
    arrays = {"type": "normal", "loc": 0.1, "scale": np.linspace(0.5, 1.0, 12).reshape(2, 3, 2)}
    net = Network([
        Conv1DFlipout(3, 3, 2, "same", "tanh", prior, "normal", input_shape=(8, 2)),
        Conv1DFlipout(2, 2, 1, "valid", "relu", arrays),
        DenseFlipout(6, 3),
    ], Categorical())  # fmt: skip
    assert_same_step(net, "float64", rows=1)


@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_priors_that_learn_and_priors_of_arrays_run_compiled(factor):
    """In every place where a dense layer has them; scaled too."""
    learned = LearnedNormalPrior(0.25, 0.5, ("loc", "scale"))
    arrays = NormalPrior(np.linspace(-0.5, 0.5, 24).reshape(2, 2, 2, 3), 0.7)
    net = Network([
        Conv2DFlipout(2, 2, 1, "same", "tanh", ScaledPrior(learned, factor), "normal",
                      LearnedNormalPrior(0.0, 1.0, ("scale",)), input_shape=(3, 4, 1)),
        Conv2DFlipout(3, 2, 1, "valid", "relu", ScaledPrior(arrays, factor)),
        DenseFlipout(18, 3),
    ], Categorical())  # fmt: skip
    assert all(is_compiled(conv_flipout.patch_layer(one), True) for one in net.layers[:2])
    assert_same_step(net, "float64", rows=4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_predictions_are_the_references(dtype):
    net = network()
    p, x, _, _ = problem(net, dtype, 19)
    for kind in ("weights", "flipout", "mean"):
        found = compiled.draw_outputs(net, p, x, 4, 2, kind=kind)
        exact = reference.draw_outputs(net, p, x, 4, 2, kind=kind)
        assert relative(found, exact) < LIMITS[dtype], kind
        assert_array_equal(compiled.draw_outputs(net, p, x[16:], 4, 2, kind=kind, first_row=16),
                           found[16:])  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_do_not_change_a_bit(dtype):
    net = network()
    _, x, y, _ = problem(net, dtype, 33)
    states = []
    for threads in (1, 2, 3):
        state = State.start(net.init(0, dtype))
        workspace = compiled.prepare(net, 33, dtype, threads)
        for _ in range(3):
            compiled.train_step(state, x, y, seed=0, kl_weight=0.01, adam=Adam(),
                                workspace=workspace)  # fmt: skip
        states.append(state.parameters.flat)
    assert_array_equal(states[0], states[1])
    assert_array_equal(states[0], states[2])


def test_ties_and_nan_of_the_maximum():
    net = Network([MaxPool2D(2, input_shape=(2, 4, 1)), DenseFlipout(2, 3)], Categorical())
    p = net.init(0, "float64")
    x = np.array([[1.0, 1, 0, 2, 1, 1, 2, 2]])
    noise = reference.draw_noise(net, 1, 0, dtype="float64")
    one, two = (back.loss_and_gradients(net, p, x, np.array([0]), noise, 0.1)
                for back in (compiled, reference))  # fmt: skip
    assert relative(one.grad_x, two.grad_x) < COMPILED_FLOAT64
    x[0, 5] = np.nan
    assert np.isnan(compiled.draw_outputs(net, p, x, 0, 0)).all()
