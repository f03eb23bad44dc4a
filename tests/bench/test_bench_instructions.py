"""Counts of instructions: what is divided by what, the verdict, and valgrind itself where it is."""

import shutil
import subprocess
from argparse import Namespace

import pytest

pytest.importorskip("bench", reason="the bench is not in this checkout")

from bench import instructions
from bench.workers import Launch

STEP = {"a": 1_000_000, "b": 1_004_000, "c": 1_020_000}


@pytest.fixture
def valgrind(monkeypatch):
    """A valgrind that counts 7e8 for a process and `STEP` for each step of a contender."""

    def run(command, **options):
        if command[0] != "valgrind":
            return subprocess.CompletedProcess(command, 0, "", "")
        assert options["env"]["PYTHONHASHSEED"] == "0"
        steps = int(command[-1].rpartition(", ")[2].rstrip(")"))
        contender = command[-1].partition("Server(")[2][1]
        counted = 700_000_000 + steps * STEP[contender]
        return subprocess.CompletedProcess(command, 0, "", f"==1== Collected : {counted}\n")

    monkeypatch.setattr(instructions.subprocess, "run", run)
    monkeypatch.setattr(instructions.shutil, "which", lambda name: name)


def sides(a, b):
    names = [a, b]
    both = {"A": Launch(a), "B": Launch(b)}
    return instructions.versus(both, names, ["4-3/2"], Namespace(dtype="float32"))


def test_a_step_is_what_more_steps_cost(valgrind):
    assert instructions.of_a_step(Launch("a"), "4-3/2", "float32") == 1_000_000


@pytest.mark.parametrize(("b", "code", "word"), [("a", 0, "as many"), ("b", 0, "as many"),
                                                 ("c", 1, "more")])  # fmt: skip
def test_one_percent_more_is_told_and_less_is_not(valgrind, capsys, b, code, word):
    assert sides("a", b) == code
    assert word in capsys.readouterr().out


def test_fewer_instructions_are_no_slowdown(valgrind, capsys):
    assert sides("c", "a") == 0
    assert "fewer" in capsys.readouterr().out


def test_without_valgrind_one_line_says_so(monkeypatch):
    monkeypatch.setattr(instructions.shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="expected valgrind on this machine, found none"):
        instructions.count(Launch("ours_numpy"), "4-3/2", "float32", 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_counts_of_the_same_code_agree():
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    one, other = (instructions.of_a_step(Launch("ours_numpy"), "4-3/2", "float32") for _ in "ab")
    assert one == pytest.approx(other, rel=instructions.LEAST / 2)
