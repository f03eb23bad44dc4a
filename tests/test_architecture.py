"""The house: which way imports may go, what starts fast, and what an installation holds."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bnn_ref

PACKAGE = Path(bnn_ref.__file__).parent
KERNELS = Path(bnn_ref.kernels.__file__).parent if hasattr(bnn_ref, "kernels") else None

# Rooms from the ground up: a file may import rooms below its own and its own, never above.
STOREYS = [
    {"_version", "errors", "elementary"},
    {"border", "storage"},
    {"activations", "priors", "kernels"},
    {"layers", "likelihoods"},
    {"noise"},
    {"network"},
    {"step"},
    {"fast"},
    {"reference", "backends"},
    {"prediction", "data", "stacks"},
    {"toys", "plot"},
    {"training"},
    {"runs", "verification"},
    {"sklearn", "explain", "sweep"},
    {"report"},
    {"cli"},
    {"__main__"},
]
FRAMEWORKS = {"jax", "torch", "tensorflow", "tensorflow_probability", "tf_keras", "optax",
              "bayesian_torch", "matplotlib", "sklearn", "dask", "tqdm", "mpmath"}  # fmt: skip


def storey(room):
    for height, rooms in enumerate(STOREYS):
        if room in rooms:
            return height
    raise AssertionError(f"room {room!r} has no storey: give it one in STOREYS")


def imports(path):
    """Return (dotted module, is at module level) of every import of a file."""
    package = ["bnn_ref", *path.relative_to(PACKAGE).with_suffix("").parts]
    tree = ast.parse(path.read_text("utf-8"))
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: -node.level] if node.level else []
            base += node.module.split(".") if node.module else []
            if node.level and not node.module:
                found += [(".".join([*base, alias.name]), id(node) in top) for alias in node.names]
            else:
                found.append((".".join(base), id(node) in top))
    return found


def sources():
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"
            or path.parent != PACKAGE]  # fmt: skip


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for module, _ in imports(path):
        parts = module.split(".")
        if parts[0] == "bnn_ref" and len(parts) > 1 and parts[1] != room:
            assert storey(parts[1]) <= storey(room), f"{room} imports {module}"


def test_kernels_import_nothing_of_the_package():
    import bnn_ref.kernels as kernels

    for path in Path(kernels.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            for name in names:
                assert name.split(".")[0] != "bnn_ref", f"{path.name} imports {name}"
                assert name.split(".")[0] not in FRAMEWORKS, f"{path.name} imports {name}"


def test_importing_the_package_imports_numpy_alone():
    code = (
        "import sys, bnn_ref; "
        "print([m for m in sys.modules if m.split('.')[0] in "
        f"{FRAMEWORKS | {'numba', 'scipy', 'llvmlite'}!r}])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
