"""A person's implementation asked everything: strictness, what is exercised, what is named."""

import json
import re

import numpy as np
import pytest
from command import call

from bnn_ref.reference import loss_and_gradients
from bnn_ref.verification import assert_answer, check_implementation
from bnn_ref.verification.frameworks import load
from bnn_ref.verification.implementations.checking import suite_questions
from bnn_ref.verification.implementations.features import FEATURES, FEATURES_2
from bnn_ref.verification.vectors import results_of
from bnn_ref.verification.vectors.questions import new_question
from bnn_ref.verification.vectors.random_questions import random_question


def right(question):
    """The reference's own step, in float64, under the short names."""
    parameters, noise = question.parameters(np.float64), question.noise(np.float64)
    found = results_of(loss_and_gradients(question.network, parameters, question.x.astype(float),
                                          question.y, noise, question.kl_weight))  # fmt: skip
    layers = len(question.meta["layers"])
    grads = {name[5:]: found.pop(name) for name in list(found) if name.startswith("grad.layers")}
    return {**{key: found[key] for key in ("outputs", "nll", "kl", "loss")},
            "kl_layers": [found[f"layers.{k}.kl"] for k in range(layers)],
            "grads": grads, "grad_x": found["grad.x"]}  # fmt: skip


OURS = load("numpy").answer


def doubled_kl(question):
    other = {**question.meta, "kl_weight": 2 * question.kl_weight}
    found = right(type(question)(other, question.arrays))
    return found


FEW = [("a", new_question((3, 4, 2), rows=4)), ("b", new_question((3, 2), rows=4, seed=2))]


def test_a_right_implementation_agrees_and_everything_is_exercised():
    report = check_implementation(right, random=10)
    assert report.agrees, report
    assert len(report.checks) == len(suite_questions()) + 10
    assert report.unexercised == ()
    assert {feature.name for feature in report.exercised} == {f.name for f in FEATURES}
    assert "test_check_implementation.right: agrees" in str(report)


def test_a_last_layer_without_its_activation_is_seen():
    """Every other question's last layer is linear."""

    def last_linear(question):
        *others, last = question.meta["layers"]
        meta = {**question.meta, "layers": [*others, {**last, "activation": "linear"}]}
        return right(type(question)(meta, question.arrays))

    report = check_implementation(last_linear)
    assert [check.path for check in report.wrong] == ["agree-activation-last"]
    report = check_implementation(right, questions=FEW)
    assert "an activation of the last layer" in {f.name for f in report.unexercised}


def test_a_number_beyond_float32_is_a_wrong_answer_without_a_warning():
    question = new_question((3, 2), rows=4, dtype="float32")

    def large(question):
        return {**right(question), "grad_x": np.full(question.x.shape, 1e300)}

    report = check_implementation(large, questions=[("a", question)])
    assert not report.agrees
    assert "grad.x" in str(report.wrong[0])


def test_the_small_suite_exercises_everything_in_few_questions():
    report = check_implementation(right, suite="small", random=3)
    assert report.agrees, report
    assert report.unexercised == ()
    assert len(report.checks) < 12
    with pytest.raises(ValueError, match="suite: expected one of whole, small, found 'tiny'"):
        check_implementation(right, suite="tiny")

    def point_bias(question):
        if any(layer.bias.startswith("normal") for layer in question.layers):
            raise NotImplementedError("no random bias")
        return right(question)

    small, whole = (check_implementation(point_bias, suite=suite) for suite in ("small", "whole"))
    assert small.exercised == whole.exercised
    assert len(small.checks) < len(whole.checks) / 2


def test_what_is_not_exercised_is_told():
    def no_bias(question):
        if any(layer.bias != "none" for layer in question.layers):
            raise NotImplementedError("layers have no bias")
        return right(question)

    report = check_implementation(no_bias)
    assert report.agrees, report
    assert report.declined
    assert "declined: layers have no bias" in str(report)
    assert "not exercised: a random bias: a wrong draw, KL or prior of the bias" in str(report)
    assert "not exercised: a prior with a loc" not in str(report)
    declined = check_implementation(lambda question: no_bias(FEW[0][1]), FEW)
    assert not declined.agrees
    assert "UNDECIDED, no question was answered" in str(declined)


def test_a_mistake_is_named_with_the_answers_it_explains():
    report = check_implementation(doubled_kl, FEW, seconds=60)
    assert not report.agrees
    assert "named: kl-twice in 2 of 2 explained answers" in str(report)
    assert [check.path for check in report.wrong] == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"nll": None}, "nll: expected a result, found none"),
        ({"grads": None}, "grads: expected one of outputs"),
        ({"kl_layers": [1.0]}, "kl_layers: expected 2, one for each layer, found 1"),
        ({"outputs": np.ones((2, 4))}, r"outputs: expected shape (4, 2), found (2, 4)"),
        ({"loss": 1j}, "loss: expected real numbers, found complex128"),
        ({"los": 1.0}, "los: expected one of outputs"),
    ],
)
def test_nothing_is_missing_in_silence(change, reason):
    report = check_implementation(lambda question: {**right(question), **change}, FEW[:1])
    assert not report.agrees
    assert reason in str(report)
    assert "no answer: ValueError" in str(report)


