"""Convolutions and pooling against TFP's own layers, PyTorch's and JAX's, in float64."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import convolved_elsewhere
import pytest
from tolerances import FRAMEWORK_FLOAT64

from bnn_ref import loss_and_gradients
from bnn_ref.layers import conv_flipout

NEEDS = {"tfp": "tensorflow_probability", "torch": "torch", "jax": "jax"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("tfp", marks=pytest.mark.slow),
        pytest.param("jax", marks=pytest.mark.slow),
        "torch",
    ],
)
def test_outputs_losses_and_gradients(name):
    """TFP with its own layers and the draws replayed; the others by formula. Limit 1e-12."""
    if importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [sys.executable, Path(convolved_elsewhere.__file__), name], capture_output=True, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    errors = json.loads(done.stdout.splitlines()[-1])
    assert len(errors) == 16
    assert max(errors.values()) < FRAMEWORK_FLOAT64, errors


def test_a_kernel_that_is_turned_would_be_seen(monkeypatch):
    """The check itself, against the answer of PyTorch: a convolution in the textbooks' sense."""
    pytest.importorskip("torch")
    problem = convolved_elsewhere.make_problem()
    exact = convolved_elsewhere.with_torch(*problem)
    network, p, x, y, noise = problem
    turned = lambda self, kernel: kernel[::-1, ::-1].reshape(-1, self.filters)  # noqa: E731
    monkeypatch.setattr(conv_flipout.Conv2DFlipout, "_matrix", turned)
    found = loss_and_gradients(network, p, x, y, noise, convolved_elsewhere.KL_WEIGHT)
    assert convolved_elsewhere.errors(exact, found)["outputs"] > 0.01
