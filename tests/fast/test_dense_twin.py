"""The compiled twin of Dense against the NumPy layer; every activation, prior, tile and thread."""

import needs_numba  # noqa: F401
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tolerances import COMPILED_FLOAT64, relative
from twins import DTYPES, LIMITS, assert_same_prediction

from bnn_ref import Adam, Categorical, Dense, DenseFlipout, Network, Residual, State, reference
from bnn_ref.activations import ACTIVATIONS, Activation
from bnn_ref.fast import compiled
from bnn_ref.fast.twins import dense

LAPLACE = {"type": "laplace", "loc": 0.1, "scale": 0.7}
ARRAYS = {"type": "normal", "loc": 0.1, "scale": np.linspace(0.5, 1.0, 33)}


def network(activation="relu"):
    """Tiles that are not whole, a layer of several tiles either way, every kind of prior."""
    return Network([
        Dense(7, 33, activation, kernel_prior=ARRAYS, bias_prior=LAPLACE),
        Residual([Dense(33, 300, "leaky_relu(0.2)"), Dense(300, 33, bias=False)]),
        Dense(33, 140, "tanh", kernel_prior=(0.0, 0.5)),
        DenseFlipout(140, 3),
    ], Categorical())  # fmt: skip


def problem(network, dtype, rows=37):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, network.inputs)).astype(dtype)
    return network.init(1, dtype), x, rng.integers(0, 3, rows)


def assert_same_step(network, dtype, rows=37):
    p, x, y = problem(network, dtype, rows)
    noise = reference.draw_noise(network, rows, 3, dtype=dtype)
    weight = np.linspace(0, 2, rows)
    found, exact = (back.loss_and_gradients(network, p, x, y, noise, 0.1, sample_weight=weight)
                    for back in (compiled, reference))  # fmt: skip
    for name in ("outputs", "nll", "kl_layers", "grad_x"):
        assert relative(getattr(found, name), getattr(exact, name)) < LIMITS[dtype], name
    for name, gradient in exact.gradients.items():
        assert relative(found.gradients[name], gradient) < LIMITS[dtype], name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 37, 140])
def test_a_step_is_the_references(dtype, rows):
    assert_same_step(network(), dtype, rows)


def test_every_activation():
    for name in ACTIVATIONS:
        assert_same_step(network(name), "float64")


def test_what_no_kernel_has_runs_in_numpy(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "cube", Activation("cube", lambda a: a**3,
                                                        lambda a, h: 3 * a * a))  # fmt: skip
    scarce = Network([Dense(7, 5, "cube"), Dense(5, 3, "tanh")], Categorical())
    assert [dense.has_kernels(layer) for layer in scarce.layers] == [False, True]
    assert_same_step(scarce, "float64")
    p, x, _ = problem(scarce, "float64")
    found, exact = (back.draw_outputs(scarce, p, x, 4, 2) for back in (compiled, reference))
    assert relative(found, exact) < COMPILED_FLOAT64


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_prediction_is_the_references_and_a_row_its_own(dtype):
    net = network()
    p, x, _ = problem(net, dtype, 150)
    assert_same_prediction(net, p, x, 131)


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_do_not_change_a_bit(dtype, monkeypatch):
    """Also where runs are so small that one thread would do them all."""
    monkeypatch.setattr("bnn_ref.fast.crew.SMALL", 0.0)
    net = network()
    _, x, y = problem(net, dtype, 140)
    states = []
    for threads in (1, 2, 5):
        state = State.start(net.init(0, dtype))
        workspace = compiled.prepare(net, 140, dtype, threads)
        for rows in (140, 33, 140):
            compiled.train_step(state, x[:rows], y[:rows], seed=0, kl_weight=0.01, adam=Adam(),
                                draws=2, workspace=workspace)  # fmt: skip
        states.append(state.parameters.flat)
    assert_array_equal(states[0], states[1])
    assert_array_equal(states[0], states[2])
