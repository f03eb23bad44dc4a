"""The derivation names functions and tests that exist, and leaves no function of the step out."""

import ast
import importlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8")


def defined(path):
    return {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }


def test_every_named_function_exists():
    names = set(re.findall(r"`(bnn_ref(?:\.\w+)+)`", TEXT))
    assert len(names) > 10
    for name in names:
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(module), function)), name


def test_every_named_test_exists():
    names = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT))
    assert len(names) > 15
    for path, test in names:
        assert test in defined(ROOT / path), f"{path}::{test}"


def test_equations_are_numbered_in_order_and_references_resolve():
    numbers = [int(n) for n in re.findall(r"^\*\*\(E(\d+)\)\*\*", TEXT, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {int(n) for n in re.findall(r"E(\d+)", TEXT)} == set(numbers)


def test_every_function_of_the_step_has_its_equations():
    no_equation = {"LayerTrace", "prepare", "kl", "in_blocks", "draw_outputs"}
    for name in defined(ROOT / "bnn_ref" / "reference.py") - no_equation:
        assert f"| `bnn_ref.reference.{name}` | " in TEXT, name
