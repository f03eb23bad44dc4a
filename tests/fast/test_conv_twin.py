"""The compiled twin of Conv2D against the NumPy layer; every tile, thread and prior."""

import needs_numba  # noqa: F401
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tolerances import relative
from twins import DTYPES, LIMITS, assert_same_prediction

from bnn_ref import (
    Adam,
    Categorical,
    Conv2D,
    Conv2DFlipout,
    Dense,
    MaxPool2D,
    Network,
    State,
    reference,
)
from bnn_ref.activations import ACTIVATIONS, Activation
from bnn_ref.fast import compiled
from bnn_ref.fast.twins import conv_flipout

LAPLACE = {"type": "laplace", "loc": 0.1, "scale": 0.7}


def network():
    """Uneven strides and paddings, patches as rows and transposed, with and without a prior."""
    arrays = {"type": "normal", "loc": 0.1, "scale": np.linspace(0.5, 1, 60).reshape(3, 2, 2, 5)}
    return Network([
        Conv2D(5, (3, 2), (2, 1), "same", "relu", kernel_prior=arrays, bias_prior=LAPLACE,
               input_shape=(9, 7, 2)),
        MaxPool2D(2, 1, "same"),
        Conv2D(3, 2, 1, "valid", "silu", bias=False, frozen=True),
        Conv2DFlipout(4, 2, 1, "same", "tanh"),
        Conv2D(17, (3, 7), (2, 3), "same", "leaky_relu(0.1)", kernel_prior=(0.0, 0.5)),
        Dense(68, 3),
    ], Categorical())  # fmt: skip


def problem(network, dtype, rows):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, network.inputs)).astype(dtype)
    return network.init(1, dtype), x, rng.integers(0, 3, rows)


def assert_same_step(network, dtype, rows=5):
    p, x, y = problem(network, dtype, rows)
    noise = reference.draw_noise(network, rows, 3, dtype="float64")
    weight = np.linspace(0, 2, rows)
    found, exact = (
        back.loss_and_gradients(network, p.astype(kind), x.astype(kind), y,
                                reference.draw_noise(network, rows, 3, dtype=kind)
                                if kind == "float32" else noise, 0.1, sample_weight=weight)
        for back, kind in ((compiled, dtype), (reference, "float64"))
    )  # fmt: skip
    limit = LIMITS[dtype]
    for name in ("outputs", "kl_layers", "grad_x"):
        assert relative(getattr(found, name), getattr(exact, name)) < limit, name
    for name, gradient in exact.gradients.items():
        assert relative(found.gradients[name], gradient) < limit, name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tile", [1 << 15, 40])
def test_a_step_is_the_references(dtype, tile, monkeypatch):
    """Also with tiles of one row of places, and with more examples than tasks."""
    monkeypatch.setattr(conv_flipout, "TILE", tile)
    monkeypatch.setattr(conv_flipout, "TASKS", 3)
    assert_same_step(network(), dtype)


def test_one_row_and_what_no_kernel_has(monkeypatch):
    assert_same_step(network(), "float64", 1)
    cube = Activation("cube", lambda a: a**3, lambda a, h: 3 * a * a)
    monkeypatch.setitem(ACTIVATIONS, "cube", cube)
    scarce = Network([Conv2D(2, 2, activation="cube", kernel_prior=(0, 1), input_shape=(3, 3, 1)),
                      Dense(8, 3)], Categorical())  # fmt: skip
    assert_same_step(scarce, "float64")


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_prediction_is_the_references_and_a_row_its_own(dtype):
    net = network()
    p, x, _ = problem(net, dtype, 19)
    assert_same_prediction(net, p, x, 16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_do_not_change_a_bit_and_what_is_frozen_stays(dtype, monkeypatch):
    monkeypatch.setattr("bnn_ref.fast.crew.SMALL", 0.0)
    net = network()
    start, x, y = problem(net, dtype, 33)
    states = []
    for threads in (1, 2, 3):
        state = State.start(start.copy())
        workspace = compiled.prepare(net, 33, dtype, threads)
        for rows in (33, 7):
            compiled.train_step(state, x[:rows], y[:rows], seed=0, kl_weight=0.01, adam=Adam(),
                                workspace=workspace)  # fmt: skip
        states.append(state.parameters)
    assert_array_equal(states[0].flat, states[1].flat)
    assert_array_equal(states[0].flat, states[2].flat)
    for name in states[0]:
        assert np.array_equal(states[0][name], start[name]) == ("layers.2." in name), name
