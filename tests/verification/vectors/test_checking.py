"""Comparison with the truth: how an error is measured, located and told; the assertion."""

from time import monotonic

import numpy as np
import pytest
from command import call

import bnn_ref.verification as verification
from bnn_ref.verification import assert_agrees, check_vector, compare
from bnn_ref.verification.vectors import VectorError, write
from bnn_ref.verification.vectors.checking import compare_vector, printable
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
        assert_agrees(question, outputs=right["outputs"], grads=wrong, partial=True)
    lines = str(caught.value).splitlines()
    assert lines[0] == "results disagree with the truth"
    assert [line.split()[-1] for line in lines[2:4]] == ["agrees", "DISAGREES"]
    assert_agrees(question, grads=wrong, limit=0.04, partial=True)

    without = {**question.meta, "kl_weight": 0.0}
    summed = type(question)(without, question.arrays)
    right = truth(summed)
    grads = {name[5:]: 6 * value for name, value in right.items() if name.startswith("grad.layers")}
    with pytest.raises(AssertionError, match="nll-summed: the negative log-likelihood is summed"):
        assert_agrees(summed, outputs=right["outputs"], nll=6 * right["nll"], kl=right["kl"],
                      kl_layers=[right["layers.0.kl"], right["layers.1.kl"]],
                      loss=6 * right["loss"], grads=grads, grad_x=6 * right["grad.x"])  # fmt: skip


def test_assert_agrees_refuses_what_cannot_be_compared(question):
    """Case 82 at the end: complex values, a limit of NaN, infinity or below 0."""
    with pytest.raises(ValueError, match="expected at least one result to compare, found none"):
        assert_agrees(question)
    with pytest.raises(ValueError, match=r"grad\.layers\.2\.kernel_mu: expected one of outputs"):
        assert_agrees(question, grads={"layers.2.kernel_mu": np.ones(2)})
    with pytest.raises(ValueError, match=r"outputs: expected shape \(6, 3\), found \(3, 6\)"):
        assert_agrees(question, outputs=np.ones((3, 6)))
    with pytest.raises(ValueError, match="outputs: expected real numbers, found complex128"):
        assert_agrees(question, outputs=truth(question)["outputs"] + 0j)
    for limit in (np.nan, np.inf, -1e-9, 1j):
        with pytest.raises(ValueError, match="limit: expected a finite number, at least 0"):
            assert_agrees(question, outputs=truth(question)["outputs"], limit=limit)


def test_a_partial_answer_must_be_asked_for(question):
    """Case 61."""
    right = truth(question)
    grads = {name[5:]: value for name, value in right.items() if name.startswith("grad.layers")}
    kls = [right["layers.0.kl"], right["layers.1.kl"]]
    assert_agrees(question, grads=grads, kl_layers=kls)
    without = grads | {"layers.0.kernel_rho": None}
    missing = r"^grad\.layers\.0\.kernel_rho: expected a result, found none"
    with pytest.raises(ValueError, match=missing):
        assert_agrees(question, grads=without)
    del without["layers.0.kernel_rho"]
    with pytest.raises(ValueError, match=missing):
        assert_agrees(question, grads=without)
    assert_agrees(question, grads=without, partial=True)
    with pytest.raises(ValueError, match="kl_layers: expected 2, one for each layer, found 1"):
        assert_agrees(question, kl_layers=kls[:1])
    with pytest.raises(ValueError, match=r"layers\.1\.kl: expected a result, found none"):
        assert_agrees(question, kl_layers=[kls[0], None])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_textbook_kl_near_the_prior_agrees(dtype):
    """Case 60: sigma within 4e-4 of the prior's scale; the textbook's form loses six digits."""
    asked = new_question((6, 5, 3), bias="none", rows=6, kl_weight=1.0, priors=(0.0, 1.0),
                         dtype=dtype, scale_shift=0.0)  # fmt: skip
    rng = np.random.default_rng(3)
    arrays = dict(asked.arrays)
    for k, shape in enumerate([(6, 5), (5, 3)]):
        sigma = 1 + rng.uniform(1e-4, 4e-4, shape)
        arrays[f"layers.{k}.kernel_rho"] = np.log(np.expm1(sigma)).astype(dtype)
        arrays[f"layers.{k}.kernel_mu"] = rng.normal(0, 1e-4, shape).astype(dtype)
    asked = type(asked)(asked.meta, arrays)
    answer = {name: np.array(value) for name, value in truth(asked).items()}
    one, half = np.ones((), dtype), np.array(0.5, dtype)
    for k in range(2):
        mu, rho = arrays[f"layers.{k}.kernel_mu"], arrays[f"layers.{k}.kernel_rho"]
        sigma = np.log1p(np.exp(rho))
        answer[f"layers.{k}.kl"] = np.sum(np.log(one / sigma) + (sigma**2 + mu**2) * half - half)
    answer["kl"] = answer["layers.0.kl"] + answer["layers.1.kl"]
    check = check_vector(asked.answer(answer, "a textbook"))
    assert check.agrees, check.text()
    assert "layers.0.kl: the textbook form of the KL loses" in check.verdict()
    lost = float(check.verdict().split("loses ")[1].split()[0])
    assert 5.5 < lost < 8.5
    answer["kl"] = answer["layers.0.kl"] = answer["kl"] * (3 if dtype == "float64" else 1000)
    assert not check_vector(asked.answer(answer, "another")).agrees