def test_a_nan_disagrees_and_what_the_function_raises_is_told():
    report = check_implementation(lambda q: {**right(q), "nll": np.nan}, FEW[:1])
    assert "nll is nan" in str(report)
    report = check_implementation(lambda q: right(q)["outputs"] @ np.ones(5), FEW[:1])
    assert not report.agrees
    assert "no answer: ValueError: matmul" in str(report)
    report = check_implementation(lambda q: 1 / 0, FEW[:1])
    assert "ZeroDivisionError: division by zero (test_check_implementation.py, line" in str(report)
    report = check_implementation(lambda q: None, FEW[:1])
    assert "results: expected a mapping of names to arrays, found NoneType" in str(report)


def test_a_partial_check_must_be_asked_for():
    def forward_alone(question):
        found = right(question)
        return {"outputs": found["outputs"], "kl": found["kl"], "nll": None}

    assert not check_implementation(forward_alone, FEW).agrees
    assert check_implementation(forward_alone, FEW, partial=True).agrees
    report = check_implementation(lambda q: {"kl": 2 * right(q)["kl"]}, FEW, partial=True)
    assert len(report.wrong) == 2
    assert "the sum of the KLs" in str(report)


def test_tensors_of_frameworks_are_taken():
    torch = pytest.importorskip("torch")
    jnp = pytest.importorskip("jax.numpy")

    def tensors(question):
        found = right(question)
        found["outputs"] = torch.tensor(found["outputs"], requires_grad=True)
        found["loss"] = torch.tensor(float(found["loss"]), dtype=torch.float64)
        found["kl_layers"] = [torch.tensor(float(kl), dtype=torch.float64)
                              for kl in found["kl_layers"]]  # fmt: skip
        found["grad_x"] = found["grad_x"].tolist()
        found["grads"] = {name: jnp.asarray(value) for name, value in found["grads"].items()}
        return found

    asked = [new_question((3, 4, 2), rows=4, dtype="float32")]
    assert check_implementation(tensors, asked).agrees


def test_random_questions_are_another_for_another_seed_and_differ_in_everything():
    questions = [random_question(seed) for seed in range(60)]
    layers = [layer for question in questions for layer in question.layers]
    assert {layer.bias for layer in layers} == {"none", "deterministic", "normal", "normal_flipped"}
    assert len({layer.activation for layer in layers}) == 7
    assert {question.meta["likelihood"]["type"] for question in questions} == {
        "categorical", "bernoulli", "normal"}  # fmt: skip
    assert len({layer.kernel_prior for layer in layers}) == len(layers)
    again = random_question(7)
    for name, value in again.arrays.items():
        np.testing.assert_array_equal(value, questions[7].arrays[name])
    assert np.all([layer.bias == "none" for layer in random_question(3, biases=("none",)).layers])


