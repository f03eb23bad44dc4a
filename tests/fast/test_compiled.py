"""The numba back end against the reference: every option, odd sizes, both dtypes, any threads."""

from itertools import pairwise

import needs_numba  # noqa: F401
import numpy as np
import pytest
from tolerances import (
    COMPILED_FLOAT32,
    COMPILED_FLOAT32_WIDE,
    COMPILED_FLOAT64,
    COMPILED_TEN_STEPS,
    relative,
)

from bnn_ref import (
    Adam,
    Bernoulli,
    Categorical,
    Dense,
    DenseFlipout,
    Network,
    Noise,
    NonFinite,
    Normal,
    State,
    Trainer,
    predict,
    reference,
)
from bnn_ref.activations import ACTIVATIONS
from bnn_ref.fast import compiled
from bnn_ref.layers import BIASES
from bnn_ref.priors import LaplacePrior

LIMITS = [("float64", COMPILED_FLOAT64), ("float32", COMPILED_FLOAT32)]
LIKELIHOODS = {
    "categorical": Categorical(),
    "bernoulli": Bernoulli(),
    "normal": Normal(0.7),
    "learned": Normal(0.7, learn_scale=True),
}


def batch(network, rows, rng):
    x = rng.normal(size=(rows, network.inputs))
    kind = network.likelihood.to_json()["type"]
    if kind == "categorical":
        return x, rng.integers(0, network.outputs, rows)
    if kind == "bernoulli":
        return x, rng.integers(0, 2, (rows, network.outputs))
    return x, rng.normal(size=(rows, network.outputs))


def differences(network, rows, dtype, weighted=False, estimator="flipout"):
    """Relative differences of every result of one step from the float64 reference's."""
    rng = np.random.default_rng(rows)
    x, y = batch(network, rows, rng)
    x = x.astype(dtype)
    weight = 2 * rng.random(rows) if weighted else None
    parameters = network.init(3, dtype)
    noise = reference.draw_noise(network, rows, 7, step=2, dtype=dtype, estimator=estimator)
    wide = Noise(
        tuple(
            type(one)(*(None if a is None else a.astype(np.float64) for a in one))
            for one in noise.layers
        )
    )
    found = compiled.loss_and_gradients(
        network, parameters, x, y, noise, 0.01, sample_weight=weight
    )
    exact = reference.loss_and_gradients(
        network, parameters.astype("float64"), x.astype(np.float64), y, wide, 0.01,
        sample_weight=weight,
    )  # fmt: skip
    names = ("outputs", "nll", "kl", "kl_layers", "loss", "grad_x")
    errors = {name: relative(getattr(found, name), getattr(exact, name)) for name in names}
    for name in exact.gradients:
        errors[name] = relative(found.gradients[name], exact.gradients[name])
    return errors


@pytest.mark.parametrize(("dtype", "limit"), LIMITS)
@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_option_is_the_references(activation, bias, dtype, limit, volume):
    """Under every likelihood, quickly under one, in turn."""
    turn = list(ACTIVATIONS).index(activation) + list(BIASES).index(bias)
    for name, likelihood in volume([list(LIKELIHOODS.items())[turn % 3]], LIKELIHOODS.items()):
        layers = [
            DenseFlipout(13, 17, activation, bias=bias, kernel_prior=(0.1, 0.6)),
            DenseFlipout(17, 5, "tanh", bias=bias),
            DenseFlipout(5, 3, bias=bias),
        ]
        estimator = "shared" if bias == "normal" else "flipout"
        errors = differences(Network(layers, likelihood), 6, dtype, bias == "none", estimator)
        worst = max(errors, key=errors.get)
        assert errors[worst] <= limit, (name, worst)


