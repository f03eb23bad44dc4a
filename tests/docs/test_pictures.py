"""The pictures are those that their command draws."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"


@pytest.fixture(scope="module")
def tool():
    return runpy.run_path(str(ROOT / "tools" / "pictures.py"))


def test_the_graph_of_a_layer_is_the_one_that_the_command_draws(tool):
    assert (PICTURES / "layer.svg").read_text("utf-8") == tool["layer"]()


def test_the_graph_names_each_equation_of_a_layer(tool):
    """E1 to E3 forward, E8 to E15 backward; E13 is the KL's derivatives, which E14 joins."""
    drawn = tool["layer"]()
    for number in (1, 2, 3, 8, 9, 10, 11, 12, 14, 15):
        assert f"E{number}<" in drawn


def test_pictures_are_small():
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 300_000


@pytest.mark.slow
def test_the_command_draws_them_all(tool, tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    pytest.importorskip("sklearn")
    tool["main"](tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in PICTURES.iterdir()}
