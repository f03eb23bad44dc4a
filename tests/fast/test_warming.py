"""`bnn-ref warmup` leaves nothing to compile."""

import needs_numba  # noqa: F401
import processes

CODE = """
import importlib, pkgutil
import numpy as np
from bnn_ref import *
from bnn_ref import kernels
from bnn_ref.fast.warming import warm_up
from bnn_ref.kernels.entries import Entry
warm_up("float32")
entries = {}
for module in pkgutil.iter_modules(kernels.__path__):
    for name, thing in vars(importlib.import_module(f"bnn_ref.kernels.{module.name}")).items():
        if isinstance(thing, Entry):
            entries[name] = thing
print(len(entries) > 10, [name for name, entry in entries.items() if not entry.versions])
layers = [Conv2DFlipout(3, 3, input_shape=(6, 6, 2), activation="tanh"), AveragePool2D(2),
          LayerNorm(), Flatten(), Dense(12, 6, "gelu"), BatchNorm(), DenseFlipout(6, 4)]
x = np.ones((9, 72), "f4")
before = sum(len(entry.versions) for entry in entries.values())
for likelihood in (Categorical(), Normal(learn_scale=True), PredictedNormal()):
    network = Network(layers, likelihood)
    classes = likelihood.task == "categorical"
    y = np.zeros(9, int) if classes else x[:, :likelihood.targets_of(4)]
    trainer = Trainer(network, 90)
    trainer.step(x, y)
    predict(network, trainer.parameters, x, draws=2)
print(sum(len(entry.versions) for entry in entries.values()) - before)
"""


def test_nothing_is_compiled_after_it():
    process = processes.start(CODE)
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    assert out.splitlines() == ["True []", "0"]
