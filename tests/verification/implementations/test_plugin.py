"""The pytest plugin and the hypothesis strategies, used as a stranger would use them."""

import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, find, given, settings

from bnn_ref.verification import assert_answer, check_vector
from bnn_ref.verification.frameworks import load
from bnn_ref.verification.implementations.strategies import questions
from bnn_ref.verification.vectors.random_questions import PIECES, random_question

OURS = load("numpy").answer
STRANGER = """
import pytest
from bnn_ref.verification.frameworks import load

def right(question):
    if any(layer.bias == "normal_flipped" for layer in question.layers):
        raise NotImplementedError("no flipped bias")
    return load("numpy").answer(question)

@pytest.mark.bnn_vectors(random=2, seed=5)
def test_right(bnn_question, bnn_check):
    bnn_check(right)

@pytest.mark.bnn_vectors()
def test_wrong(bnn_question, bnn_check):
    found = load("numpy").answer(bnn_question)
    bnn_check({**found, "loss": found["loss"] + 1})

@pytest.mark.bnn_vectors(random=1, version=2, within={"priors": ["laplace"]})
def test_newer(bnn_question, bnn_check):
    bnn_check(load("numpy").answer)

@pytest.mark.bnn_vectors(partial=True)
def test_partial(bnn_question, bnn_check):
    bnn_check({"outputs": load("numpy").answer(bnn_question)["outputs"]})
"""


def run(folder, *words):
    plugin = "bnn_ref.verification.implementations.plugin"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", plugin, *words],
        cwd=folder, capture_output=True, text=True, timeout=250,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    ).stdout  # fmt: skip


def test_one_test_a_vector_with_ids_that_read_well(tmp_path):
    (tmp_path / "test_mine.py").write_text(STRANGER)
    found = run(
        tmp_path,
        "-v",
        "-k",
        "not test_wrong and (tanh or random or flipped or odd or learned or local) "
        "or test_wrong and shape-odd",
    )
    assert "test_right[agree-activation-tanh] PASSED" in found, found
    assert "test_right[random-6] PASSED" in found or "test_right[random-6] SKIPPED" in found
    assert "test_right[agree-bias-normal_flipped] SKIPPED" in found
    assert "test_partial[agree-shape-odd] PASSED" in found
    for name in ("prior-learned-both", "likelihood-learned-scale", "estimator-local-bias"):
        assert f"test_newer[agree-v2-{name}] PASSED" in found, found
    assert "test_newer[random-0] PASSED" in found
    assert "results disagree with the truth" in found
    assert "the sum nll + kl_weight * kl" in found
    assert "1 failed" in found


def test_an_unknown_option_is_refused(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "import pytest\n@pytest.mark.bnn_vectors(rando=2)\n"
        "def test(bnn_question): assert bnn_question\n"
    )
    assert (
        "bnn_vectors: expected random, seed, partial, limit, version, within, found rando"
        in run(tmp_path)
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(questions())
def test_every_question_is_answered_by_the_reference(question):
    assert_answer(question, OURS(question))


@pytest.mark.slow  # quickly test_a_question_of_version_2_shrinks_to_what_fails
def test_a_failing_network_shrinks():
    """A mistake in the second of two layers: what is found has two layers of one unit each."""
    small = find(questions(), lambda q: len(q.layers) > 1 and q.layers[0].bias == "normal",
                 settings=settings(max_examples=300, deadline=None))  # fmt: skip
    assert [layer.units for layer in small.layers] == [1, 1]
    assert small.x.shape == (1, 1)
    assert small.layers[1].bias == "none"


def test_an_answer_that_disagrees_is_an_assertion_with_the_mistake(capsys):
    question = load_question()
    assert_answer(question, OURS(question))
    doubled = type(question)({**question.meta, "kl_weight": 2 * question.kl_weight},
                             question.arrays)  # fmt: skip
    with pytest.raises(AssertionError, match="kl-twice: the KL is counted twice"):
        assert_answer(question, OURS(doubled))
    assert check_vector(question.answer(OURS(question), "ours")).agrees


def load_question():
    from bnn_ref.verification import new_question

    return new_question((3, 4, 2), rows=5)


def test_every_question_of_version_2_is_answered_by_the_reference(volume):
    @settings(max_examples=volume(15, 300), deadline=None, suppress_health_check=list(HealthCheck))
    @given(questions(version=2))
    def check(question):
        assert question.meta["version"] == 2
        assert_answer(question, OURS(question))

    check()


HAS = {
    "learned": lambda q: q.meta["likelihood"].get("learn_scale", False),
    "local": lambda q: q.meta["estimator"] == "local" and len(q.meta["layers"]) == 2,
    "laplace": lambda q: "laplace" in str(q.meta["layers"]),
    "weights": lambda q: q.meta["sample_weight"],
    "residual": lambda q: any(layer["type"] == "Residual" for layer in q.meta["layers"]),
    "normalised": lambda q: any(layer["type"] == "BatchNorm" for layer in q.meta["layers"]),
    "arrays": lambda q: any("_prior." in name for name in q.arrays),
}


def test_a_question_of_version_2_shrinks_to_what_fails(volume):
    """Nothing is left that the failure does not need."""
    options = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
    for name in [*HAS][: volume(1, None)]:
        small = find(questions(version=2), HAS[name], settings=options)
        assert len(small.meta["layers"]) <= 3, name
        assert all(layer.get("units", 1) == 1 for layer in small.meta["layers"]), name
        assert len(small.x) <= 3, name


def test_pieces_are_asked_at_random_where_they_are_wanted():
    asked = [random_question(seed, pieces=[*PIECES], version=2) for seed in range(40)]
    assert set(PIECES) <= {layer["type"] for q in asked for layer in q.meta["layers"]}
    for question in asked:
        assert_answer(question, OURS(question))
