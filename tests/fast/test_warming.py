"""`bnn-ref warmup` leaves nothing to compile."""

import needs_numba  # noqa: F401
import processes
import pytest

from bnn_ref.cli import main
from bnn_ref.kernels import cache

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


@pytest.mark.skipif(not cache.trusted.CAN_TELL, reason="others have no permissions here")
@pytest.mark.parametrize(("package", "kernels", "told"), [
    (0o755, 0o755, False), (0o755, 0o700, True), (0o750, 0o700, True), (0o700, 0o700, False),
])  # fmt: skip
def test_a_folder_that_the_umask_closed_is_told_of(
    tmp_path, monkeypatch, capsys, package, kernels, told
):
    """Python makes the folder of an installation's kernels, for bytecode, before they are kept."""
    folder = tmp_path / "its kernels"
    folder.mkdir()
    folder.chmod(kernels)
    tmp_path.chmod(package)
    monkeypatch.setattr(cache, "PACKAGE", tmp_path)
    monkeypatch.setattr(cache, "INSTALLED", folder)
    monkeypatch.setattr("bnn_ref.fast.warming.warm_up", lambda dtype: str(folder))
    assert main(["warmup", "--dtype", "float32"]) == 0
    assert (f"chmod go+rx '{folder}' lets them in" in capsys.readouterr().out) == told
