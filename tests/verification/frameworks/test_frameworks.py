"""Live frameworks: answers by their own layers and differentiation, held against ours.

Each runs in a process of its own, `helpers/framework_process.py`.
"""

import json
import sys

import numpy as np
import pytest
from command import call
from tolerances import FRAMEWORK_FLOAT32, FRAMEWORK_FLOAT64

from bnn_ref.verification import live
from bnn_ref.verification.frameworks import (
    FRAMEWORKS,
    Adapter,
    FrameworkMissing,
    draws,
    installed,
    load,
)
from bnn_ref.verification.vectors.questions import new_question

THEIRS = ("jax", "torch", "tfp", "bayesian-torch")
SOURCE = {"tfp": "tensorflow-probability"}


def need(name):
    """Skip, with the reason, where a framework is not installed."""
    if not installed(name):
        pytest.skip(f"{name} is not installed")


ASKED = """
import sys
from bnn_ref.cli import main
from bnn_ref.verification.frameworks import CannotAnswer, load
from bnn_ref.verification.vectors import read
from bnn_ref.verification.vectors.comparison import compare
from bnn_ref.verification.vectors.suite import files
name, folder, *dtypes = sys.argv[1:]
assert main(["verify", "--json", "--against", name]) == 0
print("end of the report")
for i, (bias, likelihood) in enumerate([("none", "normal"), ("deterministic", "categorical"),
                                        ("normal", "bernoulli"), ("normal_flipped", "normal")]):
    for dtype in dtypes or (("float64", "float32")[i % 2],):
        question, answer = f"{folder}/{bias}-{dtype}-q.npz", f"{folder}/{bias}-{dtype}.npz"
        assert main(["vectors", "new", "--layers", "7,6,3", "--batch", "5", "--bias", bias,
                     "--activation", ("gelu", "relu", "elu", "softplus")[i], "--dtype", dtype,
                     "--likelihood", likelihood, "--scale", "0.5", "--kl-weight", "0.1",
                     "--output-activation", ("linear", "tanh")[i % 2], "--prior", "0.2,0.7",
                     "--scale-shift", "0", "-o", question]) == 0
        print("code", main(["vectors", "answer", question, "-o", answer, "--with", name]))
print("version 2")
limits = dict(float64=1e-12, float32=2e-5)
part = slice(None) if name != "jax" else slice(1, None, 2) if dtypes else slice(0, None, 6)
for path in [path for path in files((2,)) if path.name.startswith("agree")][part]:
    question = read(path).question()
    try:
        found = load(name).answer(question)
    except CannotAnswer as error:
        print("declined", path.stem, error)
        continue
    comparison = compare(question.answer(found, name), limits[question.dtype])
    print("agrees" if comparison.agrees else "DISAGREES", path.stem, comparison.first)
"""
ANSWERED = {"jax": 4, "torch": 4, "tfp": 3, "bayesian-torch": 2}  # of 4 kinds of bias
ANSWERED_2 = {"jax": 43, "torch": 43, "tfp": 25, "bayesian-torch": 1}  # of 43


@pytest.mark.parametrize("name", ["numba", *THEIRS])
def test_a_framework_agrees_and_its_answers_pass_check(
    name, frameworks, tmp_path, capsys, volume, monkeypatch
):
    """`verify` and `answer` in one process, which loads the framework once and prints no noise.

    Every kind of bias in one dtype; with --slow in both. Of version 2 JAX and PyTorch answer all
    (JAX, which compiles each, quickly a sixth, with --slow half of the others); TFP's layers
    Normal priors and, by its densities, mixtures, convolutions among them.
    """
    need(name)
    dtypes = volume((), ("float64", "float32"))
    if name == "numba":  # ours, which this process has imported
        monkeypatch.setattr(sys, "argv", ["-c", name, str(tmp_path), *dtypes])
        exec(ASKED, {})
        printed = capsys.readouterr().out
    else:
        printed = frameworks.run(name, ASKED, name, tmp_path, *dtypes)
    agrees(name, json.loads(printed.split("end of the report")[0]))
    told = [line.split()[0] for line in printed.splitlines() if "agree-v2-" in line]
    assert "DISAGREES" not in told, printed
    if name == "numba":  # which answers no vector by itself
        return
    if name == "jax":
        assert told == ["agrees"] * (21 if dtypes else 8)
    else:
        assert (len(told), told.count("agrees")) == (43, ANSWERED_2[name])
    times = max(len(dtypes), 1)
    assert printed.count("code 0") == ANSWERED[name] * times
    assert printed.count("code 2") == (4 - ANSWERED[name]) * times
    for dtype, limit in (("float64", FRAMEWORK_FLOAT64), ("float32", FRAMEWORK_FLOAT32)):
        files = sorted(tmp_path.glob(f"*{dtype}.npz"))
        found = call(capsys, "check", "--limit", limit, *files)
        assert found.code == 0, found.out
        assert f"computed by {SOURCE.get(name, name)} " in found.out
    if name == "tfp":
        assert "bias: TFP's layers have no flipped bias" in printed
    if name == "bayesian-torch":
        assert "bias: LinearFlipout has none or normal_flipped, not deterministic" in printed
        assert "draw their signs anew at every place" in printed


