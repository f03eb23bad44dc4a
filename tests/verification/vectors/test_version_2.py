"""Version 2 of the vectors: what it says, what it refuses, and who answers it."""

import json

import numpy as np
import pytest

from bnn_ref.layers import (
    AveragePool2D,
    BatchNorm,
    Conv2DFlipout,
    Dense,
    DenseFlipout,
    Dropout,
    Elementwise,
    Flatten,
    LayerNorm,
    MaxPool2D,
    Residual,
)
from bnn_ref.likelihoods import Normal
from bnn_ref.network import Network
from bnn_ref.noise import LocalNoise, draw_noise
from bnn_ref.priors import LaplacePrior, NormalPrior, ScaledPrior
from bnn_ref.verification import check_implementation
from bnn_ref.verification.frameworks import load
from bnn_ref.verification.vectors import (
    Vector,
    VectorError,
    make_question,
    read,
    suite,
    write,
)
from bnn_ref.verification.vectors.checking import check_vector
from bnn_ref.verification.vectors.comparison import compare, truth
from bnn_ref.verification.vectors.json_files import from_json, to_json

FILES = {path.stem.removeprefix("agree-v2-"): path for path in suite.files((2,))
         if path.stem.startswith("agree-")}  # fmt: skip


def made(prior=(0.25, 0.5), estimator="flipout", **options):
    """A question of one hidden layer."""
    network = Network([DenseFlipout(3, 4, "tanh", kernel_prior=prior), DenseFlipout(4, 2)])
    x = np.random.default_rng(0).normal(size=(5, 3))
    noise = draw_noise(network, 5, 1, dtype="float64", estimator=estimator)
    return make_question(network, network.init(1, "float64"), x, np.arange(5) % 2, noise, 0.1,
                         **options)  # fmt: skip


def test_the_least_version_that_can_say_it_is_taken():
    assert made().version == 1
    assert made(id="a", catches=["b"]).version == 2
    assert made(LaplacePrior()).version == 2
    assert made(NormalPrior(np.zeros(4), 1.0)).version == 2
    assert made(estimator="local").meta["estimator"] == "local"
    assert made(estimator="shared", version=2).meta["estimator"] == "shared"
    assert made(sample_weight=np.ones(5)).meta["sample_weight"] is True


def test_every_vector_says_what_it_is_and_catches():
    metas = [read(path).meta for path in FILES.values()]
    assert len({meta["id"] for meta in metas}) == len(metas) == 43
    assert all(meta["comment"] and meta["catches"] for meta in metas)
    assert {meta["estimator"] for meta in metas} == {"flipout", "shared", "local"}


@pytest.mark.parametrize("name", FILES)
def test_an_answer_survives_both_forms_to_the_bit(name, tmp_path):
    vector = read(FILES[name])
    write(tmp_path / "a.npz", vector)
    for again in (read(tmp_path / "a.npz"), from_json(to_json(vector))):
        assert again.meta == vector.meta
        for mine, theirs in ((again.arrays, vector.arrays), (again.results, vector.results)):
            assert set(mine) == set(theirs)
            for key, value in theirs.items():
                np.testing.assert_array_equal(mine[key], value, strict=key != "y")
        assert compare(again).agrees


def test_arrays_stand_in_the_file_and_settle_the_network():
    vector = read(FILES["prior-array-inputs"])
    assert vector.meta["layers"][0]["kernel_prior"]["loc"] == {"array": [3, 1]}
    assert vector.network.layers[0].kernel_prior.loc.shape == (3, 1)
    np.testing.assert_array_equal(vector.layers[0].kernel_prior[1],
                                  vector.arrays["layers.0.kernel_prior.scale"])  # fmt: skip
    moved = {**vector.arrays, "layers.0.kernel_prior.loc": np.full((3, 1), 9.0)}
    assert truth(Vector(vector.meta, moved))["kl"] > truth(vector)["kl"]


def test_pre_activations_come_all_or_not_at_all_and_tell_the_layer():
    question = read(FILES["sample-weights"]).question()
    right = truth(question)
    before = [name for name in right if name.endswith("pre_activation")]
    assert before == ["layers.0.pre_activation", "layers.1.pre_activation"]
    without = {name: value for name, value in right.items() if name not in before}
    assert compare(question.answer(without, "mine")).agrees
    with pytest.raises(VectorError, match=r"layers\.1\.pre_activation"):
        question.answer({**without, before[0]: right[before[0]]}, "mine")
    wrong = {**right, before[1]: right[before[1]] + 0.1, "outputs": right["outputs"] + 0.1}
    check = check_vector(question.answer(wrong, "mine"))
    assert "first in the forward pass of layer 1" in check.verdict()


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"sample_weight": np.array([1.0, -1, 1, 1, 1])}, "at least 0"),
     ({"sample_weight": np.zeros(5)}, "one above"),
     ({"layers.0.sign_input": -np.ones((5, 3))}, "shared")],
)  # fmt: skip
def test_what_the_arrays_may_not_hold_is_refused(changed, message):
    vector = made(estimator="shared", sample_weight=np.ones(5))
    with pytest.raises(VectorError, match=message):
        Vector(vector.meta, {**vector.arrays, **changed})


