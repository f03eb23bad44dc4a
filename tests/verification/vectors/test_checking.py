"""Comparison with the truth: how an error is measured, located and told; the assertion."""

import numpy as np
import pytest
from command import call

import bnn_ref.verification as verification
from bnn_ref.verification import assert_agrees, check_vector, compare
from bnn_ref.verification.vectors import VectorError, write
from bnn_ref.verification.vectors.checking import printable
from bnn_ref.verification.vectors.comparison import error_of, order, truth
from bnn_ref.verification.vectors.questions import new_question


@pytest.fixture
def question():
    return new_question((4, 5, 3), bias="normal", rows=6, kl_weight=0.1)


def answered(question, **changes):
    """Return the right answer with some results replaced."""
    found = {name: np.array(value) for name, value in truth(question).items()}
    return question.answer({**found, **changes}, "a test")


@pytest.mark.parametrize(
    ("expected", "found", "error"),
    [
        ([0.0, 0.0], [0.0, 0.0], 0.0),  # 0 over 0 agrees
        ([0.0, 0.0], [0.0, 1e-300], np.inf),  # a difference over 0 is infinite
        ([2.0, -4.0], [2.0, -4.4], 0.1),
        ([1.0, 100.0], [2.0, 100.0], 0.01),  # of the largest magnitude, not of the entry's
        ([1.0, 2.0], [1.0, np.nan], np.inf),
        ([1.0, 2.0], [1.0, -np.inf], np.inf),
        (3.0, 3.0, 0.0),
        (1e300, -1e300, 2.0),
    ],
)
def test_the_error_of_a_tensor(expected, found, error):
    assert error_of(expected, found) == pytest.approx(error, rel=1e-12)


def test_a_tensor_agrees_at_the_files_limit_and_at_the_one_asked_for(question):
    for dtype, limit in (("float64", 1e-10), ("float32", 1e-4)):
        asked = new_question((4, 5, 3), rows=6, dtype=dtype)
        right = truth(asked)["nll"]
        assert compare(answered(asked, nll=right * (1 + 0.9 * limit))).agrees
        beyond = answered(asked, nll=right * (1 + 1.2 * limit))
        assert compare(beyond).first.name == "nll"
        assert compare(beyond, 2 * limit).agrees
    with pytest.raises(VectorError, match="expected an answer, found a question"):
        compare(question)


def test_a_results_dtype_is_the_files_and_the_truth_is_float64():
    asked = new_question((4, 5, 3), rows=6, dtype="float32")
    assert all(value.dtype == np.float64 for value in truth(asked).values())
    assert answered(asked).results["outputs"].dtype == np.float32


def test_the_order_of_a_step_is_forward_then_backward_from_the_end(question):
    names = order(truth(question))
    assert names[:6] == ["outputs", "nll", "layers.0.kl", "layers.1.kl", "kl", "loss"]
    assert names[6:10] == [
        f"grad.layers.1.{name}" for name in ("bias_mu", "bias_rho", "kernel_mu", "kernel_rho")
    ]
    assert names[-1] == "grad.x"


@pytest.mark.parametrize(
    ("name", "index", "text"),
    [
        ("grad.layers.0.kernel_mu", (1, 2), "this entry alone is wrong"),
        ("grad.layers.0.kernel_mu", (1,), "5 entries are wrong, all in row 1"),
        ("grad.layers.1.kernel_rho", (slice(None), 2), "5 entries are wrong, all in column 2"),
        ("grad.x", (), "every entry is wrong"),
        ("outputs", (slice(0, 2), slice(0, 2)), "4 of 18 entries are wrong"),
    ],
)
def test_a_fault_is_located(question, name, index, text):
    wrong = np.array(truth(question)[name])
    wrong[index] *= 1.25
    check = check_vector(answered(question, **{name: wrong}))
    assert check.comparison.first.name == name
    assert f"{text}, found / expected = 1.25" in check.text()


def test_a_nan_is_located(question):
    wrong = np.array(truth(question)["grad.x"])
    wrong[2, 1] = np.nan
    assert "grad.x[2, 1] is nan" in check_vector(answered(question, **{"grad.x": wrong})).text()
    check = check_vector(answered(question, loss=np.inf))
    assert "loss is inf" in check.text()
    assert check.explanations == ()


