"""LeNet-5 on MNIST, trained by this project and by TensorFlow Probability from the same settings.

    python -m bench.lenet --data FOLDER [--contender ours|tfp|both] [--seeds 3] [--epochs 3]

The settings are those of TFP's own example (Adam .001, batches of 128, KL / 60,000, sigma near
.049 at the start). Both posteriors are scored by the same code on the 10,000 test images, averaged
over draws of whole weights; seconds are of training alone, the first step apart.
"""

import argparse
import json
import time

import numpy as np

from bnn_ref import Adam, Categorical, Network, State, predict
from bnn_ref.backends import get_backend
from bnn_ref.data import load
from bnn_ref.networks import lenet5

BATCH, RATE = 128, 0.001


def batches(rows, epochs, seed):
    """Yield the row numbers of each step, shuffled anew each epoch; whole batches only."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(rows)
        for start in range(0, rows - BATCH + 1, BATCH):
            yield order[start : start + BATCH]


def ours(network, x, y, epochs, seed):
    """Return (parameters, seconds) of this project's training, compiled."""
    state, backend = State.start(network.init(seed, "float32")), get_backend("numba")
    workspace, adam = backend.prepare(network, BATCH, "float32"), Adam(RATE)
    begin = None
    for rows in batches(len(x), epochs, seed):
        backend.train_step(state, x[rows], y[rows], seed=seed, kl_weight=1 / len(x), adam=adam,
                           workspace=workspace)  # fmt: skip
        begin = time.perf_counter() if begin is None else begin
    return state.parameters, time.perf_counter() - begin


def tfp(network, x, y, epochs, seed):
    """Return (parameters, seconds) of TFP's layers, a step in one tf.function."""
    from bnn_ref.verification.frameworks.tensorflow import tf, tf_keras
    from bnn_ref.verification.frameworks.tensorflow import tfp as library

    tf.random.set_seed(seed)
    layers = library.layers
    convolutions = [layers.Convolution2DFlipout(filters, 5, padding="SAME", activation=tf.nn.relu)
                    for filters in (6, 16, 120)]  # fmt: skip
    pool = tf_keras.layers.MaxPooling2D
    model = tf_keras.Sequential([
        convolutions[0], pool(2, 2, "SAME"), convolutions[1], pool(2, 2, "SAME"), convolutions[2],
        tf_keras.layers.Flatten(), layers.DenseFlipout(84, activation=tf.nn.relu),
        layers.DenseFlipout(10),
    ])  # fmt: skip
    model.build((BATCH, *network.layers[0].input_shape))
    adam = tf_keras.optimizers.Adam(RATE)

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = model(images)
            nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(nll) + sum(model.losses) / len(x)
        gradients = tape.gradient(loss, model.trainable_variables)
        adam.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    images, begin = x.reshape(-1, *network.layers[0].input_shape), None
    for rows in batches(len(x), epochs, seed):
        step(tf.constant(images[rows]), tf.constant(y[rows]))
        begin = time.perf_counter() if begin is None else begin
    seconds = time.perf_counter() - begin
    probabilistic = [one for one in model.layers if hasattr(one, "kernel_posterior")]
    places = [k for k, layer in enumerate(network.layers) if layer.num_random]
    found = {}
    for k, one in zip(places, probabilistic, strict=True):
        kernel, bias = one.kernel_posterior.distribution, one.bias_posterior.distribution
        found[f"layers.{k}.kernel_mu"] = kernel.loc.numpy()
        found[f"layers.{k}.kernel_rho"] = kernel.scale.pretransformed_input.numpy()
        found[f"layers.{k}.bias_mu"] = bias.loc.numpy()
    return network.parameters(found, "float32"), seconds


CONTENDERS = {"ours": ours, "tfp": tfp}


def main():
    """Train, score, and print one line of JSON for each seed and contender."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, metavar="FOLDER")
    parser.add_argument("--contender", default="both", choices=("both", *CONTENDERS))
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("--epochs", type=int, default=3, metavar="N")
    parser.add_argument("--draws", type=int, default=20, metavar="N")
    args = parser.parse_args()
    dataset = load(args.data)
    x, y = np.asarray(dataset.train.x[:]), np.asarray(dataset.train.y[:])
    network = Network(lenet5((*dataset.image, 1), dataset.outputs), Categorical())
    for seed in range(args.seeds):
        for name in CONTENDERS if args.contender == "both" else (args.contender,):
            parameters, seconds = CONTENDERS[name](network, x, y, args.epochs, seed)
            scored = predict(network, parameters, dataset.test.x, dataset.test.y, draws=args.draws,
                             rows_at_once=512)  # fmt: skip
            print(json.dumps({
                "contender": name, "seed": seed, "nats": round(float(np.mean(scored.log_prob)), 5),
                "nats_error": round(float(np.std(scored.log_prob) / len(y) ** 0.5), 5),
                "accuracy": round(float(scored.accuracy), 4), "seconds": round(seconds, 1),
            }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
