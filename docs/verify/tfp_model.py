"""A model of TFP's DenseFlipout layers with a loss of one's own, recorded and checked.

Run python docs/verify/tfp_model.py; with --mistake the loss is a sum over the batch, and the
verdict says so.
"""

import os
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from bnn_ref.verification import check_vector, record

MISTAKE = "--mistake" in sys.argv
N = 60000  # training examples

rng = np.random.default_rng(1)
x, y = rng.normal(size=(32, 8)), rng.integers(0, 3, 32)
model = tf_keras.Sequential([
    tfp.layers.DenseFlipout(16, activation="relu", dtype="float64"),
    tfp.layers.DenseFlipout(3, dtype="float64"),
])  # fmt: skip


def negative_log_likelihood(logits, labels):
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return tf.reduce_sum(each) if MISTAKE else tf.reduce_mean(each)


# One real call: the layers draw their own noise, which is written down with all results.
vector = record(model, x, y, kl_weight=1 / N, nll=negative_log_likelihood)
check = check_vector(vector, "my TFP model")
print(check.text())
sys.exit(not check.agrees)
