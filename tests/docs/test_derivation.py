"""The derivation and the code find each other: lines, equations, functions, tests, commands."""

import ast
import importlib
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

import bnn_ref
from bnn_ref.cli import main

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8")
FILES = ("reference", "layers.base", "layers.sigmas", "layers.posterior",
         "layers.dense_flipout", "layers.local", "layers.independent",
         "likelihoods.base", "likelihoods.bernoulli", "likelihoods.categorical",
         "likelihoods.normal", "likelihoods.predicted_normal", "likelihoods.reduction",
         "priors.normal", "priors.laplace", "priors.mixture", "priors.learned", "step.adam",
         "activations", "elementary", "prediction.predicting", "layers.dense", "layers.dropout",
         "layers.elementwise", "layers.normalising", "layers.layer_norm", "layers.batch_norm",
         "layers.residual", "layers.convolution", "layers.conv_flipout", "layers.pool",
         "layers.window", "priors.scaled", "layers.point", "layers.conv")  # fmt: skip
OF_THE_STEP = ("reference", "layers.base", "layers.sigmas", "layers.posterior",
               "layers.dense_flipout", "layers.local", "layers.independent", "layers.conv_flipout",
               "layers.pool")  # fmt: skip
NUMBERS = re.compile(r"E(\d+)(?: to E(\d+))?")
FORMULAS = {"softplus", "sigmoid", "sigma", "kl", "kl_parts", "kl_gradient", "perturb",
            "perturb_backward", "function", "nll_and_gradient", "update", "layer_kl",
            "average", "forward", "backward", "sum", "draw_weights", "draw_outputs", "in_blocks",
            "derivative", "slope"}  # fmt: skip
NO_FORMULA = {"in_blocks", "chain", "initial", "num_random", "kl_parts", "kl", "from_json",
              "to_json", "describe", "__post_init__", "_settle_options", "describe_sizes",
              "sizes_to_json", "output_shape"}  # fmt: skip


def defined(path):
    return {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }


def source(file):
    return (ROOT / "bnn_ref" / f"{file.replace('.', '/')}.py").read_text(encoding="utf-8")


def numbers(text):
    """Return the equations that a comment or a table's cell names, ranges written out."""
    found = set()
    for first, last in NUMBERS.findall(text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def in_comments(lines):
    return numbers(
        "; ".join(line.split("  # ")[-1] for line in lines if re.search(r"# .*\bE\d", line))
    )


def functions(file):
    """Yield (name, node) of every function and method of a file."""
    for node in ast.parse(source(file)).body:
        if isinstance(node, ast.FunctionDef):
            yield f"bnn_ref.{file}.{node.name}", node
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef):
                    yield f"bnn_ref.{file}.{node.name}.{method.name}", method


def by_function(file):
    """Return name of each function or method to the equations in its comments."""
    lines = source(file).splitlines()
    found = {name: in_comments(lines[node.lineno - 1 : node.end_lineno])
             for name, node in functions(file)}  # fmt: skip
    return {name: named for name, named in found.items() if named}


def equations():
    """Return number to the text of each equation."""
    parts = re.split(
        r"^\*\*\(E(\d+)\)\*\*", TEXT[: TEXT.index("## Where the lines are")], flags=re.M
    )
    return {int(n): text for n, text in zip(parts[1::2], parts[2::2], strict=True)}


def table():
    """Return function to equations, as the derivation's table has them."""
    rows = re.findall(r"^\| `(bnn_ref[\w.]+)` \| (E[^|]*) \|$", TEXT, re.MULTILINE)
    return {name: numbers(cell) for name, cell in rows}


def is_formula(node):
    """Whether a statement computes: it has arithmetic, or calls a formula."""
    if not isinstance(node, (ast.Assign, ast.AugAssign, ast.Return)) or node.value is None:
        return False
    if isinstance(node, ast.AugAssign) and not isinstance(node.value, ast.Constant):
        return True
    for part in ast.walk(node.value):
        if isinstance(part, ast.BinOp) and not isinstance(part.op, (ast.FloorDiv, ast.BitOr)):
            return True
        if isinstance(part, ast.Call):
            name = getattr(part.func, "attr", getattr(part.func, "id", None))
            if name in FORMULAS:
                return True
    return False


@pytest.mark.parametrize("file", OF_THE_STEP)
def test_every_formula_of_the_step_has_its_equation(file):
    """Issue 7, "must show" 4. The trainer's counting of steps is no formula."""
    lines = source(file).splitlines()
    bare = []
    for name, function in functions(file):
        if name.rpartition(".")[2] in NO_FORMULA:
            continue
        for node in ast.walk(function):
            if not is_formula(node):
                continue
            above = lines[node.lineno - 2].strip()
            place = lines[node.lineno - 1 : node.end_lineno]
            if not in_comments([*place, "  " + above if above.startswith("#") else ""]):
                bare.append(f"{name}: {lines[node.lineno - 1].strip()}")
    assert bare == []


