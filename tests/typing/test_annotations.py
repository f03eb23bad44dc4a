"""Every public name of every room says what it takes and gives, and what it says can be evaluated.

A public name is one of a room's `__all__`. Names that stand under `if TYPE_CHECKING:` are imported
here before annotations are evaluated, as a type checker does.
"""

import ast
import functools
import importlib
import inspect
import types
import typing
from pathlib import Path

import pytest

import bnn_ref

PACKAGE = Path(bnn_ref.__file__).parent


@functools.cache
def rooms():
    """Return every module that has an `__all__` and whose extra is installed, kernels apart."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if {"bench", "kernels"} & set(parts) or "\n__all__" not in path.read_text("utf-8"):
            continue
        try:
            found.append(importlib.import_module(".".join(parts).removesuffix(".__init__")))
        except ImportError:
            continue
    return found


def public(modules):
    """Return name to function or class of what these modules' `__all__` has of the package."""
    found = {}
    for module in modules:
        for name in getattr(module, "__all__", ()):
            one = getattr(module, name)
            if (inspect.isfunction(one) or inspect.isclass(one)) and one.__module__.startswith(
                module.__name__.partition(".")[0]
            ):
                found[f"{one.__module__}.{one.__qualname__}"] = one
    return found


def functions(name, one):
    """Yield (name, function) of a function, or of a class's public methods and properties."""
    if inspect.isfunction(one):
        yield name, one
        return
    for key, value in vars(one).items():
        value = getattr(value, "__func__", getattr(value, "fget", value))
        its_own = inspect.isfunction(value) and value.__module__ == one.__module__
        if its_own and (key == "__init__" or not key.startswith("_")):
            yield f"{name}.{key}", value


def unannotated(modules):
    """Return the names of functions, methods and parameters that say nothing."""
    missing = []
    for name, one in public(modules).items():
        for place, function in functions(name, one):
            signature = inspect.signature(function)
            missing += [f"{place}({parameter.name})" for parameter in signature.parameters.values()
                        if parameter.annotation is parameter.empty
                        and parameter.name not in ("self", "cls")]  # fmt: skip
            if signature.return_annotation is signature.empty:
                missing.append(f"{place} ->")
    return missing


def for_the_checker(module):
    """Return what a module imports under `if TYPE_CHECKING:`, by name; Any where it is absent."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    names = {}
    for block in tree.body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for line in block.body:
                scope = {"__package__": module.__spec__.parent, "__name__": module.__name__}
                try:
                    exec(ast.unparse(line), scope)
                except ImportError:
                    scope |= {alias.asname or alias.name: typing.Any for alias in line.names}
                names |= scope
    return names


def test_every_public_name_is_annotated():
    assert unannotated(rooms()) == []


def test_the_package_has_as_many_public_names_as_one_would_think():
    assert len(public(rooms())) > 150


def test_a_name_that_says_nothing_is_found():
    planted = types.ModuleType("planted")
    code = """
class Rule:
    def __init__(self, size: int) -> None:
        pass
    def draw(self, rows) -> int:
        return rows
    @property
    def size(self):
        return 1
def measure(x: int, *, scale=1.0):
    return x
__all__ = ["Rule", "measure"]
"""
    exec(code, planted.__dict__)
    assert unannotated([planted]) == ["planted.Rule.draw(rows)", "planted.Rule.size ->",
                                      "planted.measure(scale)", "planted.measure ->"]  # fmt: skip


def test_every_annotation_can_be_evaluated():
    seen = 0
    scopes = {}
    for name, one in public(rooms()).items():
        for place, function in [*functions(name, one), (name, one)]:
            module = importlib.import_module(function.__module__)
            if module not in scopes:
                scopes[module] = {**vars(module), **for_the_checker(module)}
            try:
                own = dict(vars(function))
                hints = inspect.get_annotations(
                    function, globals=scopes[module], locals=own, eval_str=True
                )
            except (NameError, TypeError) as error:
                pytest.fail(f"{place}: {error}")
            seen += len(hints)
    assert seen > 500


def test_a_type_checker_sees_what_verification_imports_when_asked():
    names = for_the_checker(importlib.import_module("bnn_ref.verification"))
    assert {name for name in names if not name.startswith("__")} == set(
        bnn_ref.verification.__all__
    )
