"""The pieces on the numba back end: the same steps and predictions as the NumPy one's."""

import importlib.util
from pathlib import Path

import needs_numba  # noqa: F401
import numpy as np
import pytest
from tolerances import COMPILED_FLOAT64, COMPILED_TEN_STEPS, relative

from bnn_ref import Trainer, predict

path = Path(__file__).parents[1] / "layers" / "test_pieces.py"
spec = importlib.util.spec_from_file_location("pieces", path)
pieces = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pieces)


QUICK = ("weight decay", "batch norm", "batch norm, frozen", "residual in residual")


@pytest.mark.parametrize("stack", pieces.STACKS)
def test_steps_and_predictions_are_the_references(stack, volume):
    if stack not in volume(QUICK, pieces.STACKS):
        pytest.skip("slow: runs with --slow")
    network, p, x, y = pieces.setting(stack)
    found = []
    for backend in ("numpy", "numba"):
        trainer = Trainer(network, 50, seed=3, dtype="float64", backend=backend, draws_per_step=2)
        for _ in range(3):
            trainer.step(x, y)
        found.append(trainer.state)
    for name in ("parameters", "moment_1", "moment_2"):
        exact, compiled = (getattr(state, name).flat for state in found)
        assert relative(compiled, exact) <= COMPILED_TEN_STEPS, name
    exact, compiled = (predict(network, p, x, draws=3, backend=b) for b in ("numpy", "numba"))
    assert relative(compiled.probabilities, exact.probabilities) <= COMPILED_FLOAT64
    for name in network.fixed:
        before = network.init(3, "float64")[name]
        moved = not np.array_equal(found[1].parameters[name], before)
        assert moved == ("running" in name and "frozen" not in stack), name