def test_the_command_tests_a_function_of_ones_own(tmp_path, capsys, monkeypatch, volume):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_step.py").write_text(
        "from bnn_ref.verification.frameworks import load\n"
        "def answer(question):\n"
        "    return load('numpy').answer(question)\n"
        "def wrong(question):\n"
        "    return {**answer(question), 'kl': 0.0}\n"
    )
    found = call(capsys, "verify", "--mine", "my_step:answer", "--random", "4")
    assert found.code == 0, found.out
    assert found.out.startswith("my_step:answer: agrees")
    if volume(False, True):  # the diagnosis of every vector of the suite
        assert call(capsys, "verify", "--mine", "my_step:wrong").code == 1
    for name, text in (("my_step", "expected MODULE:FUNCTION"), ("no_such:a", "a module no_such"),
                       ("my_step:nothing", "a function nothing in my_step")):  # fmt: skip
        found = call(capsys, "verify", "--mine", name)
        assert found.code == 2
        assert text in found.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("biases", "--within: expected OPTION=VALUE,..., found 'biases'"),
        ("locs=2", "--within locs: expected yes or no, found '2'"),
        ("layers=a", "--within layers: expected numbers, found 'a'"),
        ("layers=3,1", r"layers: expected \(least, most\), at least 1, found \(3, 1\)"),
        ("bias=none", "within: expected activations, .*, found bias"),
        ("priors=cauchy", "priors: expected some of normal, array, .*, found cauchy"),
        ("pieces=X", "pieces: expected some of Dense, .*, found X"),
    ],
)
def test_within_that_is_none_is_one_line(tmp_path, capsys, monkeypatch, words, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_within.py").write_text("def answer(question): raise NotImplementedError\n")
    mine = ("verify", "--mine", "my_within:answer", "--random", "1", "--within", words)
    found = call(capsys, *mine)
    assert found.code == 2
    assert re.search(text, found.err), found.err
    assert found.err.count("\n") == 1


def test_within_keeps_random_networks_to_what_it_says(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_narrow.py").write_text(
        "from bnn_ref.verification.frameworks import load\n"
        "def answer(question):\n"
        "    if any(l.bias != 'none' for l in question.layers) or len(question.layers) != 2:\n"
        "        raise NotImplementedError('no bias, two layers')\n"
        "    return load('numpy').answer(question)\n"
    )
    words = ("verify", "--mine", "my_narrow:answer", "--random", "5", "--json")
    within = ("--within", "biases=none", "layers=2")
    report = json.loads(call(capsys, *words, *within).out)
    declined = {one["question"] for one in report["declined"]}
    assert report["agrees"]
    assert not any(key.startswith("random") for key in declined)
    found = call(capsys, "verify", "--mine", "my_narrow:answer", *within)
    assert "expected --random with --within" in found.err


def test_random_networks_keep_to_what_an_implementation_has():
    """A layer as people have them: classes, a plain bias, priors around 0; nothing is declined."""

    def mine(question):
        plain = question.meta["likelihood"] == {"type": "categorical"} and all(
            layer.bias == "deterministic" and layer.kernel_prior[0] == 0 and layer.scale_shift == 0
            for layer in question.layers
        )
        if not plain:
            raise NotImplementedError("only what I have")
        return right(question)

    within = {"biases": ["deterministic"], "likelihoods": ["categorical"], "locs": False,
              "scale_shifts": [0.0]}  # fmt: skip
    report = check_implementation(mine, [], random=6, within=within)
    assert (len(report.checks), len(report.declined), report.agrees) == (6, 0, True)
    assert len(check_implementation(mine, [], random=6).checks) == 0
    with pytest.raises(ValueError, match="within: expected activations, biases, .*, found bias"):
        check_implementation(mine, random=1, within={"bias": "none"})


def test_version_2_is_asked_whole_and_told_what_is_not(volume):
    """The suite's vectors and random networks of every prior, likelihood and estimator.

    Quickly the small suite's, and the random networks.
    """
    report = check_implementation(OURS, version=2, random=40, suite=volume("small", "whole"))
    assert report.agrees, report
    assert report.unexercised == ()
    assert {f.name for f in FEATURES_2} < {feature.name for feature in report.exercised}
    small = check_implementation(OURS, version=2, suite="small")
    assert len(small.checks) < 25
    assert [feature.name for feature in small.unexercised] == ["a prior of the kind scaled"]

    def no_weights(question):
        if question.sample_weight is not None:
            raise NotImplementedError("no sample weights")
        return OURS(question)

    report = check_implementation(no_weights, version=2, suite="small")
    assert report.agrees, report
    assert "not exercised: sample weights: weights ignored, or divided by their sum" in str(report)


@pytest.mark.parametrize("averaged", [False, True])
def test_wrong_sample_weights_are_named(averaged):
    question = next(
        q for k in range(50)
        if (q := random_question(k, version=2, estimators=["flipout"], rows=(4, 6))).meta[
            "sample_weight"])  # fmt: skip
    weights = np.asarray(question.sample_weight)
    given = weights * len(weights) / weights.sum() if averaged else np.ones(len(weights))
    other = type(question)(question.meta, {**question.arrays, "sample_weight": given})
    check = check_implementation(lambda asked: OURS(other), [question]).checks[0]
    assert [one.keys for one in check.explanations] == [("sample-weights",)], check.text()


def test_what_works_in_place_is_judged_by_what_was_asked():
    """Centred inputs, in place: the question that is compared with is the one before."""

    def centred(question):
        question.x[...] -= question.x.mean(axis=0)
        return right(question)

    question = new_question((4, 5, 3))
    before = question.x.copy()
    report = check_implementation(centred, [question])
    assert not report.agrees
    assert "batch-centred" in str(report)
    with pytest.raises(AssertionError, match="batch-centred"):
        assert_answer(question, centred)
    np.testing.assert_array_equal(question.x, before)


@pytest.mark.parametrize(
    ("within", "text"),
    [
        ({"biases": "none"}, "biases: expected a list of names, found 'none'"),
        ({"layers": 2}, r"layers: expected \(least, most\), at least 1, found 2"),
        ({"rows": (0, 3)}, r"rows: expected \(least, most\), at least 1"),
        ({"likelihoods": ["poisson"]}, "likelihoods: expected some of categorical, .*poisson"),
        (["biases"], "within: expected a mapping of options, found list"),
    ],
)
def test_a_within_that_is_none_is_refused_by_name(within, text):
    with pytest.raises(ValueError, match=text):
        check_implementation(right, [], random=1, within=within)
    with pytest.raises(ValueError, match="random: expected a whole number"):
        check_implementation(right, [], random=True)
