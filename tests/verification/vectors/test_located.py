"""Faults that no catalogue holds: located, by layer, tensor and entry, and by precision."""

import numpy as np
import pytest

from bnn_ref.reference import loss_and_gradients
from bnn_ref.verification.vectors import results_of
from bnn_ref.verification.vectors.checking import check_vector
from bnn_ref.verification.vectors.comparison import truth
from bnn_ref.verification.vectors.questions import new_question
from bnn_ref.verification.vectors.variants import Problem, Variant, forward


def question(seed=1, **options):
    """A question of version 2, whose answers may hold pre-activations."""
    return new_question((5, 4, 4, 3), activation="tanh", rows=6, seed=seed, version=2, **options)


def right(asked):
    return {name: np.array(value) for name, value in truth(asked).items()}


def after(asked, layer, change):
    """The results of a step in which one layer's parameters or noise are changed first."""
    arrays = dict(asked.arrays)
    for name, function in change.items():
        arrays[f"layers.{layer}.{name}"] = function(arrays[f"layers.{layer}.{name}"])
    changed = type(asked)(asked.meta, arrays)
    result = loss_and_gradients(changed.network, changed.parameters(), changed.x, changed.y,
                                changed.noise(), changed.kl_weight, trace=True)  # fmt: skip
    return results_of(result)


def turned(signs, place):
    """Signs of which some, by their places in C order, are the other."""
    signs = signs.copy()
    signs.flat[place] *= -1
    return signs


FORWARD = {  # what is done to one layer's arrays before the step
    "the mean cubed": {"kernel_mu": lambda a: a**3},
    "a row of weights lost": {"kernel_mu": lambda a: a * (np.arange(len(a)) != 1)[:, None]},
    "two outputs exchanged": {"kernel_mu": lambda a: a[:, [1, 0, *range(2, a.shape[1])]]},
    "the draw squared": {"kernel_eps": lambda a: a * np.abs(a)},
    "one sign turned": {"sign_input": lambda a: turned(a, 3)},
    "one example's signs turned": {"sign_output": lambda a: turned(a, slice(0, a.shape[1]))},
    "the bias's mean doubled": {"bias_mu": lambda a: 2 * a},
    "the bias's draw reversed": {"bias_eps": lambda a: a[::-1].copy()},
    "rho moved": {"kernel_rho": lambda a: a + 0.3},
    "the draw rolled": {"kernel_eps": lambda a: np.roll(a, 1, axis=0)},
}  # fmt: skip


@pytest.mark.parametrize("what", FORWARD)
def test_a_layer_that_computes_something_else_is_located(what, volume):
    """Ten unknown faults of one layer's forward pass: that layer is named, and no other."""
    for layer in volume((len(what) % 3,), (0, 1, 2)):
        asked = question()
        answer = asked.answer(after(asked, layer, FORWARD[what]), what)
        check = check_vector(answer, seconds=volume(0.2, 60))
        assert f"first in the forward pass of layer {layer}" in check.verdict()
        assert not check.explanations
        told = [part for part in check.parts if part.startswith("layer ")]
        assert len(told) == 1, check.parts
        assert told[0].startswith(f"layer {layer}: its own forward pass is wrong")


def _entry(value, place):
    value.flat[place] += 0.03 * np.max(np.abs(value))
    return value


def _row(value, place):
    value[place % len(value)] *= 1.2
    return value


BACKWARD = {  # tensor, what is done to it, what the report must say of the place
    "one entry of a kernel": ("grad.layers.1.kernel_mu", _entry, "this entry alone is wrong"),
    "a row of a kernel": ("grad.layers.2.kernel_rho", _row, "all in row 0"),
    "a kernel turned": ("grad.layers.1.kernel_mu", lambda v, _: v.T.copy(), "entries are wrong"),
    "a bias reversed": ("grad.layers.0.bias_mu", lambda v, _: v[::-1].copy(), "wrong"),
    "an example of x": ("grad.x", _row, "all in row 2"),
    "a factor": ("grad.layers.0.bias_rho", lambda v, _: 0.9 * v, "found / expected = 0.9"),
    "a NaN": ("grad.layers.2.kernel_mu", lambda v, _: v + np.nan * (v == v[2, 1]), "is nan"),
    "a layer's KL": ("layers.1.kl", lambda v, _: v + 1, "layers.1.kl: expected"),
    "the nll": ("nll", lambda v, _: v * 1.3, "nll: expected"),
    "the loss": ("loss", lambda v, _: v + 0.5, "loss: expected"),
}  # fmt: skip


@pytest.mark.parametrize("what", BACKWARD)
def test_a_tensor_that_is_wrong_is_located(what, volume):
    """Ten unknown faults of one result: the tensor, and where in it."""
    name, change, words = BACKWARD[what]
    for seed in volume((1,), (1, 2, 3)):
        asked = question(seed)
        found = right(asked)
        found[name] = change(found[name].copy(), 8)
        check = check_vector(asked.answer(found, what), seconds=volume(0.2, 60))
        assert check.comparison.first.name == name
        assert f": {name}" in check.head().splitlines()[-1]
        assert words in check.head().splitlines()[-1]
        assert not check.explanations, check.text()


def test_a_known_mistake_of_one_layer_is_named_there():
    """With pre-activations and without: output signs left out in layer 1 alone."""
    for version in (1, 2):
        asked = new_question((5, 4, 4, 3), activation="tanh", rows=6, version=version)
        traces = forward(Problem(asked), Variant(sign_output=False), only=1)
        found = right(asked) | {"outputs": traces[-1].h}
        if version == 2:
            found |= {f"layers.{k}.pre_activation": t.a for k, t in enumerate(traces)}
        check = check_vector(asked.answer(found, "one layer"))
        (told,) = [part for part in check.parts if "sign-output-missing" in part]
        assert told.startswith("layer 1: its own" if version == 2 else "layer 1 alone")


def test_an_activation_that_is_another_is_told():
    asked = question(output_activation="tanh")
    found = right(asked)
    found["outputs"] = found["layers.2.pre_activation"]
    check = check_vector(asked.answer(found, "no activation"))
    assert check.parts == ("outputs: not the tanh of the pre-activations given of layer 2",)


@pytest.mark.parametrize(("kind", "told"), [("float32", "float32"), ("float16", "float16")])
def test_each_tensor_says_of_which_format_its_numbers_are(kind, told):
    asked = question()
    found = {name: value.astype(kind) if name.startswith("grad.layers.1") else value
             for name, value in right(asked).items()}  # fmt: skip
    check = check_vector(asked.answer(found, kind))
    (line,) = [line for line in check.head().splitlines() if line.startswith("precision: ")]
    names = line.removeprefix(f"precision: {told}: ").split(", ")
    assert set(names) == {name for name in found if name.startswith("grad.layers.1")}
    assert check.to_json()["precision"] == {told: names}


@pytest.mark.parametrize("kind", ["bfloat16", "tf32"])
def test_products_in_a_coarse_precision_are_told(kind):
    pytest.importorskip("torch")
    from torch_step import step

    asked = new_question((5, 6, 4), activation="tanh", rows=6, dtype="float32")
    check = check_vector(asked.answer(step(asked, kind), kind), limit=1e-6)
    told = check.to_json()["precision"]
    assert list(told) == [{"tf32": "TF32, or float16, products"}.get(kind, f"{kind} products")]
    assert "outputs" in next(iter(told.values()))
