"""The README says what happens: its example is run, its commands are two, its files exist."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_there_are_exactly_two_set_up_commands_of_one_line():
    commands = blocks("sh")
    assert len(commands) == 2
    assert all(command.count("\n") == 1 for command in commands)
    assert commands[0].strip().endswith("bnn-ref train")
    assert commands[1].strip().endswith("-m pytest -q")


def test_the_example_prints_what_is_printed_below_it():
    (example, _), (printed,) = blocks("python"), blocks("text")
    assert example.count("\n") <= 15
    found = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True,
                           check=True).stdout  # fmt: skip
    assert NUMBER.sub("#", found) == NUMBER.sub("#", printed)
    for f, p in zip(NUMBER.findall(found), NUMBER.findall(printed), strict=True):
        # what training rounds differently on another machine may move a last digit or two
        assert float(f) == pytest.approx(float(p), rel=0.01, abs=0.03)


def test_every_file_it_names_exists():
    named = re.findall(r"`((?:bnn_ref|docs|bench|kernels|tests)/[\w./]*)`", README + CONTRIBUTING)
    assert len(named) > 8
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []


def test_its_links_and_pictures_lead_to_files():
    """In the repository as they stand; in the packages' description they are absolute."""
    pattern = re.compile(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"')
    here = ["".join(found) for found in pattern.findall(README)]
    here = [link for link in here if not link.startswith("#")]
    inside = [link for link in here if not link.startswith("https:")]
    assert len(inside) > 20
    assert [link for link in inside if not (ROOT / link.partition("#")[0]).exists()] == []
    shown = runpy.run_path(str(ROOT / "setup.py"))["description"]()
    there = ["".join(found) for found in pattern.findall(shown)]
    there = [link for link in there if not link.startswith("#")]
    assert len(there) == len(here)
    assert all(link.startswith("https:") for link in there)


def test_a_reader_of_tfps_example_finds_the_term_on_this_page_and_in_one_command():
    """What the KL is made of, both forms, and whether to divide: the same words in either place."""
    from bnn_ref.explain import explain, small_subject

    section = README[README.index("## What is that KL term?") : README.index("## Verify your")]
    said = explain("kl", small_subject()).text()
    words = {"sum(model.losses)", "kernel_divergence_fn", "KL(", "/ N", "batch size"}
    words |= {"squared mean", "variance", "log", "constant"}
    assert {word for word in words if word not in section} == set()
    assert {word for word in words if word not in said} == set()


def test_every_command_it_names_exists():
    from bnn_ref.cli import COMMANDS

    named = {word for row in re.findall(r"`bnn-ref ([a-z]+)", README) for word in row.split()}
    named |= set(re.findall(r"`(evaluate|predict|check|verify|uci)`", README))
    assert named <= set(COMMANDS)


def test_the_lines_and_tables_of_times_are_those_of_the_results():
    found = subprocess.run([sys.executable, ROOT / "tools" / "publish_bench.py", "--check"],
                           capture_output=True, text=True)  # fmt: skip
    assert (found.returncode, found.stdout) == (0, "")
