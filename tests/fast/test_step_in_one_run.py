"""What a step in one run does by itself: it looks at targets, and finds Adam's factors."""

import mpmath
import needs_numba  # noqa: F401
import numpy as np
import pytest

from bnn_ref import (
    Adam,
    Bernoulli,
    Categorical,
    DenseFlipout,
    Network,
    NonFinite,
    Normal,
    PredictedNormal,
    Trainer,
)


def small(**settings):
    network = Network([DenseFlipout(3, 4, "relu"), DenseFlipout(4, 3)], Categorical())
    return Trainer(network, 20, **settings)


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        (np.array([0, 3, 1]), "3 in row 1"),
        (np.array([0, 1, -1]), "-1 in row 2"),
        (np.array([0, 1, 255], np.uint8), "255 in row 2"),
        (np.array([2**64 - 1, 1, 2], np.uint64), "18446744073709551615 in row 0"),
    ],
)
@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_an_id_that_is_no_class_is_named_and_changes_nothing(ids, found, shape):
    trainer, x = small(), np.ones((*shape, 3), np.float32)
    trainer.step(x, np.zeros(shape, np.int64))
    before = trainer.parameters.flat.copy(), trainer.state.moment_2.flat.copy()
    with pytest.raises(ValueError, match=f"whole numbers from 0 to 2, found {found}"):
        trainer.step(x, ids.reshape(shape))
    assert trainer.state.step == 1
    assert np.array_equal(trainer.parameters.flat, before[0])
    assert np.array_equal(trainer.state.moment_2.flat, before[1])


@pytest.mark.parametrize("likelihood", [Normal(), PredictedNormal()], ids=["normal", "predicted"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("weight", [None, np.array([1.0, 0.0, 1.0])], ids=["alike", "without it"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_target_that_is_not_finite_is_named_and_changes_nothing(likelihood, bad, weight, dtype):
    outputs = likelihood.outputs_of(1)
    trainer = Trainer(Network([DenseFlipout(3, outputs)], likelihood), 20, dtype=dtype)
    x, y = np.ones((3, 3), dtype), np.zeros((3, 1), dtype)
    trainer.step(x, y, weight)
    before = trainer.parameters.flat.copy()
    y[1] = bad
    with pytest.raises(ValueError, match=f"y: expected finite numbers, found {bad} in row 1"):
        trainer.step(x, y, weight)
    assert trainer.state.step == 1
    assert np.array_equal(trainer.parameters.flat, before)


@pytest.mark.parametrize(
    ("likelihood", "y"),
    [
        (Normal(), np.zeros(3)),
        (Normal(), np.zeros((3, 2))),
        (PredictedNormal(), np.zeros(3)),
        (PredictedNormal(), np.zeros((3, 2))),
        (Bernoulli(), np.full((3, 1), 2.0)),
        (Bernoulli(), np.full((3, 1), -0.5, np.float32)),
        (Categorical(), np.zeros((3, 2), np.int64)),
    ],
)
def test_targets_that_do_not_fit_are_refused_with_numpys_words(likelihood, y):
    words = []
    for backend in ("numba", "numpy"):
        network = Network([DenseFlipout(3, likelihood.outputs_of(1))], likelihood)
        trainer = Trainer(network, 20, backend=backend)
        with pytest.raises(ValueError, match="y: expected") as refusal:
            trainer.step(np.ones((3, 3), np.float32), y)
        assert trainer.state.step == 0
        words.append(str(refusal.value))
    assert words[0] == words[1]


@pytest.mark.parametrize("likelihood", [Normal(), PredictedNormal()], ids=["normal", "predicted"])
@pytest.mark.parametrize("given", ["float32", ">f4", "float64", "float16", "int8", "list"])
@pytest.mark.parametrize("shape", [(4, 2), (2, 2, 2)])
def test_targets_of_any_dtype_are_the_same_numbers(likelihood, given, shape):
    numbers, states = np.arange(8.0).reshape(shape), []
    for y in (numbers, numbers.tolist() if given == "list" else numbers.astype(given)):
        network = Network([DenseFlipout(3, likelihood.outputs_of(2))], likelihood)
        trainer = Trainer(network, 20)
        trainer.step(np.ones((*shape[:-1], 3), np.float32), y)
        states.append(trainer.parameters.flat.tobytes())
    assert states[0] == states[1]


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.int64, np.float32])
def test_ids_of_any_dtype_are_the_same_classes(dtype):
    outputs = []
    for ids in (np.array([0, 1, 1]), np.array([0, 1, 1], dtype)):
        trainer = small()
        trainer.step(np.ones((3, 3), np.float32), ids)
        outputs.append(trainer.parameters.flat.tobytes())
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("convention", ["paper", "keras"])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.5), (0.999999, 0.25)])
def test_adams_factors_are_exact(convention, betas):
    adam = Adam(0.01, *betas, convention=convention)
    trainer = small(adam=adam)
    for step in (0, 1, 99, 12_345, 2**31):
        trainer.state.step = step
        trainer.step(np.ones((1, 3), np.float32), np.zeros(1, np.int64))
        run = trainer.workspace(1).for_step(1).parts[0].chain.runner.this
        with mpmath.workdps(40):
            first, second = (1 - mpmath.mpf(beta) ** (step + 1) for beta in betas)
            wanted = adam.learning_rate / first, 1 / mpmath.sqrt(second)
            if convention == "keras":
                wanted = adam.learning_rate * mpmath.sqrt(second) / first, 1
            for found, exact in zip((run.rate, run.scale), wanted, strict=True):
                assert abs(found / exact - 1) < 1e-15


@pytest.mark.parametrize("likelihood", [Normal(), PredictedNormal()], ids=["normal", "predicted"])
@pytest.mark.parametrize("large", ["target", "weight"])
def test_a_number_beyond_float32_is_refused_as_numpy_refuses_it(likelihood, large):
    y, weight = np.zeros((3, 1)), np.ones(3)
    (y if large == "target" else weight)[1] = 1e39
    for backend in ("numpy", "numba"):
        network = Network([DenseFlipout(3, likelihood.outputs_of(1))], likelihood)
        trainer = Trainer(network, 20, backend=backend)
        before = trainer.parameters.flat.copy()
        with pytest.raises(NonFinite, match="step 1: expected finite values"):
            trainer.step(np.ones((3, 3), np.float32), y, weight)
        assert trainer.state.step == 0
        assert np.array_equal(trainer.parameters.flat, before)
