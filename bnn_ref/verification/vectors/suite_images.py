"""The suite's vectors of convolutions and pooling: what each is, and which mistakes it catches.

Small, for the oracle takes a difference for every parameter and pixel. `suite_version_2.py` draws
their numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...layers import AveragePool2D, Conv1DFlipout, Conv2DFlipout, DenseFlipout, Flatten, MaxPool2D
from ...likelihoods import Bernoulli, Categorical, Normal
from ...network import Network
from ...priors import LaplacePrior, NormalPrior

PRIOR = {"kernel_prior": (0.25, 0.5)}
_LOCS = (np.arange(18.0).reshape(3, 3, 1, 2) - 9) / 8


def _spec(what, catches, layers, likelihood=None, outputs=2, **options):
    """Return one spec; a dense layer of so many outputs stands at the end."""
    before = Network(layers)
    layers = [*before.layers, DenseFlipout(before.outputs, outputs, bias="none")]
    return {"what": what, "catches": catches, "layers": layers, "rows": 2,
            "likelihood": likelihood or Categorical(), **options}  # fmt: skip


def _convolutions():
    """Return name to spec of the vectors about convolutions."""
    return {
        "conv-valid": _spec(
            "a convolution without padding, three channels, two filters",
            ["a kernel that is turned", "height and width exchanged", "channels first",
             "signs for every place or for every entry of the kernel"],
            [Conv2DFlipout(2, (2, 3), activation="tanh", input_shape=(3, 4, 3), **PRIOR)],
        ),
        "conv-same-even": _spec(
            "padding 'same' of an even kernel: the odd row and column lie below and to the right",
            ["padding off by one"],
            [Conv2DFlipout(2, (2, 4), padding="same", activation="tanh", input_shape=(3, 3, 1))],
            Normal(0.5),
        ),
        "conv-same-strides": _spec(
            "padding 'same' with strides: less is missing than the kernel's half on every side",
            ["padding of half the kernel whatever the stride", "strides exchanged"],
            [Conv2DFlipout(2, 3, (2, 3), "same", activation="sigmoid", input_shape=(4, 6, 1))],
        ),
        "conv-valid-strides": _spec(
            "strides that do not reach the last row and column",
            ["one place too many", "strides larger than the kernel"],
            [Conv2DFlipout(3, (2, 1), (2, 3), activation="softplus", input_shape=(5, 5, 1))],
            Bernoulli(),
        ),
        "conv-larger-than-image": _spec(
            "a kernel larger than the image, padded: entries that no pixel ever meets",
            ["a gradient of an entry without a pixel", "padding cut off at the image's size"],
            [Conv2DFlipout(1, 5, padding="same", activation="elu", input_shape=(3, 2, 1))],
        ),
        "conv-bias-normal": _spec(
            "a bias with a posterior: one draw for all places and examples",
            ["a bias drawn anew at every place", "its KL counted once a place"],
            [Conv2DFlipout(2, 2, bias="normal", bias_prior=(-0.5, 2.0), activation="gelu",
                           input_shape=(3, 3, 2), **PRIOR)],
            Normal(0.5),
        ),
        "conv-bias-flipped": _spec(
            "a bias whose draw takes the signs of the filters",
            ["a bias that is not flipped", "no shift of sigma left out"],
            [Conv2DFlipout(2, 2, bias="normal_flipped", scale_shift=0.0, activation="tanh",
                           input_shape=(3, 3, 1))],
        ),
        "conv-no-bias-float32": _spec(
            "two convolutions without a bias in float32", ["what float32 alone loses"],
            [Conv2DFlipout(2, 2, bias="none", activation="tanh", input_shape=(4, 3, 1)),
             Conv2DFlipout(2, 2, padding="same", bias="none", activation="softplus")],
            dtype="float32",
        ),
        "conv-one-pixel": _spec(
            "one image of one pixel: a convolution is a dense layer there",
            ["a sum over the batch or over places where there is one"],
            [Conv2DFlipout(3, 1, activation="tanh", bias="normal", input_shape=(1, 1, 2))],
            rows=1,
        ),
        "conv-shared": _spec(
            "one kernel drawn for the batch: every sign is +1", ["signs drawn all the same"],
            [Conv2DFlipout(2, 2, padding="same", activation="tanh", bias="normal",
                           input_shape=(3, 2, 2))],
            estimator="shared",
        ),
        "conv-priors": _spec(
            "a prior for every weight, a Laplace prior of the bias, sample weights",
            ["a prior array laid out otherwise than the kernel", "weights counted once a place"],
            [Conv2DFlipout(2, 3, padding="same", activation="tanh", bias="normal",
                           kernel_prior=NormalPrior(_LOCS, 0.5 + np.abs(_LOCS)),
                           bias_prior=LaplacePrior(0.25, 0.5), input_shape=(3, 2, 1))],
            sample_weight=(0.5, 3.0),
        ),
        "conv-signals": _spec(
            "signals of two channels, padded, with a stride",
            ["channels taken for time", "padding off by one"],
            [Conv1DFlipout(3, 4, 2, "same", activation="tanh", bias="normal", input_shape=(7, 2))],
        ),
    }  # fmt: skip


def _others():
    """Return name to spec of the vectors about pooling and what lies behind it."""
    return {
        "pool-ties": _spec(
            "overlapping windows over pixels of halves, many of them equal: the first one is taken",
            ["the gradient of a maximum to all that are equal", "or shared among them"],
            [MaxPool2D(2, 1, input_shape=(4, 4, 1)), Conv2DFlipout(2, 2, activation="tanh")],
            grid=0.5,
        ),
        "pool-same": _spec(
            "a maximum under padding, which is never pooled, of pixels that may all be negative",
            ["padding pooled as zeros", "padding off by one"],
            [Conv2DFlipout(2, 2, activation="tanh", input_shape=(4, 4, 1)),
             MaxPool2D(2, padding="same")],
            Normal(0.5),
        ),
        "pool-average": _spec(
            "means under padding: of those numbers alone that lie in the image",
            ["a mean over the whole window", "padding off by one"],
            [Conv2DFlipout(2, 2, activation="tanh", input_shape=(4, 4, 1)),
             AveragePool2D((2, 3), 1, "same")],
        ),
        "flatten": _spec(
            "several channels before a dense layer: flattened row by row, channels last",
            ["images flattened channel by channel"],
            [Conv2DFlipout(3, 2, activation="relu", input_shape=(3, 3, 2)), Flatten()],
            Bernoulli(),
        ),
        "lenet": _spec(
            "convolutions and pooling in turn, ReLU, as LeNet-5 has them",
            ["a fault that shows where several meet"],
            [Conv2DFlipout(2, 3, padding="same", activation="relu", input_shape=(4, 4, 1)),
             MaxPool2D(2, padding="same"), Conv2DFlipout(2, 3, padding="same", activation="relu"),
             MaxPool2D(2, padding="same"), Flatten()],
            outputs=3,
        ),
    }  # fmt: skip


def specs() -> dict[str, dict[str, Any]]:
    """Return name to the options of `suite_version_2.question` of every vector of images."""
    return {**_convolutions(), **_others()}


PLANTED = {  # mistake to the good vector that it is planted in
    "kernel-turned": "conv-valid",
    "padding-odd-above": "conv-same-even",
    "padding-symmetric": "conv-same-strides",
    "pool-gradient-to-all-ties": "pool-ties",
    "flattened-channels-first": "flatten",
}
