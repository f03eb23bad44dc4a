"""A Flipout layer of one's own in Keras 3, verified: python docs/verify/keras_layer.py

With --mistake the KL is averaged over the weights, and the verdict says so. Written for the
TensorFlow back end; with another one only `answer` differs, which takes the gradients.
"""

import math
import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf
from keras import ops

from bnn_ref.verification import check_implementation

MISTAKE = "--mistake" in sys.argv


class DenseFlipout(keras.layers.Layer):
    """The layer under test. Its noise is given, where training would draw it."""

    def __init__(self, given, kl_weight, **options):
        super().__init__(**options)
        self.given, self.kl_weight = given, kl_weight

    def build(self, shape):
        for name in ("kernel_mu", "kernel_rho", "bias_mu"):
            value = getattr(self.given, name)
            weight = (
                None
                if value is None
                else self.add_weight(
                    shape=value.shape, initializer=lambda *_, value=value, **__: value, name=name
                )
            )
            setattr(self, name, weight)  # fmt: skip

    def call(self, x):
        given = self.given
        sigma = given.scale_shift + ops.softplus(self.kernel_rho)
        loc, scale = given.kernel_prior
        ratio = (sigma**2 + (self.kernel_mu - loc) ** 2) / (2 * scale**2)
        terms = math.log(scale) - ops.log(sigma) + ratio - 0.5
        self.kl = ops.mean(terms) if MISTAKE else ops.sum(terms)
        self.add_loss(self.kl_weight * self.kl)
        a = ops.matmul(x, self.kernel_mu)
        a += ops.matmul(x * given.sign_input, sigma * given.kernel_eps) * given.sign_output
        a = a if self.bias_mu is None else a + self.bias_mu
        if given.activation == "gelu":  # Keras' own rounds its constants to float32
            return 0.5 * a * (1 + ops.erf(a / ops.cast(math.sqrt(2), a.dtype)))
        return keras.activations.get(given.activation)(a)


def negative_log_likelihood(likelihood, outputs, y):
    """Mean over the batch, summed over output dimensions."""
    if likelihood["type"] == "categorical":
        each = keras.losses.sparse_categorical_crossentropy(y, outputs, from_logits=True)
        return ops.mean(each)
    if likelihood["type"] == "bernoulli":
        each = ops.softplus(outputs) - ops.cast(y, outputs.dtype) * outputs
    else:
        scale = likelihood["scale"]
        each = ((y - outputs) / scale) ** 2 / 2 + math.log(scale) + math.log(2 * math.pi) / 2
    return ops.mean(ops.sum(each, axis=1))


def answer(question):
    """What the check asks: one training step of my layers on the question's noise."""
    if any(layer.bias_rho is not None for layer in question.layers):
        raise NotImplementedError("my bias is a point estimate")
    layers = [DenseFlipout(given, question.kl_weight, dtype=question.dtype)
              for given in question.layers]  # fmt: skip
    x = tf.constant(question.x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = x
        for layer in layers:
            outputs = layer(outputs)
        nll = negative_log_likelihood(question.meta["likelihood"], outputs, question.y)
        loss = nll + sum(loss for layer in layers for loss in layer.losses)
    weights = {f"layers.{k}.{weight.name}": weight.value
               for k, layer in enumerate(layers) for weight in layer.weights}  # fmt: skip
    grads, grad_x = tape.gradient(loss, (weights, x))
    kls = [layer.kl for layer in layers]
    return {"outputs": outputs, "nll": nll, "kl": sum(kls), "kl_layers": kls, "loss": loss,
            "grads": grads, "grad_x": grad_x}  # fmt: skip


if __name__ == "__main__":
    report = check_implementation(answer, suite="small", random=4, name="my Keras layer")
    print(report)
    sys.exit(not report.agrees)
