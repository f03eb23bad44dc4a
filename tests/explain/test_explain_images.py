"""`explain step` on a network with images in the middle: arrays by name, every check agrees."""

import numpy as np

from bnn_ref import Adam, Categorical, Conv2DFlipout, DenseFlipout, MaxPool2D, Network, State
from bnn_ref.explain import Subject, explain


def test_a_step_with_images_in_the_middle():
    network = Network([Conv2DFlipout(2, 2, activation="tanh", bias="normal", input_shape=(4, 4, 1)),
                       MaxPool2D(2, 1), DenseFlipout(8, 3)], Categorical())  # fmt: skip
    state = State.start(network.init(0, "float64"))
    x = np.random.default_rng(0).normal(size=(3, 16))
    subject = Subject("a small network", network, state, x, np.array([0, 2, 1]), 3, 3, 0, 1 / 3,
                      Adam())  # fmt: skip
    sheet = explain("step", subject)
    text = "\n".join(sheet.lines)
    assert "layers[0] forward: Conv2DFlipout, (4, 4, 1) -> (3, 3, 2) 2 2x2 valid tanh" in text
    assert "pre_activation  [3 x 9 x 2]" in text
    assert "layers[1] backward: MaxPool2D" in text
    assert "grad kernel_rho  [2 x 2 x 1 x 2]" in text
    assert "left out, not written for Conv2DFlipout, MaxPool2D" in text
    assert sheet.checks
    assert all(check.agrees for check in sheet.checks)