def test_a_description_nested_without_end_is_refused():
    vector, inner = made(id="deep"), 1.0
    for _ in range(40):
        inner = {"loc": inner}
    layers = [{**vector.meta["layers"][0], "kernel_prior": inner}, vector.meta["layers"][1]]
    with pytest.raises(VectorError, match="levels"):
        Vector({**vector.meta, "layers": layers}, vector.arrays)


def test_a_persons_function_may_be_asked_version_2_too():
    def mine(question):
        if question.meta["likelihood"]["type"] != "normal" or question.version == 1:
            raise NotImplementedError("another likelihood")
        return truth(question)

    report = check_implementation(mine, version=2)
    assert report.agrees, report
    assert len(report.checks) == 11
    assert not any(check.path.startswith("agree-v2") for check in check_implementation(
        load("numpy").answer, suite="small").checks)  # fmt: skip


def test_local_noise_is_read_back_as_such():
    vector = read(FILES["estimator-local-bias"])
    assert isinstance(vector.noise(), LocalNoise)
    assert vector.noise().layers[0].output_eps.shape == (5, 4)
    assert json.loads(to_json(vector))["meta"]["estimator"] == "local"


def test_a_learned_scale_has_its_gradient():
    vector = read(FILES["likelihood-learned-scale"])
    assert vector.results["grad.likelihood.scale_rho"].shape == (2,)
    assert isinstance(vector.network.likelihood, Normal)


def test_layers_of_every_kind_need_no_change_of_the_format(tmp_path):
    """Statistics, masks and layers inside layers, by the names that the layers give them."""
    network = Network([DenseFlipout(3, 4, "tanh"), BatchNorm(), Dropout(0.3),
                       Residual([LayerNorm(), DenseFlipout(4, 4, bias="normal"), Dropout(0.5)]),
                       Dense(4, 2)])  # fmt: skip
    x = np.random.default_rng(0).normal(size=(6, 3))
    question = make_question(network, network.init(3, "float64"), x, np.arange(6) % 2,
                             draw_noise(network, 6, 1, dtype="float64"), 0.1)  # fmt: skip
    right = truth(question)
    assert {"layers.1.running_mean", "layers.2.keep", "layers.3.layers.1.kernel_eps",
            "layers.3.layers.2.keep"} < set(question.arrays)  # fmt: skip
    assert not np.any(right["grad.layers.1.running_mean"])
    assert np.any(right["grad.layers.3.layers.1.kernel_rho"])
    write(tmp_path / "a.npz", question.answer(right, "mine"))
    assert compare(read(tmp_path / "a.npz")).agrees
    right["grad.layers.3.layers.0.scale"] = right["grad.layers.3.layers.0.scale"] * 1.1
    check = check_vector(question.answer(right, "mine"))
    assert "first in the backward pass through layer 3" in check.verdict()


MIXED = {
    "images": lambda: [
        Conv2DFlipout(4, 3, padding="same", strides=2, activation="tanh", input_shape=(6, 5, 2),
                      bias="normal_flipped"),
        MaxPool2D(2, padding="same", strides=1), Conv2DFlipout(3, 2, bias="normal"),
        AveragePool2D(2, padding="same", strides=1), BatchNorm(), Flatten(), DenseFlipout(12, 2),
    ],
    "rows": lambda: [
        DenseFlipout(3, 4, "tanh"), BatchNorm(), Elementwise("relu"), Dropout(0.3),
        Residual([LayerNorm(), DenseFlipout(4, 4, bias="normal"), Dropout(0.5)]), Dense(4, 2),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", MIXED)
def test_pytorch_answers_networks_of_every_layer(name):
    pytest.importorskip("torch")
    network = Network(MIXED[name]())
    rng = np.random.default_rng(0)
    parameters = network.init(3, "float64")
    question = make_question(network, parameters, rng.normal(size=(5, network.inputs)),
                             np.arange(5) % 2, draw_noise(network, 5, 1, dtype="float64"),
                             0.1)  # fmt: skip
    answer = question.answer(load("torch").answer(question), "torch")
    comparison = compare(answer, 1e-12)
    assert comparison.agrees, comparison.table()


def test_a_scaled_prior_is_a_prior_times_its_factor():
    prior = ScaledPrior(NormalPrior(np.linspace(0, 1, 4), 0.5), 0.25)
    question = made(prior)
    assert set(question.arrays) >= {"layers.0.kernel_prior.prior.loc"}
    whole = truth(made(NormalPrior(np.linspace(0, 1, 4), 0.5)))
    assert truth(question)["layers.0.kl"] == pytest.approx(0.25 * whole["layers.0.kl"], rel=1e-14)
    pytest.importorskip("torch")
    assert compare(question.answer(load("torch").answer(question), "torch"), 1e-12).agrees
    mpmath = pytest.importorskip("mpmath")
    from bnn_ref.verification.vectors import oracle

    with mpmath.workdps(50):
        kl = oracle.step(question.whole_meta, {name: oracle._numbers(value) for name, value in
                                               question.arrays.items()})[2][0]  # fmt: skip
    assert float(kl) == pytest.approx(truth(question)["layers.0.kl"], rel=1e-14)
