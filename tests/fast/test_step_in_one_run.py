"""What a step in one run does by itself: it looks at class ids, and finds Adam's factors."""

import mpmath
import needs_numba  # noqa: F401
import numpy as np
import pytest

from bnn_ref import Adam, Categorical, DenseFlipout, Network, Trainer


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
