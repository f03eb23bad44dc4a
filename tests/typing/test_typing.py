"""The README's example and typical uses pass mypy --strict and run."""

import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def check(*paths):
    """Return mypy's exit code and what it says of files."""
    pytest.importorskip("mypy", reason="mypy is not installed (pip install -e '.[dev]')")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "mypy.ini")]
    command += map(str, paths)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    return done.returncode, done.stdout


def test_the_example_of_the_readme(tmp_path):
    code, *_ = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"),
                         re.MULTILINE | re.DOTALL)  # fmt: skip
    (tmp_path / "example.py").write_text(code)
    assert check(tmp_path / "example.py") == (0, "Success: no issues found in 1 source file\n")


def test_typical_uses():
    found = check(HERE / "typical_uses.py", HERE / "typical_rooms.py")
    assert found == (0, "Success: no issues found in 2 source files\n")


def test_typical_uses_run():
    names = runpy.run_path(str(HERE / "typical_uses.py"))
    assert names["taken"] == 1
    assert names["width"].shape == (40, 1)


def test_typical_rooms_run(tmp_path):
    names = runpy.run_path(str(HERE / "typical_rooms.py"))
    assert names["verdict"]
    assert names["judged"]
    assert names["keep"](tmp_path / "checkpoint.npz") == 4
    assert names["read"]("")[1].shape == (8, 64)


def test_typical_estimators_run():
    pytest.importorskip("sklearn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # two passes have not converged
        found = runpy.run_path(str(HERE / "typical_rooms.py"))["estimate"]()
    assert found.shape == (82,)


def test_typical_pictures_are_drawn(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    runpy.run_path(str(HERE / "typical_rooms.py"))["draw_pictures"](tmp_path)
    assert (tmp_path / "posterior.png").stat().st_size > 1000


def test_a_mistake_is_seen(tmp_path):
    (tmp_path / "mistake.py").write_text(
        "import bnn_ref\nbnn_ref.Network([bnn_ref.DenseFlipout('3', 1)]).init().flat.shpe\n"
    )
    code, text = check(tmp_path / "mistake.py")
    assert code == 1
    assert text.count("error: ") == 2, text


@pytest.mark.slow
def test_signatures_of_the_package():
    pytest.importorskip("mypy", reason="mypy is not installed (pip install -e '.[dev]')")
    command = [sys.executable, "-m", "mypy", "--config-file", str(HERE / "signatures.ini")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=290)
    assert (done.returncode, "Success" in done.stdout) == (0, True), done.stdout
