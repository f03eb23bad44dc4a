"""The first program of `programs.py` in TFP's own layers, trained there and scored here.

    BNN_REF_DATA=FOLDER python tools/wine_in_tfp.py

Initial values, noise, gradients and Adam are TensorFlow's; `from_keras` brings what was learned.
"""

import numpy as np
import programs

from bnn_ref import PredictedNormal, predict
from bnn_ref.exchange import from_keras
from bnn_ref.verification.frameworks.tensorflow import tf, tf_keras, tfp

BATCH, SIGMA = 128, 0.02
LAYERS = ((11, 8, "sigmoid"), (8, 8, "sigmoid"), (8, 2, None))


def model_of():
    """Return the Keras model: batch normalisation and three Flipout layers."""
    start, normal = tf_keras.initializers, tfp.layers.default_mean_field_normal_fn
    flipout = [
        tfp.layers.DenseFlipout(
            outputs,
            activation=activation,
            kernel_posterior_fn=normal(
                loc_initializer=start.RandomNormal(0, np.sqrt(2 / inputs)),
                untransformed_scale_initializer=start.Constant(float(np.log(np.expm1(SIGMA)))),
            ),
            bias_posterior_fn=normal(is_singular=True, loc_initializer=start.Zeros()),
        )
        for inputs, outputs, activation in LAYERS
    ]
    model = tf_keras.Sequential([tf_keras.layers.BatchNormalization(epsilon=1e-3), *flipout])
    model.build((BATCH, LAYERS[0][0]))
    return model


def trained(program, x, y, seed):
    """Return the model after the program's steps."""
    tf.random.set_seed(seed)
    rng, model, order = np.random.default_rng(seed), model_of(), []
    adam = tf_keras.optimizers.Adam(program.rate)
    adam.build(model.trainable_variables)

    @tf.function
    def step(rows, targets):
        with tf.GradientTape() as tape:
            mean, rho = tf.split(model(rows, training=True), 2, 1)
            normal = tfp.distributions.Normal(mean, 1e-3 + tf.nn.softplus(rho))
            loss = sum(model.losses) / len(x) - tf.reduce_mean(normal.log_prob(targets))
        variables = model.trainable_variables
        adam.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    for _ in range(program.steps):
        if len(order) < BATCH:
            order = rng.permutation(len(x))
        step(tf.constant(x[order[:BATCH]]), tf.constant(y[order[:BATCH]]))
        order = order[BATCH:]
    return model


def main():
    """Print the held-out nats of each seed, their mean and its standard error."""
    program = programs.programs()[0]
    x, y, x_test, y_test = (np.asarray(part, np.float32) for part in programs.uci("wine"))
    nats = []
    for seed in programs.SEEDS:
        imported = from_keras(trained(program, x, y, seed), PredictedNormal())
        nats.append(predict(imported.network, imported.parameters, x_test, y_test, seed=seed).nats)
        print(seed, f"{nats[-1]:.4f}", flush=True)
    print(f"{np.mean(nats):.3f} ± {np.std(nats, ddof=1) / len(nats) ** 0.5:.3f}")


if __name__ == "__main__":
    main()
