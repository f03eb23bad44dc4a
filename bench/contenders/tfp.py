"""TensorFlow Probability: `DenseFlipout` layers of a Keras model, a step in one tf.function."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from . import base


class Contender(base.Contender):
    jit_compile = False
    kinds = ("flipout",)

    def __init__(self, dtype, threads):
        super().__init__(dtype, threads)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        tf.random.set_seed(1)

    def open(self, problem):
        self.problem = problem
        self.batches = [(tf.constant(x), tf.constant(y)) for x, y in problem.batches]

        def divergence(posterior, prior, _):
            return tfp.distributions.kl_divergence(posterior, prior) * problem.kl_weight

        self.model = tf_keras.Sequential(
            [
                tfp.layers.DenseFlipout(
                    layer.outputs,
                    activation=None if layer.activation == "linear" else layer.activation,
                    kernel_divergence_fn=divergence,
                    dtype=self.dtype,
                )
                for layer in problem.network.layers
            ]
        )
        self.model.build((None, problem.network.inputs))
        optimiser = tf_keras.optimizers.Adam(
            problem.learning_rate, epsilon=1e-8, jit_compile=self.jit_compile
        )
        optimiser.build(self.model.trainable_variables)
        crossentropy = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        @tf.function(jit_compile=self.jit_compile)
        def step(x, y):
            with tf.GradientTape() as tape:
                logits = self.model(x, training=True)
                loss = crossentropy(y, logits) + tf.add_n(self.model.losses)
            variables = self.model.trainable_variables
            optimiser.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            return loss

        @tf.function(jit_compile=self.jit_compile)
        def average_draws(x, draws):
            total = tf.zeros((tf.shape(x)[0], problem.network.outputs), x.dtype)
            for _ in tf.range(draws):
                total += tf.nn.softmax(self.model(x))
            return total / tf.cast(draws, x.dtype)

        self.step, self.optimiser, self.average_draws = step, optimiser, average_draws

    def variables(self):
        """Return full name to variable."""
        variables = {}
        for k, layer in enumerate(self.model.layers):
            by_name = {v.name.split("/")[-1].split(":")[0]: v for v in layer.trainable_variables}
            variables[f"layers.{k}.kernel_mu"] = by_name["kernel_posterior_loc"]
            variables[f"layers.{k}.kernel_rho"] = by_name["kernel_posterior_untransformed_scale"]
            variables[f"layers.{k}.bias_mu"] = by_name["bias_posterior_loc"]
        return variables

    def reset(self, learning_rate):
        for name, variable in self.variables().items():
            variable.assign(self.problem.parameters[name])
        for variable in self.optimiser.variables:
            variable.assign(tf.zeros_like(variable))
        self.optimiser.learning_rate = learning_rate

    def run(self, steps):
        losses, batches = [], self.batches
        for t in range(steps):
            losses.append(self.step(*batches[t % len(batches)]))
        losses[-1].numpy()
        return losses

    def parameters(self):
        return {name: variable.numpy() for name, variable in self.variables().items()}

    def predict(self, x, draws, kind):
        return self.average_draws(tf.constant(x), tf.constant(draws)).numpy()
