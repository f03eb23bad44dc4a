"""The command line as a whole: versions, help, errors on one line, and how fast it starts."""

import json
import os
import subprocess
import sys
from importlib import import_module

import pytest
from command import call

import bnn_ref
from bnn_ref import cli


@pytest.mark.parametrize("words", [["-m", "bnn_ref"], ["-c", "from bnn_ref.cli import main; import "
                                   "sys; sys.exit(main())"]])  # fmt: skip
def test_version_from_both_entries(words):
    done = subprocess.run([sys.executable, *words, "--version"], capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout == f"bnn-ref {bnn_ref.__version__}\n"


def test_help_names_every_command_and_imports_none(capsys):
    called = call(capsys, "--help")
    assert called.code == 0
    for name in cli.COMMANDS:
        assert f"  {name} " in called.out
    code = "import sys; from bnn_ref.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert not {f"bnn_ref.cli.{name}" for name in cli.COMMANDS} & set(loaded)
    assert not {"scipy", "numba", "matplotlib", "sklearn", "jax", "torch"} & set(loaded)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_its_two_functions_and_help(capsys, name):
    module = import_module(f"bnn_ref.cli.{name}")
    assert callable(module.add_arguments)
    assert callable(module.run)
    called = call(capsys, name, "--help")
    assert called.code == 0
    assert f"usage: bnn-ref {name}" in called.out


def test_info(capsys):
    called = call(capsys, "info")
    assert called.code == 0
    for word in ("bnn ref", "numpy", "scipy", "blas threads", "cores", "back end", "cache folder"):
        assert f"\n{word} " in f"\n{called.out}"
    found = json.loads(call(capsys, "info", "--json").out)
    assert found["numpy"] == __import__("numpy").__version__
    assert found["blas_threads"] >= 1


def test_an_interrupt_outside_of_training_is_one_line(capsys, monkeypatch):
    from bnn_ref.cli import info

    def stop(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(info, "run", stop)
    called = call(capsys, "info")
    assert called == (130, "", "bnn-ref: error: interrupted\n")


def test_no_traceback_on_a_missing_extra(capsys, monkeypatch):
    from bnn_ref.cli import info

    def absent(args):
        raise ModuleNotFoundError("No module named 'matplotlib'")

    monkeypatch.setattr(info, "run", absent)
    assert call(capsys, "info") == (2, "", "bnn-ref: error: No module named 'matplotlib'\n")


def test_a_fallback_is_said_on_one_line_and_recorded(tmp_path):
    words = [
        "train",
        "--layers",
        "4",
        "--steps",
        "2",
        "--draws",
        "2",
        "--out",
        str(tmp_path / "run"),
    ]
    done = subprocess.run([sys.executable, "-m", "bnn_ref", *words], capture_output=True, text=True,
                          check=True, env=os.environ | {"NUMBA_DISABLE_JIT": "1"})  # fmt: skip
    assert done.stderr.startswith("bnn-ref: warning: backend 'numba' cannot be used (")
    assert done.stderr.count("\n") == 1
    assert "back end: numpy, float32" in done.stdout
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["settings"]["backend"] == "numpy"
