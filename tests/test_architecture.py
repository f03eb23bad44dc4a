"""The house: which way imports may go, and what starts fast. `.importlinter` draws the arrows."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import bnn_ref

PACKAGE = Path(bnn_ref.__file__).parent
CONTRACTS = Path(__file__).parent.parent / ".importlinter"
FRAMEWORKS = {"jax", "torch", "tensorflow", "tensorflow_probability", "tf_keras", "optax",
              "bayesian_torch", "matplotlib", "sklearn", "dask", "tqdm", "mpmath",
              "pandas"}  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the sources laid out as an installation has them, kernels within."""
    pytest.importorskip("importlinter")
    found = tuple(map(int, version("import-linter").split(".")[:2]))
    if found < (2, 16):  # the last for Python 3.10 is 2.15
        pytest.skip(f"import-linter {version('import-linter')} lacks what the contracts ask for")
    place = tmp_path_factory.mktemp("house")
    sources = shutil.ignore_patterns("__pycache__", "*.npz", "*.gz", "bench")
    shutil.copytree(PACKAGE, place / "bnn_ref", ignore=sources)
    kernels = PACKAGE / "kernels" if (PACKAGE / "kernels").is_dir() else PACKAGE.parent / "kernels"
    shutil.copytree(kernels, place / "bnn_ref" / "kernels", ignore=sources, dirs_exist_ok=True)
    return place


def lint(place):
    """Run the linter there; return its exit code and what it says."""
    code = "from importlinter.cli import lint_imports_command as run; run()"
    done = subprocess.run([sys.executable, "-c", code, "--no-cache", str(CONTRACTS)], cwd=place,
                          env=os.environ | {"PYTHONPATH": str(place)},
                          capture_output=True, text=True, timeout=100)  # fmt: skip
    return done.returncode, done.stdout


def test_imports_go_one_way(house):
    code, text = lint(house)
    assert code == 0, text
    assert "3 kept, 0 broken" in text


@pytest.mark.parametrize(
    ("file", "planted"),
    [
        ("training/trainer.py", "def f():\n    from ..cli import main\n"),
        ("explain/kl.py", "def f():\n    from bnn_ref import cli\n"),
        ("kernels/adam.py", "from ..errors import expected\n"),
        ("kernels/adam.py", "import torch\n"),
        ("likelihoods/base.py", "from .normal import Normal\n"),
        ("a_room_without_a_place.py", ""),
    ],
)
def test_an_import_against_the_arrows_is_found(house, file, planted):
    path = house / "bnn_ref" / file
    before = path.read_text("utf-8") if path.exists() else None
    path.write_text((before or "") + planted, "utf-8")
    try:
        code, text = lint(house)
    finally:
        path.unlink() if before is None else path.write_text(before, "utf-8")
    assert (code, "BROKEN" in text) == (1, True), text


def test_importing_the_package_imports_numpy_alone():
    code = (
        "import sys, bnn_ref; "
        "print([m for m in sys.modules if m.split('.')[0] in "
        f"{FRAMEWORKS | {'numba', 'scipy', 'llvmlite'}!r}])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