def test_a_strangers_source_is_printed_without_control_characters(question, tmp_path, capsys):
    vector = answered(question)
    vector = question.answer(vector.results, "\x1b[2J\nevil" + 500 * "x")
    write(tmp_path / "a.npz", vector)
    found = call(capsys, "check", tmp_path / "a.npz")
    assert found.code == 0
    assert "\x1b" not in found.out
    assert "computed by ?[2J?evilxxx" in found.out
    assert len(printable("x" * 500)) == 200


def test_assert_agrees_passes_what_is_right(question, tmp_path):
    right = truth(question)
    grads = {name[5:]: value for name, value in right.items() if name.startswith("grad.layers")}
    assert_agrees(question, outputs=right["outputs"], grads=grads)
    assert_agrees(question, nll=float(right["nll"]), kl_layers=[right["layers.0.kl"],
                  right["layers.1.kl"]], kl=right["kl"], loss=right["loss"],
                  grad_x=right["grad.x"])  # fmt: skip
    write(tmp_path / "q.npz", question)
    assert_agrees(tmp_path / "q.npz", outputs=right["outputs"].tolist())
    write(tmp_path / "a.npz", answered(question, outputs=0 * right["outputs"]))
    assert_agrees(str(tmp_path / "a.npz"), outputs=right["outputs"])  # an answer's own are not read


def test_assert_agrees_shows_the_table_and_the_mistake(question):
    right = truth(question)
    wrong = {"layers.1.kernel_rho": right["grad.layers.1.kernel_rho"] * 1.03}
    with pytest.raises(AssertionError, match="found / expected = 1.03") as caught:
        assert_agrees(question, outputs=right["outputs"], grads=wrong)
    lines = str(caught.value).splitlines()
    assert lines[0] == "results disagree with the truth"
    assert [line.split()[-1] for line in lines[2:4]] == ["agrees", "DISAGREES"]
    assert_agrees(question, grads=wrong, limit=0.04)

    without = {**question.meta, "kl_weight": 0.0}
    summed = type(question)(without, question.arrays)
    right = truth(summed)
    grads = {name[5:]: 6 * value for name, value in right.items() if name.startswith("grad.layers")}
    with pytest.raises(AssertionError, match="nll-summed: the negative log-likelihood is summed"):
        assert_agrees(summed, outputs=right["outputs"], nll=6 * right["nll"], kl=right["kl"],
                      kl_layers=[right["layers.0.kl"], right["layers.1.kl"]],
                      loss=6 * right["loss"], grads=grads, grad_x=6 * right["grad.x"])  # fmt: skip


def test_assert_agrees_refuses_what_cannot_be_compared(question):
    with pytest.raises(ValueError, match="expected at least one result to compare, found none"):
        assert_agrees(question)
    with pytest.raises(ValueError, match=r"grad\.layers\.2\.kernel_mu: expected one of outputs"):
        assert_agrees(question, grads={"layers.2.kernel_mu": np.ones(2)})
    with pytest.raises(ValueError, match=r"outputs: expected shape \(6, 3\), found \(3, 6\)"):
        assert_agrees(question, outputs=np.ones((3, 6)))


def test_everything_offered_is_there():
    for name in verification.__all__:
        assert getattr(verification, name) is not None
    assert dir(verification) == verification.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        verification.nothing  # noqa: B018


@pytest.mark.parametrize("seed", [1, 2])
def test_a_question_is_the_same_from_the_same_seed_and_another_from_another(seed):
    one, two = (new_question((4, 3), seed=seed, rows=5) for _ in range(2))
    other = new_question((4, 3), seed=seed + 1, rows=5)
    later = new_question((4, 3), seed=seed, rows=5, step=1)
    for name, value in one.arrays.items():
        np.testing.assert_array_equal(value, two.arrays[name])
    assert np.any(one.x != other.x)
    assert np.any(one.x != later.x)
    np.testing.assert_array_equal(one.arrays["layers.0.kernel_mu"],
                                  later.arrays["layers.0.kernel_mu"])  # fmt: skip
    with pytest.raises(ValueError, match="layers: expected the inputs and at least one layer"):
        new_question((4,))
