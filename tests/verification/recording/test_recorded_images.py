"""Calls of TFP's and Bayesian-Torch's own convolutions, recorded and checked."""

import os
import subprocess
import sys

import pytest

from bnn_ref.verification.frameworks import installed

TFP = """
import numpy as np
from bnn_ref.verification import check_vector, record
from bnn_ref.verification.frameworks.tensorflow import tf, tf_keras, tfp
tf_keras.backend.set_floatx("float64")
rng = np.random.default_rng(0)
x, y = rng.normal(size=(3, 7, 6, 2)), np.array([0, 2, 1])
layers, keras = tfp.layers, tf_keras.layers

def show(model, x=x, **options):
    try:
        vector = record(model, x, y, kl_weight=0.1, **options)
    except ValueError as error:
        return print(error)
    check = check_vector(vector, limit=1e-12)
    kinds = [layer["type"] for layer in vector.meta["layers"]]
    print("agrees" if check.agrees else check.text(), vector.version, vector.x.shape, *kinds,
          *{layer.get("activation", "") for layer in vector.meta["layers"]} - {""})

random = layers.default_mean_field_normal_fn()
model = tf_keras.Sequential([
    layers.Convolution2DFlipout(3, 3, padding="same", strides=2, activation=tf.nn.relu),
    keras.MaxPooling2D(2, 1), layers.Convolution2DFlipout(2, 2, bias_posterior_fn=random,
    bias_prior_fn=layers.default_multivariate_normal_fn), keras.Activation("relu"),
    keras.AveragePooling2D(2, 1, "same"), keras.Flatten(), layers.DenseFlipout(3)])
show(model)
show([layers.Convolution2DReparameterization(2, 2), keras.Flatten(), layers.DenseFlipout(3)])
show([keras.Reshape((7, 12)), layers.Convolution1DFlipout(2, 3), keras.Flatten(),
      layers.DenseFlipout(3)])
show([keras.Conv2D(2, 2), keras.MaxPooling2D(), layers.Convolution2DFlipout(2, 2), keras.Flatten(),
      layers.DenseFlipout(3)])
one = keras.MaxPooling2D(2, 1)
show([layers.Convolution2DFlipout(2, 2), one, one, keras.Flatten(), layers.DenseFlipout(3)])
show([layers.Convolution2DFlipout(2, 2, dilation_rate=2), keras.Flatten(), layers.DenseFlipout(3)])
show([layers.Convolution2DFlipout(2, 2), keras.MaxPooling2D(), keras.Activation("tanh"),
      keras.Flatten(), layers.DenseFlipout(3)])
show([layers.Convolution2DFlipout(2, 2), keras.GlobalAveragePooling2D(), layers.DenseFlipout(3)])

def summed(outputs, y):
    return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(y, outputs))

print(check_vector(record(model, x, y, nll=summed)).verdict())
"""
TOLD_TFP = [
    "agrees 2 (3, 84) Conv2DFlipout MaxPool2D Conv2DFlipout AveragePool2D DenseFlipout",
    "agrees 2 (3, 84) Conv2DFlipout DenseFlipout linear",
    "agrees 2 (3, 84) Conv1DFlipout DenseFlipout linear",
    "agrees 2 (3, 12) Conv2DFlipout DenseFlipout linear",
    "agrees 2 (3, 84) Conv2DFlipout MaxPool2D MaxPool2D DenseFlipout linear",
    "layers.0.dilation_rate: expected (1, 1), found (2, 2)",
    "layers.1: expected nothing between MaxPool2D and the next layer, found tanh",
    "layers.0: expected one activation of docs/vectors.md between this layer and the next",
    "DISAGREES",
]
TORCH = """
import numpy as np, torch, warnings
from torch import nn
from bnn_ref.verification import check_vector, record
from bnn_ref.verification.frameworks.bayesian_torch import LinearFlipout
from bayesian_torch.layers import Conv2dFlipout, Conv2dReparameterization, LinearReparameterization
rng = np.random.default_rng(0)
x, y = rng.normal(size=(3, 2, 7, 6)), np.array([0, 2, 1])
torch.manual_seed(0)

def show(*model, **options):
    try:
        vector = record(nn.Sequential(*model).double(), x, y, kl_weight=0.1, **options)
    except ValueError as error:
        return print(error)
    check = check_vector(vector, limit=1e-12)
    kinds = [layer["type"] for layer in vector.meta["layers"]]
    print("agrees" if check.agrees else check.text(), vector.version, vector.x.shape, *kinds)

conv = Conv2dReparameterization
show(conv(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), conv(3, 2, 2), nn.Tanh(),
     nn.AvgPool2d(2, 1), nn.Flatten(), LinearReparameterization(2, 3))
show(conv(2, 3, 3), nn.MaxPool2d(2), nn.Flatten(), LinearFlipout(12, 4), nn.ReLU(),
     LinearFlipout(4, 3))
show(nn.Conv2d(2, 3, 3), nn.MaxPool2d(2), nn.Flatten(), LinearFlipout(12, 3))
show(Conv2dFlipout(2, 3, 3), nn.Flatten(), LinearFlipout(60, 3))
show(conv(2, 3, 3, padding=2), nn.Flatten(), LinearFlipout(216, 3))
show(conv(2, 3, 3, dilation=2), nn.Flatten(), LinearFlipout(18, 3))
show(conv(2, 3, 2), nn.MaxPool2d(2, padding=1), nn.Flatten(), LinearFlipout(36, 3))
"""
TOLD_TORCH = [
    "agrees 2 (3, 84) Conv2DFlipout MaxPool2D Conv2DFlipout AveragePool2D DenseFlipout",
    "agrees 2 (3, 84) Conv2DFlipout MaxPool2D DenseFlipout DenseFlipout",
    "agrees 1 (3, 12) DenseFlipout",
    "draw their signs anew at every place",
    "layers.0.padding: expected none or that of 'same', found (2, 2)",
    "layers.0.dilation: expected (1, 1), found (2, 2)",
    "layers.1.padding: expected (0, 0), found (1, 1)",
]
CASES = {"tfp": (TFP, TOLD_TFP), "bayesian-torch": (TORCH, TOLD_TORCH)}


@pytest.mark.parametrize("name", CASES)
def test_convolutions_are_recorded_or_refused_in_one_line(name):
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    program, told = CASES[name]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True,
        timeout=280, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert len(lines) == len(told), done.stdout
    for line, wanted in zip(lines, told, strict=True):
        assert wanted in line, done.stdout
