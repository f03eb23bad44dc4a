"""The readers in other languages, built where the compiler is: `check` accepts their answers."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from command import call

from bnn_ref.verification import check_file
from bnn_ref.verification.implementations.checking import suite_questions
from bnn_ref.verification.vectors import VectorError, suite
from bnn_ref.verification.vectors.json_files import from_json, read_any, to_json, write_any
from bnn_ref.verification.vectors.random_questions import random_question

FOLDER = Path(__file__).parents[2] / "docs" / "readers"
# Program and options: the page's own with --slow, quickly those that compile soonest.
COMPILERS = {
    "answer.js": ("node", [], []),
    "answer.cpp": ("g++", ["-std=c++17", "-O0"], ["-std=c++17", "-O2"]),
    "answer.rs": (
        "rustc",
        ["--edition", "2021", "-C", "opt-level=0"],
        ["--edition", "2021", "-O"],
    ),  # 2015, the default, names no key in a message
}
PRESENT = [name for name in COMPILERS if (FOLDER / name).exists()]


def run(words):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # a warning of a compiler neither
    return done


@pytest.fixture(scope="module", params=PRESENT)
def reader(request, tmp_path_factory, volume):
    """Words that start a reader, built."""
    compiler, quick, whole = COMPILERS[request.param]
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    source, built = FOLDER / request.param, tmp_path_factory.mktemp("built") / "answer"
    if compiler == "node":
        return [compiler, source]
    run([compiler, *volume(quick, whole), "-o", built, source])
    return [built]


def test_a_readers_answers_are_accepted(reader, tmp_path, volume):
    asked = [(key, q) for key, q in suite_questions() if q.dtype == "float64"][:: volume(6, 1)]
    asked += [(f"random-{k}", random_question(k)) for k in range(volume(3, 30))]
    for key, question in asked:
        write_any(tmp_path / "q.json", question, key)
        run([*reader, tmp_path / "q.json", tmp_path / "a.json"])
        assert read_any(tmp_path / "a.json").meta["source"].startswith("docs/readers/answer.")
        check = check_file(tmp_path / "a.json", question=tmp_path / "q.json")
        assert check.agrees, (key, check.text())


def test_of_version_2_the_common_part_is_answered_and_the_rest_declined(reader, tmp_path, volume):
    """Quickly every third vector, those that are answered among them."""
    answered = set()
    asked = [path for path in suite.files((2,)) if path.name.startswith("agree")]
    for path in asked[volume(1, 0) :: volume(3, 1)]:
        question = read_any(path).question()
        if question.dtype != "float64":
            continue
        write_any(tmp_path / "q.json", question)
        words = [str(word) for word in (*reader, tmp_path / "q.json", tmp_path / "a.json")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=250)
        assert done.returncode in (0, 3), (path.name, done.stderr)
        if done.returncode == 3:
            assert done.stderr.startswith("declined: ")
            assert done.stderr.count("\n") == 1
        else:
            check = check_file(tmp_path / "a.json", question=tmp_path / "q.json")
            assert check.agrees, (path.name, check.text())
            answered.add(path.stem.removeprefix("agree-v2-"))
    assert answered == {"priors-by-layer", "estimator-shared"}


def test_a_sign_turned_is_refused_and_located(reader, tmp_path, capsys):
    """The reader answers another question than was asked; as an answer to that one it is right."""
    question = random_question(5, layers=(2, 2), width=(3, 4), rows=(4, 4))
    write_any(tmp_path / "q.json", question)
    turned = json.loads((tmp_path / "q.json").read_text())
    signs = turned["arrays"]["layers.1.sign_output"]["data"]
    signs[0] = -signs[0]
    (tmp_path / "turned.json").write_text(json.dumps(turned))
    run([*reader, tmp_path / "turned.json", tmp_path / "a.json"])
    words = ("check", "--question", tmp_path / "q.json", tmp_path / "a.json")
    found = call(capsys, *words)
    assert found.code == 2
    assert "layers.1.sign_output: expected the question's numbers, found others" in found.err
    answer = json.loads((tmp_path / "a.json").read_text())
    answer["arrays"] = json.loads((tmp_path / "q.json").read_text())["arrays"]
    (tmp_path / "a.json").write_text(json.dumps(answer))
    found = call(capsys, *words)
    assert found.code == 1
    assert "the forward pass: outputs[0, 0]: expected" in found.out
    assert "this entry alone is wrong" in found.out


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_json_keeps_every_bit(dtype, tmp_path, capsys):
    for seed in range(10):
        question = random_question(seed, dtype)
        again = from_json(to_json(question, key="a"))
        assert again.meta == question.meta
        for name, value in question.arrays.items():
            assert again.arrays[name].dtype == np.asarray(value).dtype
            np.testing.assert_array_equal(again.arrays[name], value)
    write_any(tmp_path / "q.npz", question)
    call(capsys, "vectors", "convert", tmp_path / "q.npz", "-o", tmp_path / "q.json")
    call(capsys, "vectors", "convert", tmp_path / "q.json", "-o", tmp_path / "again.npz")
    again = read_any(tmp_path / "again.npz")
    assert again.meta == question.meta
    for name, value in question.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda d: d["arrays"].pop("x"), "expected a vector as JSON, found none"),
        (lambda d: d["meta"].update(version=7), "meta.version: expected 1 or 2, found 7"),
        (lambda d: d["arrays"]["x"]["data"].pop(), "x: expected .* numbers, found"),
        (lambda d: d["arrays"]["x"]["data"].__setitem__(0, None), "x: expected finite numbers"),
        (lambda d: d["arrays"]["layers.0.sign_input"]["data"].__setitem__(0, 0), "expected -1 or"),
        (lambda d: d["arrays"].update(extra={"shape": [], "data": [1]}), "expected no such array"),
    ],
)
def test_json_is_refused_as_a_file_would_be(change, text, tmp_path):
    document = json.loads(to_json(random_question(1)))
    change(document)
    with pytest.raises(VectorError, match=text):
        from_json(json.dumps(document))
    for bad in ("", "[]", "{", "null", "1" * 100, "[" * 100_000):
        (tmp_path / "bad.json").write_text(bad)
        with pytest.raises(VectorError):
            read_any(tmp_path / "bad.json")