def test_an_answer_to_another_question_is_refused(question, tmp_path, capsys):
    """Case 62."""
    write(tmp_path / "q.npz", question)
    write(tmp_path / "a.npz", answered(question))
    still = type(question)(question.meta, dict(question.arrays))
    eps = "layers.1.kernel_eps"
    still.arrays[eps] = 0 * still.arrays[eps]
    write(tmp_path / "still.npz", answered(still))
    asked = ("--question", tmp_path / "q.npz")
    assert call(capsys, "check", *asked, tmp_path / "a.npz").code == 0
    assert call(capsys, "check", tmp_path / "still.npz").code == 0
    found = call(capsys, "check", *asked, tmp_path / "still.npz")
    assert found.code == 2
    assert "layers.1.kernel_eps: expected the question's numbers, found others" in found.err
    other = type(question)({**question.meta, "kl_weight": 0.2}, question.arrays)
    write(tmp_path / "other.npz", answered(other))
    found = call(capsys, "check", *asked, tmp_path / "other.npz")
    assert "meta.kl_weight: expected the question's, found another" in found.err


def test_the_diagnosis_has_a_time_budget(question):
    """Case 67: the table does not wait for it, and what was not tried is said."""
    rng = np.random.default_rng(0)
    wrong = {name: value * (1 + 0.1 * rng.normal(size=np.shape(value)))
             for name, value in truth(question).items()}  # fmt: skip
    check = compare_vector(question.answer(wrong, "noise"))
    assert "DISAGREES" in check.head()
    assert "given up" in check.diagnosed(seconds=0).tail()
    assert "given up" not in check.diagnosed(seconds=60).tail()


@pytest.mark.slow
def test_the_diagnosis_of_a_large_network_ends_in_ten_seconds():
    asked = new_question((784, 400, 10), rows=128)
    rng = np.random.default_rng(0)
    wrong = {name: value * (1 + 0.1 * rng.normal(size=np.shape(value)))
             for name, value in truth(asked).items()}  # fmt: skip
    check = compare_vector(asked.answer(wrong, "noise"))
    start = monotonic()
    assert check.diagnosed().explanations == ()
    assert monotonic() - start < 10


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_the_precision_of_the_numbers_is_named(question, name):
    """Case 63: numbers that are all of a format; products in TF32 are planted in test_planted."""
    rounded = {}
    for key, value in truth(question).items():
        single = np.array(value, np.float32, ndmin=1)
        if name == "float16":
            single = single.astype(np.float16).astype(np.float32)
        else:
            bits = single.view(np.uint32)
            single = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)
        rounded[key] = single.reshape(np.shape(value))
    check = check_vector(question.answer(rounded, name))
    assert [found.keys for found in check.explanations] == [(name,)], check.text()


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
