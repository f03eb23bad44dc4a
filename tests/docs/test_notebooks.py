"""The notebooks: what each has to have, and (slow) the whole site built with warnings as errors."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOKS = [*sorted((DOCS / "tutorials").glob("[0-9]-*.md")), DOCS / "failures.md"]
CELL = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```", re.MULTILINE | re.DOTALL)


def cells(path):
    """Return (tags, code) of every cell of a notebook."""
    found = []
    for text in CELL.findall(path.read_text("utf-8")):
        tags = re.match(r"((?::.*\n)*)", text)[1]
        found.append((tags, text[len(tags) :]))
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_python_with_a_picture_and_a_check(path):
    for _, code in cells(path):
        compile(code, path.name, "exec")
    every = "\n".join(code for _, code in cells(path))
    assert "assert " in every
    assert "plot." in every or "plt.subplots" in every


@pytest.mark.parametrize("path", NOTEBOOKS[:-1], ids=lambda path: path.stem)
def test_a_tutorial_has_five_exercises_with_folded_solutions(path):
    text = path.read_text("utf-8")
    assert re.findall(r"^\*\*(\d)\.\*\* ", text, re.MULTILINE) == list("12345")
    assert len([tags for tags, _ in cells(path) if "hide-cell" in tags]) == 5
    assert f"{{nb-download}}`{path.stem}.ipynb`" in text
    assert path.stem in (DOCS / "tutorials" / "index.md").read_text("utf-8")


def test_the_kl_terms_notebook_runs(monkeypatch):
    """The first one in whole, as the quick run's sample of the others."""
    pytest.importorskip("matplotlib").use("Agg")
    space = {}
    for _, code in cells(NOTEBOOKS[0]):
        exec(compile(code, NOTEBOOKS[0].name, "exec"), space)
    assert space["scores"]["1 (undivided)"].accuracy < 0.3


def test_every_toy_goes_from_import_to_picture_in_three_lines():
    rows = re.findall(r"^\| [a-z ]+ \| (`[^|]+`) \|", (DOCS / "start.md").read_text("utf-8"), re.M)
    assert len(rows) == 6
    for row in rows:
        assert len(re.findall(r"`([^`]+)`", row)) == 3


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_toys_lines_run():
    pytest.importorskip("matplotlib").use("Agg")
    pytest.importorskip("sklearn")
    for row in re.findall(r"^\| [a-z ]+ \| (`[^|]+`) \|", (DOCS / "start.md").read_text(), re.M):
        head = "from bnn_ref import plot, toys\nfrom bnn_ref.sklearn import *\n"
        exec(head + "\n".join(re.findall(r"`([^`]+)`", row)), {})


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_site_builds_without_a_warning(tmp_path):
    for name in ("sphinx", "myst_nb", "numpydoc", "pydata_sphinx_theme", "sphinx_design"):
        pytest.importorskip(name)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", DOCS, tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    executed = {path.stem for path in tmp_path.glob("**/*.ipynb")}
    assert {path.stem for path in NOTEBOOKS[:-1]} <= executed
