"""The published suite: what each file's name says is what `check` finds; and the oracle itself."""

import importlib.util
import json
import os

import numpy as np
import pytest
from command import call
from tolerances import VECTOR_FLOAT32, VECTOR_FLOAT64

from bnn_ref.activations import IN_VECTORS
from bnn_ref.verification.vectors import read, suite
from bnn_ref.verification.vectors.checking import check_file
from bnn_ref.verification.vectors.comparison import compare
from bnn_ref.verification.vectors.image_mistakes import IMAGE_MISTAKES
from bnn_ref.verification.vectors.mistakes import FLOAT32, MISTAKES
from bnn_ref.verification.vectors.suite_images import PLANTED as PLANTED_IMAGES
from bnn_ref.verification.vectors.suite_negative import PLANTED
from bnn_ref.verification.vectors.suite_version_2 import PLANTED as PLANTED_2

FILES = {path.stem: path for path in suite.files()}
AGREE = [name for name in FILES if name.startswith("agree")]
DISAGREE = [name for name in FILES if name.startswith("disagree")]
REFUSE = [name for name in FILES if name.startswith("refuse")]
UNNAMED = {"one-entry", "factor", "nan"}


def test_the_suite_is_whole_and_small():
    assert {name.partition("-")[2] for name in AGREE} == set(suite.names())
    assert len(AGREE) + len(DISAGREE) + len(REFUSE) == len(FILES) == 156
    assert max(path.stat().st_size for path in FILES.values()) < 50_000
    metas = [read(FILES[name]).meta for name in AGREE if "-v2-" not in name]
    assert {meta["version"] for meta in metas} == {1}
    layers = [layer for meta in metas for layer in meta["layers"]]
    assert {layer["activation"] for layer in layers} == set(IN_VECTORS)
    assert {layer["bias"] for layer in layers} == {"none", "deterministic", "normal",
                                                   "normal_flipped"}  # fmt: skip
    for dtype in ("float64", "float32"):
        kinds = {meta["likelihood"]["type"] for meta in metas if meta["dtype"] == dtype}
        assert kinds == {"categorical", "bernoulli", "normal"}


@pytest.mark.parametrize("name", AGREE)
def test_agrees_with_the_oracle_to_rounding(name):
    """mpmath at 50 digits, computed once and shipped."""
    vector = read(FILES[name])
    assert vector.meta["source"].startswith("mpmath ")
    limit = VECTOR_FLOAT64 if vector.dtype == "float64" else VECTOR_FLOAT32
    comparison = compare(vector, limit)
    assert comparison.agrees, comparison.table()
    assert comparison.undecided == ()


@pytest.mark.parametrize("name", DISAGREE)
def test_disagrees_and_is_named(name):
    check = check_file(FILES[name])
    assert check.code == 1
    key = name.partition("-")[2].removeprefix("v2-")
    keys = {one.keys for one in check.explanations}
    if key in UNNAMED:
        assert keys == set()
    else:
        assert key in {*MISTAKES, *IMAGE_MISTAKES, FLOAT32.key}
        assert (key,) in keys


def test_every_planted_mistake_is_in_the_suite():
    assert {name.partition("-")[2] for name in DISAGREE} == (
        {name for name, _, _ in PLANTED} | {f"v2-{name}" for name, _, _ in PLANTED_2}
        | {f"v2-{name}" for name in PLANTED_IMAGES} | UNNAMED | {FLOAT32.key}
    )  # fmt: skip


@pytest.mark.parametrize("name", REFUSE)
def test_is_refused(name):
    check = check_file(FILES[name])
    assert check.code == 2
    assert check.refused
    assert "\n" not in check.refused


