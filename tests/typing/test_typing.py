"""The README's example and typical uses pass mypy --strict and run."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def check(path):
    """Return mypy's exit code and what it says of a file."""
    pytest.importorskip("mypy", reason="mypy is not installed (pip install -e '.[dev]')")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "mypy.ini"), str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    return done.returncode, done.stdout


def test_the_example_of_the_readme(tmp_path):
    code, *_ = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"),
                         re.MULTILINE | re.DOTALL)  # fmt: skip
    (tmp_path / "example.py").write_text(code)
    assert check(tmp_path / "example.py") == (0, "Success: no issues found in 1 source file\n")


def test_typical_uses():
    found = check(HERE / "typical_uses.py")
    assert found == (0, "Success: no issues found in 1 source file\n")


def test_typical_uses_run():
    names = runpy.run_path(str(HERE / "typical_uses.py"))
    assert names["taken"] == 1
    assert names["width"].shape == (40, 1)


def test_a_mistake_is_seen(tmp_path):
    (tmp_path / "mistake.py").write_text(
        "import bnn_ref\nbnn_ref.Network([bnn_ref.DenseFlipout('3', 1)]).init().flat.shpe\n"
    )
    code, text = check(tmp_path / "mistake.py")
    assert code == 1
    assert text.count("error: ") == 2, text