SHAPES = [
    (1, (1, 1)), (1, (5, 1)), (33, (1, 2, 1)), (65, (129, 127, 10)), (200, (100, 1)),
    (129, (64, 64, 64)), (32, (13, 50, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "limit"), LIMITS)
@pytest.mark.parametrize(("rows", "sizes"), SHAPES)
def test_odd_sizes_are_the_references(rows, sizes, dtype, limit):
    layers = [DenseFlipout(*pair, "tanh") for pair in pairwise(sizes)]
    errors = differences(Network(layers, Normal()), rows, dtype)
    worst = max(errors, key=errors.get)
    assert errors[worst] <= limit, worst


def test_a_wide_network_in_float32():
    layers = [DenseFlipout(784, 1200, "tanh"), DenseFlipout(1200, 10)]
    errors = differences(Network(layers), 16, "float32")
    assert max(errors.values()) <= COMPILED_FLOAT32_WIDE


MIXED = Network(
    [
        DenseFlipout(13, 17, "relu", bias="normal"),
        DenseFlipout(17, 5, "tanh", bias="normal_flipped"),
        DenseFlipout(5, 3),
    ],
    Normal(0.5, learn_scale=True),
)


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("convention", ["paper", "tensorflow1", "keras"])
def test_ten_steps_are_the_references(convention, draws):
    rng = np.random.default_rng(4)
    states = [State.start(MIXED.init(1, "float64")) for _ in range(2)]
    for _ in range(10):
        x, y = batch(MIXED, 20, rng)
        metrics = [
            backend.train_step(state, x, y, seed=4, kl_weight=0.01, draws=draws,
                               adam=Adam(convention=convention))
            for backend, state in zip((reference, compiled), states, strict=True)
        ]  # fmt: skip
        assert relative(metrics[1].outputs, metrics[0].outputs) < COMPILED_TEN_STEPS
        assert relative(metrics[1].loss, metrics[0].loss) < COMPILED_TEN_STEPS
    for name in ("parameters", "moment_1", "moment_2"):
        exact = getattr(states[0], name).flat
        assert relative(getattr(states[1], name).flat, exact) < COMPILED_TEN_STEPS
    assert states[1].step == 10


@pytest.mark.parametrize("kind", ["weights", "flipout", "mean"])
@pytest.mark.parametrize(("dtype", "limit"), LIMITS)
def test_draws_are_the_references_and_a_rows_own(kind, dtype, limit):
    parameters = MIXED.init(1, dtype)
    x = np.random.default_rng(5).normal(size=(300, 13)).astype(dtype)
    exact = reference.draw_outputs(MIXED, parameters, x, 3, 2, kind=kind, first_row=7)
    found = compiled.draw_outputs(MIXED, parameters, x, 3, 2, kind=kind, first_row=7)
    assert relative(found, exact) <= limit
    part = compiled.draw_outputs(MIXED, parameters, x[50:123], 3, 2, kind=kind, first_row=57)
    assert np.array_equal(part, found[50:123])
    assert compiled.draw_outputs(MIXED, parameters, x[:0], 3, 2, kind=kind).shape == (0, 3)


@pytest.mark.parametrize("between", [[], [Dense(7, 7)]], ids=["a chain", "two chains"])
@pytest.mark.parametrize("kind", ["weights", "flipout"])
def test_draws_that_share_have_the_bits_of_draws_that_do_not(kind, between):
    first = DenseFlipout(300, 7, activation="relu", bias="normal_flipped")
    network = Network([first, *between, DenseFlipout(7, 3)])
    x = np.random.default_rng(6).normal(size=(2, 70, 300)).astype(np.float32)
    workspace = compiled.prepare(network, 70, "float32")
    compiled.draw_outputs(network, network.init(0), x[0], 1, 0, kind="mean", workspace=workspace)
    for seed, rows in enumerate(x):  # each finds what the one before left, the first a mean's
        parameters = network.init(seed)
        for draw in range(3):
            shared = compiled.draw_outputs(network, parameters, rows, 1, draw, kind=kind,
                                           workspace=workspace, again=draw > seed - 1)  # fmt: skip
            alone = compiled.draw_outputs(network, parameters, rows, 1, draw, kind=kind)
            np.testing.assert_array_equal(shared, alone)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_for_any_number_of_threads(dtype):
    """Wide enough that the threads are used; see `compiled.SMALL`."""
    network = Network([DenseFlipout(300, 200, "relu", bias="normal"), DenseFlipout(200, 10)])
    rng = np.random.default_rng(6)
    data = [batch(network, rows, rng) for rows in (128, 128, 77, 128, 128)]
    found = []
    for threads in (1, 2, 5):
        trainer = Trainer(network, 500, 1e-2, seed=3, dtype=dtype, threads=threads)
        losses = [trainer.step(*one).loss for one in data * 4]
        rows = data[0][0].astype(dtype)
        draws = [
            predict(network, trainer.parameters, rows, draws=3, kind=kind, threads=threads)
            for kind in ("weights", "flipout")
        ]
        found.append((losses, trainer.parameters.flat, trainer.state.moment_2.flat,
                      *(one.probabilities for one in draws)))  # fmt: skip
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert np.array_equal(a, b)


def test_inputs_of_any_kind_and_rank():
    network = Network([DenseFlipout(4, 3, "relu"), DenseFlipout(3, 2)])
    parameters = network.init(0, "float64")
    x = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    y = np.array([[0, 1, 1], [0, 0, 1]])
    noise = reference.draw_noise(network, 6, 1, dtype="float64")
    found = compiled.loss_and_gradients(network, parameters, x, y, noise, 0.1)
    exact = reference.loss_and_gradients(network, parameters, x, y, noise, 0.1)
    assert found.outputs.shape == (2, 3, 2)
    assert found.grad_x.shape == x.shape
    assert relative(found.grad_x, exact.grad_x) < COMPILED_FLOAT64
    read_only = x.astype(np.float64)
    read_only.flags.writeable = False
    again = compiled.loss_and_gradients(network, parameters, read_only, y, noise, 0.1)
    assert again.loss == found.loss


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e39])
@pytest.mark.parametrize("draws", [1, 2])
def test_a_value_that_is_not_finite_changes_nothing(bad, draws):
    network = Network([DenseFlipout(4, 3, "relu"), DenseFlipout(3, 2)])
    trainer = Trainer(network, 100, draws_per_step=draws)
    x, y = np.ones((5, 4), np.float32), np.zeros(5, int)
    trainer.step(x, y)
    before = trainer.state.copy()
    with np.errstate(over="ignore"):
        wrong = np.array(x, np.float64)
        wrong[2, 1] = bad
        wrong = wrong.astype(np.float32)
    with pytest.raises(NonFinite, match="step 2"):
        trainer.step(wrong, y)
    for name in ("parameters", "moment_1", "moment_2"):
        assert np.array_equal(getattr(before, name).flat, getattr(trainer.state, name).flat)
    assert trainer.state.step == 1
    trainer.step(x, y)
    assert trainer.state.step == 2


