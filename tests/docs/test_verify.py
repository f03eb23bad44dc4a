"""The complete programs of docs/verify.md: right as they are, named with their planted mistake."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "verify"
PROGRAMS = {  # its needs, and what its planted mistake must be called
    "pytorch_untouched": (("torch",), "kl-averaged-over-weights: the KL"),
    "pytorch_layer": (("torch",), "named: sigma-exp in"),
    "jax_layer": (("jax",), "named: kl-twice in"),
    "equinox_layer": (("equinox", "jax"), "named: sign-output-missing in"),
    "keras_layer": (("keras", "tensorflow"), "named: kl-averaged-over-weights in"),
    "tfp_model": (("tensorflow_probability", "tf_keras"), "nll-summed: the negative"),
}
QUICK = ("pytorch_untouched", "pytorch_layer")  # the others wait for their compilers


def run(name, *words):
    return subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", *words], capture_output=True, text=True,
        timeout=600, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
             for name in PROGRAMS]
)  # fmt: skip
def test_a_program_is_right_and_its_mistake_is_named(name):
    needs, told = PROGRAMS[name]
    missing = [need for need in needs if importlib.util.find_spec(need) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    right = run(name)
    assert right.returncode == 0, right.stdout + right.stderr[-2000:]
    assert ": agrees" in right.stdout
    wrong = run(name, "--mistake")
    assert wrong.returncode == 1, wrong.stdout + wrong.stderr[-2000:]
    assert told in wrong.stdout, wrong.stdout


def test_the_page_shows_every_program():
    page = (FOLDER.parent / "verify.md").read_text()
    for name in PROGRAMS:
        assert f"verify/{name}.py" in page