def agrees(name, reports):
    (report,) = reports
    assert report["agrees"], report
    assert report["faults"] == []
    assert set(report["errors"]) == {"outputs", "nll", "kl", "loss", "gradients", "float32"}
    assert report["errors"]["float32"] < FRAMEWORK_FLOAT32
    for column, error in report["errors"].items():
        assert column == "float32" or error < FRAMEWORK_FLOAT64, (column, error)
    assert report["own_layer"] == ("" if name in ("jax", "torch") else "Flipout")
    if name != "jax":  # whose Adam is optax, a package of its own
        assert report["adam"] < report["adam_limit"]
    assert ("a mean; summed" in report["own_kl"]) == (name == "bayesian-torch")
    assert SOURCE.get(name, name) in report["source"]


def test_what_is_not_installed_is_listed_as_such(monkeypatch, capsys):
    for name in ("jax", "tfp"):
        absent = FRAMEWORKS[name]._replace(needs=("a_module_that_is_not_there",))
        monkeypatch.setitem(FRAMEWORKS, name, absent)
    found = call(capsys, "verify", "--against", "jax,tfp")
    assert found.code == 2
    lines = found.out.splitlines()[1:]  # the first says whose code is tested
    assert [line.split()[0] for line in lines[1:3]] == ["jax", "tfp"]
    assert all(
        "not installed (no module a_module_that_is_not_there)" in line for line in lines[1:3]
    )
    assert found.err == "bnn-ref: error: verify: none of these frameworks is installed\n"
    found = call(capsys, "verify", "--against", "jax,numpy")
    assert found.code == 0
    assert found.out.splitlines()[3].split()[-1] == "agrees"
    with pytest.raises(FrameworkMissing, match="jax: not installed"):
        load("jax")


def test_an_installation_that_cannot_be_imported_is_missing(monkeypatch):
    monkeypatch.setitem(FRAMEWORKS, "torch", Adapter("no_such_file", (), "nothing"))
    with pytest.raises(FrameworkMissing, match=r"torch: cannot be imported \(ModuleNotFoundError"):
        load("torch")


def test_an_unknown_framework_is_one_line(capsys):
    found = call(capsys, "verify", "--against", "theano")
    assert found.code == 2
    assert found.err == (
        "bnn-ref: error: framework: expected one of numpy, numba, jax, torch, tfp, "
        "bayesian-torch, found 'theano'\n"
    )


def mended(monkeypatch, **changes):
    """Let verify find our own reference with something changed."""
    sound = load("numpy")
    changes = {key: change(getattr(sound, key)) for key, change in changes.items()}
    monkeypatch.setattr(live, "load", lambda name: sound._replace(**changes))


def with_factor(tensor, factor):
    def change(own):
        def answer(vector):
            return {name: value * factor if name == tensor else value
                    for name, value in own(vector).items()}  # fmt: skip

        return answer

    return change


QUIET = {"random_layer": lambda own: None}  # its own layer, thousands of calls, is not asked


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            QUIET | {"answer": with_factor("grad.layers.0.kernel_rho", 1 + 1e-11)},
            "float64 13-11-7-3: the backward pass through layer 0 (grad.layers.0.kernel_rho, ",
        ),
        (
            QUIET | {"answer": with_factor("kl", 1.03)},
            "float32 5-6-2: the sum of the KLs (kl, error 0.03)",
        ),
        (
            QUIET | {"train": lambda own: lambda vectors, rate: own(vectors, rate * (1 + 1e-6))},
            "10 steps of Adam: error 1e-06, limit 1e-10",
        ),
        (
            {"random_layer": lambda own: lambda mu, sigma: own(mu, 1.1 * sigma)},
            "its own layer's noise: wrong scale: the noise is 1.1",
        ),
    ],
    ids=["gradient", "kl", "adam", "noise"],
)
def test_a_framework_that_disagrees_is_told_so(monkeypatch, capsys, changes, fault):
    mended(monkeypatch, **changes)
    found = call(capsys, "verify", "--against", "numpy")
    assert found.code == 1
    assert found.out.splitlines()[2].endswith("DISAGREES")
    assert f"numpy: {fault}" in found.out


def test_a_framework_that_draws_otherwise_is_a_fault(monkeypatch, capsys):
    def failing(own):
        def answer(vector):
            raise RuntimeError("draws: expected a call for normal (3, 2), found sign (2, 3)")

        return answer

    mended(monkeypatch, answer=failing)
    found = call(capsys, "verify", "--against", "numpy")
    assert found.code == 1
    assert "numpy: draws: expected a call for normal (3, 2), found sign (2, 3)" in found.out


def test_every_kind_of_bias_is_asked_for_somewhere():
    biases = {q.meta["layers"][0]["bias"] for q in live.questions(load("numpy"), "float64")}
    assert biases == {"none", "deterministic", "normal", "normal_flipped"}


def test_fed_draws_are_handed_out_in_order_or_the_layer_is_not_the_known_one():
    vector = new_question((2, 3), bias="normal", rows=4)
    own = draws.of_layer(vector, 0)
    assert set(own) == {"kernel_eps", "sign_input", "sign_output", "bias_eps"}
    fed = draws.Fed([("normal", own["kernel_eps"]), ("sign", own["sign_input"])])
    with pytest.raises(RuntimeError, match="expected all to be used, found 2 left"):
        fed.finish()
    assert fed.next("normal", (1, 2, 3)).shape == (1, 2, 3)
    with pytest.raises(RuntimeError, match=r"expected a call for sign \(4, 2\), found sign \(4,\)"):
        fed.next("sign", (4,))
    with pytest.raises(RuntimeError, match="expected no more, found a call for normal"):
        fed.next("normal", np.array([2]))
