"""The tutorial runs, says what it did not run, and its cells are short."""

import builtins
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.py"
SECTIONS = 9


def cells():
    """Return (is prose, text) of each cell in order."""
    parts = re.split(r"^# %%(.*)\n", TUTORIAL.read_text("utf-8"), flags=re.MULTILINE)
    assert parts[0] == ""
    return [
        (kind == " [markdown]", text) for kind, text in zip(parts[1::2], parts[2::2], strict=True)
    ]


@pytest.fixture(scope="module")
def printed(request):
    """What the whole script prints, with MNIST where the data folder has it."""
    environment = {**os.environ}
    if request.config.getoption("--data"):
        environment["BNN_REF_DATA"] = request.config.getoption("--data")
    done = subprocess.run([sys.executable, str(TUTORIAL)], capture_output=True, text=True,
                          env=environment, timeout=300, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_runs_and_every_section_prints(printed):
    for line in ("sigma = log(1 + exp(", "gradient by rho", "layers[1]", "KL / B (B = 128)",
                 "flipout  standard deviations", "layers.1.bias_mu", "held-out accuracy",
                 "never inked", "the least certain held-out image", "static noise"):  # fmt: skip
        assert line in printed, line
    assert max(map(len, printed.splitlines())) <= 100


def test_it_learns_the_digits(printed):
    accuracy = float(re.search(r"^accuracy (\S+),", printed, re.MULTILINE)[1])
    assert accuracy > 0.93


def test_it_trains_on_mnist(printed, mnist_folder):
    assert float(re.search(r"test images: accuracy (\S+);", printed)[1]) > 0.9


def test_it_ends_with_a_gradient_that_jax_confirms(printed):
    pytest.importorskip("jax")
    assert printed.endswith("all gradients agree with JAX\n")


def test_what_is_absent_is_skipped_in_one_line(monkeypatch, capsys):
    """The cells of the MNIST and JAX sections, and those that they build on."""
    monkeypatch.setenv("BNN_REF_DATA", "/nowhere")
    real = builtins.__import__

    def without_jax(name, *more, **options):
        if name.split(".")[0] == "jax":
            raise ImportError(name)
        return real(name, *more, **options)

    monkeypatch.setattr(builtins, "__import__", without_jax)
    section, names = 0, {}
    for is_prose, text in cells():
        if is_prose:
            section = int(found[1]) if (found := re.match(r"# ## (\d)", text)) else section
        elif section in (0, 8, 9):
            exec(compile(text, str(TUTORIAL), "exec"), names)
    assert capsys.readouterr().out.splitlines() == [
        "MNIST: skipped, for BNN_REF_DATA names no folder that holds mnist/",
        "JAX: skipped, for it is not installed (python -m pip install jax)",
    ]


def test_prose_and_code_alternate_in_short_cells():
    kinds = [is_prose for is_prose, _ in cells()]
    assert kinds[0]
    assert kinds[-1]
    prose = "".join(text for is_prose, text in cells() if is_prose)
    assert re.findall(r"^# ## (\d)\.", prose, re.MULTILINE) == [str(n + 1) for n in range(SECTIONS)]
    for is_prose, text in cells():
        lines = text.strip().splitlines()
        assert len(lines) <= (14 if is_prose else 34), lines[0]
        assert not is_prose or all(line.startswith("#") for line in lines), lines[0]


def test_the_prose_holds_no_result():
    """Numbers with decimals are printed by a cell, never typed into the text."""
    prose = "".join(text for is_prose, text in cells() if is_prose)
    assert re.findall(r"\d\.\d", prose) == []
