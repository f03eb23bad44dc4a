"""A person's implementation asked everything: strictness, what is exercised, what is named."""

import numpy as np
import pytest
from command import call

from bnn_ref.reference import loss_and_gradients
from bnn_ref.verification import check_implementation
from bnn_ref.verification.implementations.checking import suite_questions
from bnn_ref.verification.implementations.features import FEATURES
from bnn_ref.verification.vectors import results_of
from bnn_ref.verification.vectors.questions import new_question, random_question


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


def test_the_small_suite_exercises_everything_in_few_questions():
    report = check_implementation(right, suite="small", random=3)
    assert report.agrees, report
    assert report.unexercised == ()
    assert len(report.checks) < 12
    with pytest.raises(ValueError, match="suite: expected whole or small, found 'tiny'"):
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
