"""The API pages hold every public name: one that is added to the package is added there."""

import importlib
import re
from pathlib import Path

import pytest

API = Path(__file__).resolve().parents[2] / "docs" / "api"
ROOMS = ("bnn_ref", "bnn_ref.layers", "bnn_ref.priors", "bnn_ref.likelihoods", "bnn_ref.plot",
         "bnn_ref.training", "bnn_ref.prediction", "bnn_ref.verification", "bnn_ref.data",
         "bnn_ref.noise", "bnn_ref.exchange")  # fmt: skip


def modules():
    """Return the modules that the pages list, in order."""
    text = "\n".join(path.read_text("utf-8") for path in API.glob("*.md"))
    return re.findall(r"automodule:: ([\w.]+)", text)


def listed():
    return set(modules())


def test_no_module_is_listed_twice():
    assert sorted(modules()) == sorted(listed())


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_on_a_page(room):
    pytest.importorskip("matplotlib")
    module, missing = importlib.import_module(room), []
    names = [] if room in listed() else module.__all__  # a listed room shows what it exports
    for name in names:
        try:
            of = getattr(getattr(module, name), "__module__", None)
        except ImportError:  # of a framework that is not here
            continue
        if of and of.startswith("bnn_ref.") and of not in listed():
            missing.append(f"{of}: {name}")
    assert missing == []


def test_every_page_is_in_the_index():
    pages = {path.stem for path in API.glob("*.md")} - {"index"}
    assert pages == set(re.findall(r"^(\w+)$", (API / "index.md").read_text("utf-8"), re.M))