def test_large_but_finite_gradients_take_the_careful_way():
    """1e15 as an input: the cheap bound cannot vouch for the gradients, looking at them can."""
    network = Network([DenseFlipout(2, 2, bias="none")], Normal(1e4))
    states = [State.start(network.init(0, "float64").astype("float32")) for _ in range(2)]
    x, y = np.full((3, 2), 1e15, np.float32), np.zeros((3, 2))
    for backend, state in zip((reference, compiled), states, strict=True):
        backend.train_step(state, x, y, seed=0, kl_weight=0.1, adam=Adam())
    assert states[1].step == 1
    assert relative(states[1].parameters.flat, states[0].parameters.flat) < COMPILED_FLOAT32


def test_what_only_numpy_has_is_one_clear_error():
    network = Network([DenseFlipout(2, 2)])
    parameters, x, y = network.init(0, "float64"), np.ones((1, 2)), np.zeros(1, int)
    noise = reference.draw_noise(network, 1, 0, dtype="float64")
    with pytest.raises(ValueError, match="trace"):
        compiled.loss_and_gradients(network, parameters, x, y, noise, 0.1, trace=True)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_prior": LaplacePrior(0.0, 1.0)},
        {"bias": "normal", "bias_prior": (0.0, np.array([1.0, 2.0, 0.5]))},
        {"bias": "deterministic", "bias_prior": (0.0, 1.0)},
    ],
    ids=["laplace", "array", "bias"],
)
def test_priors_of_every_kind(options):
    network = Network([DenseFlipout(4, 3, **options)])
    parameters = network.init(0, "float64")
    x = np.arange(8.0).reshape(2, 4)
    for kind in ("weights", "flipout", "mean"):
        found, wanted = (
            back_end.draw_outputs(network, parameters, x, 0, 1, kind=kind)
            for back_end in (compiled, reference)
        )
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    noise = reference.draw_noise(network, 2, 0, dtype="float64")
    found, wanted = (
        back_end.loss_and_gradients(network, parameters, x, [0, 1], noise, 0.1).gradients.flat
        for back_end in (compiled, reference)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
