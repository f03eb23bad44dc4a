"""Sheets on a network of other layers: those that need no layer's lines, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from explained import disagreeing

from bnn_ref import (
    BatchNorm,
    Conv2DFlipout,
    Dense,
    DenseFlipout,
    Dropout,
    Network,
    Residual,
    State,
)
from bnn_ref.explain import explain, small_subject

NETWORK = Network([Dense(3, 4, "tanh"), BatchNorm(), Residual([DenseFlipout(4, 4), Dropout(0.2)]),
                   DenseFlipout(4, 2, bias="normal")])  # fmt: skip


@pytest.fixture
def subject():
    x, y = np.random.default_rng(0).normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])
    state = State.start(NETWORK.init(0, "float64"))
    return replace(small_subject(), network=NETWORK, state=state, x=x, y=y, small=False)


@pytest.mark.parametrize("topic", ["kl", "adam"])
def test_the_sheets_that_ask_the_layers(subject, topic):
    sheet = explain(topic, subject)
    assert disagreeing(sheet) == []
    if topic == "kl":
        assert "layers.2" in sheet.text()
        assert "layers.0" not in sheet.text()


def test_a_layer_whose_lines_are_not_printed_is_named(subject):
    with pytest.raises(ValueError, match=r"layers\[0\]: expected a kind whose every line.*Dense"):
        explain("flipout", subject)


def test_point_estimates_alone_have_no_kl(subject):
    alone = Network([Dense(3, 2)])
    with pytest.raises(ValueError, match="layers: expected one with a posterior"):
        explain("kl", replace(subject, network=alone, state=State.start(alone.init(0))))


def test_layers_inside_a_layer_are_not_taken_for_lines_of_it(subject):
    inside = Network([DenseFlipout(3, 2), Residual([DenseFlipout(2, 2)])])
    with pytest.raises(ValueError, match=r"layers\[1\]: expected a kind whose every.*Residual"):
        explain("flipout", replace(subject, network=inside, state=State.start(inside.init(0))))


def test_a_bias_before_batch_normalisation_is_no_disagreement(subject):
    """Its gradient is 0, and what is computed of it is rounding."""
    layers = [Conv2DFlipout(8, 3, input_shape=(8, 8, 1)), BatchNorm(), DenseFlipout(288, 10)]
    network, rng = Network(layers), np.random.default_rng(0)
    changed = {"x": rng.random((64, 64)), "y": rng.integers(0, 10, 64)}
    state = State.start(network.init(0, "float64"))
    sheet = explain("step", replace(subject, network=network, state=state, **changed))
    assert disagreeing(sheet) == []