def test_commands_copy_and_check_the_suite(tmp_path, capsys, volume):
    """`bnn-ref check` over all that must agree: one run, exit 0.

    Over those that must disagree too; quickly over every fourth.
    """
    found = call(capsys, "vectors", "suite", tmp_path / "suite")
    assert found.code == 0
    told = ", ".join((f"{len(AGREE)} that must agree", f"{len(DISAGREE)} that must disagree",
                      f"{len(REFUSE)} that must be refused"))  # fmt: skip
    assert found.out == f"{tmp_path / 'suite'}: {told}\n"
    copied = sorted((tmp_path / "suite").iterdir())
    assert [path.name for path in copied] == [path.name for path in FILES.values()]
    kinds = {kind: [path for path in copied if path.name.startswith(kind)]
             for kind in ("agree", "disagree", "refuse")}  # fmt: skip
    found = call(capsys, "check", *kinds["agree"])
    assert found.code == 0
    assert found.out.count(": agrees: ") == len(AGREE)
    assert found.err == ""
    disagree = kinds["disagree"][:: volume(4, 1)]
    found = call(capsys, "check", *kinds["agree"][:2], *disagree)
    assert found.code == 1
    assert found.out.count(": DISAGREES: ") == len(disagree)
    found = call(capsys, "check", *kinds["agree"][:2], *kinds["disagree"][:2], *kinds["refuse"])
    assert found.code == 2
    assert found.err.count("\n") == found.err.count(": refused: ") == len(REFUSE)


def test_checks_json_holds_the_same(capsys):
    names = ("agree-bias-none", "disagree-nll-summed", "disagree-nan", "refuse-label")
    found = call(capsys, "check", "--json", *(FILES[name] for name in names))
    assert found.code == 2
    agree, summed, nan, refused = json.loads(found.out)
    assert (agree["verdict"], agree["first"], agree["diagnosis"]) == ("agrees", None, [])
    assert {row["tensor"] for row in agree["tensors"]} >= {"outputs", "grad.x", "layers.0.kl"}
    assert summed["verdict"] == "disagrees"
    assert [one["mistake"] for ways in summed["diagnosis"] for one in ways] == ["nll-summed"]
    assert summed["first"]["tensor"] == "nll"
    assert nan["first"] == {"tensor": "nll", "stage": "the likelihood", "error": None,
                            "limit": 1e-10, "agrees": False}  # fmt: skip
    assert set(refused) == {"file", "verdict", "reason"}


def test_check_lists_the_mistakes_and_refuses_bad_requests(capsys):
    found = call(capsys, "check", "--mistakes")
    assert found.code == 0
    for key in (*MISTAKES, *IMAGE_MISTAKES, FLOAT32.key):
        assert f"\n{key}: " in "\n" + found.out
    assert call(capsys, "check").err == (
        "bnn-ref: error: check: expected at least one file, found none\n"
    )
    for limit in ("-1", "nan", "inf"):
        found = call(capsys, "check", f"--limit={limit}", FILES["agree-bias-none"])
        assert found.code == 2
        assert found.err.startswith("bnn-ref: error: limit: expected a finite number")


@pytest.mark.parametrize("name", ["shape-one-unit", "batch-one", "activation-gelu-float32",
                                  "v2-conv-one-pixel"])  # fmt: skip
def test_the_oracle_computes_the_shipped_files_anew(name):
    if importlib.util.find_spec("mpmath") is None:
        pytest.skip("mpmath is not installed")
    built, shipped = suite.build(name), read(FILES[f"agree-{name}"])
    assert built.meta["layers"] == shipped.meta["layers"]
    for mine, theirs in ((built.arrays, shipped.arrays), (built.results, shipped.results)):
        assert set(mine) == set(theirs)
        for key in mine:
            np.testing.assert_array_equal(mine[key], theirs[key], strict=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_whole_suite_is_computed_anew(tmp_path):
    suite.main(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(path.name for path in FILES.values())
    for name in AGREE:
        built, shipped = read(tmp_path / f"{name}.npz"), read(FILES[name])
        for key, value in shipped.results.items():
            np.testing.assert_array_equal(built.results[key], value, strict=True)
    for name in (*DISAGREE, *REFUSE):
        assert check_file(tmp_path / f"{name}.npz").code == (1 if name in DISAGREE else 2), name
