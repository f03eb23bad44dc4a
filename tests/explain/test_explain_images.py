"""`explain step` on a network with images in the middle: arrays by name, every check agrees."""

import numpy as np

from bnn_ref import Adam, Categorical, Conv2DFlipout, DenseFlipout, MaxPool2D, Network, State
from bnn_ref.explain import Subject, explain
from bnn_ref.explain.pictures import deviation, picture
from bnn_ref.explain.sheet import LONGEST, Sheet
from bnn_ref.noise import Stream


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
    assert "\n    kernel_mu: ' ' " in text
    assert "its deviation over draws of the kernel: ' ' " in text
    assert "left out, not written for Conv2DFlipout, MaxPool2D" in text
    assert sheet.checks
    assert all(check.agrees for check in sheet.checks)


def test_a_picture_has_a_letter_for_each_tenth():
    sheet = Sheet("a")
    picture(sheet, "tiles", np.array([[[0.0, 0.55], [1.0, 0.1]], [[0.0, 0.0], [1.0, 1.0]]]))
    assert sheet.lines[1:] == ["    tiles: ' ' 0 to '@' 1", "        ++", "      @@..  @@@@"]
    wide = Sheet("b")
    picture(wide, "wide", np.arange(5 * 28 * 28.0).reshape(5, 28, 28))
    assert "wide, 3 of 5" in wide.lines[1]
    assert max(map(len, wide.lines)) <= LONGEST


def test_the_deviation_is_that_of_many_draws():
    """Monte Carlo: 400 draws of the kernel, 50 signs of each: some 4 % at the least, limit 15 %."""
    layer = Conv2DFlipout(2, 2, input_shape=(3, 3, 2), initial_sigma=0.4)
    p = Network([layer]).init(0, "float64").layers[0]
    h = np.tile(np.random.default_rng(1).normal(size=(1, 18)), (50, 1))
    noises = [layer.draw_noise(Stream(0, "train", 0, step=step, dtype=h.dtype), 50)
              for step in range(400)]  # fmt: skip
    traces = [layer.forward(p, noise, h) for noise in noises]
    found = np.sqrt(np.mean([t.perturbation**2 for t in traces], axis=(0, 1)))
    np.testing.assert_allclose(found, deviation(layer, traces[0])[0], rtol=0.15)