def test_a_formula_without_its_equation_would_be_found():
    tree = ast.parse("a = h @ mu\nt.x = sigmoid(r)\ntotal += y\nb = h.T\nn = len(x) // 2")
    assert [is_formula(node) for node in tree.body] == [True, True, True, False, False]
    assert in_comments(["a = h @ mu  # (B, O), E3"]) == {3}
    assert in_comments(["f(x)  # E1 to E3"]) == {1, 2, 3}
    assert in_comments(["scale = 1e-7  # TFP1 and 2E"]) == set()


def test_the_table_is_what_stands_in_the_code():
    code = {}
    for file in FILES:
        code |= by_function(file)
    assert table() == code


def test_every_equation_is_somewhere_in_the_code_and_names_where():
    everywhere = {name: found for file in FILES for name, found in by_function(file).items()}
    for number, text in equations().items():
        places = {name for name, found in everywhere.items() if number in found}
        assert places, f"E{number}"
        if not 9 <= number <= 15:  # these name their function and tests once, before E9
            assert places & set(re.findall(r"`(bnn_ref[\w.]+)`", text)), f"E{number}"
            assert "held by" in text, f"E{number}"


def test_every_named_function_exists():
    names = set(re.findall(r"`(bnn_ref(?:\.\w+)+)`", TEXT))
    assert len(names) > 10
    for name in names:
        found, _, rest = bnn_ref, *name.partition(".")[1:]
        for part in rest.split("."):
            if not hasattr(found, part):
                importlib.import_module(f"{found.__name__}.{part}")
            found = getattr(found, part)
        assert callable(found) or isinstance(found, property), name


def test_every_named_test_exists():
    names = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT))
    assert len(names) > 20
    for path, test in names:
        assert test in defined(ROOT / path), f"{path}::{test}"


def test_equations_are_numbered_in_order_and_references_resolve():
    found = [int(n) for n in re.findall(r"^\*\*\(E(\d+)\)\*\*", TEXT, re.MULTILINE)]
    assert found == sorted(set(found))
    assert re.search(r"^\*\*\(E0\)\*\*", (ROOT / "docs/objective.md").read_text("utf-8"), re.M)
    assert {int(n) for n in re.findall(r"E(\d+)", TEXT)} == {0, *found}


def test_every_equation_is_set_with_its_number():
    for number, text in equations().items():
        assert f"\\tag{{E{number}}}$$" in text.replace("\n", " "), f"E{number}"


def test_every_function_of_the_step_has_its_equations():
    for name in defined(ROOT / "bnn_ref" / "reference.py") - {"prepare", "kl", "kl_parts"}:
        assert f"| `bnn_ref.reference.{name}` | " in TEXT, name


def commands():
    """Return (command, what it prints) of every line of the blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return [tuple(line.rsplit("  # ", 1)) for block in blocks for line in block.splitlines()]


def test_every_command_says_what_it_prints():
    assert len(commands()) > 20
    assert all(len(command) == 2 for command in commands())
    asked = [Path(c.split()[-1]) for c, _ in commands() if c.startswith("bnn-ref check")]
    files = (ROOT / "bnn_ref/verification/vectors/suite_files").glob("disagree-*.npz")
    named, suite = ({path.stem.replace("-v2", "") for path in group} for group in (asked, files))
    known = suite - {"disagree-factor", "disagree-nan", "disagree-one-entry"}
    assert known <= named  # those three are numbers that no convention explains


@pytest.mark.parametrize("command", commands(), ids=lambda command: command[1])
def test_every_command_prints_what_is_said_behind_it(command, capsys, monkeypatch, request):
    words, printed = shlex.split(command[0]), command[1]
    monkeypatch.chdir(ROOT)
    if words[0] == "bnn-ref":
        code = main(words[1:])
        out = capsys.readouterr().out
        assert code == (1 if "disagree" in words[-1] else 0)
    else:
        assert words[:2] == ["python", "-c"]
        libraries = re.findall(r"\b(bayesian_torch|jax|torch)\b", words[2])
        for library in libraries:
            if importlib.util.find_spec(library) is None:
                pytest.skip(f"{library} is not installed")
        process = "jax" if "jax" in libraries else "torch"
        out = request.getfixturevalue("frameworks").run(process, words[2])
    assert printed in out


def test_the_figures_of_when_flipout_pays_are_those_of_the_bench():
    """Each number of the section's tables is one of `docs/bench/variance.md`, rounded."""
    section = TEXT[TEXT.index("## When Flipout pays") :]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    cells = [cell for row in rows for cell in row.split("|")[2:] if re.search(r"\d", cell)]
    printed = re.findall(
        r"-?\d[\d.e+-]*", " ".join(c for c in cells if "=" not in c and "log" not in c)
    )
    text = (ROOT / "docs" / "bench" / "variance.md").read_text(encoding="utf-8")
    bench = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?", text)]
    assert len(printed) > 40
    for one in printed:
        digits = len(one.lstrip("-0.").replace(".", ""))
        assert any(abs(float(f"{b:.{digits}g}") - float(one)) < 1e-12 for b in bench), one
