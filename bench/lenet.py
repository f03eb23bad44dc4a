"""LeNet-5 on MNIST, trained by this project and by TensorFlow Probability from the same settings.

    python -m bench lenet --data FOLDER [--contenders ours,tfp] [--seeds 3] [--epochs 3]

The settings are those of TFP's own example (Adam .001, batches of 128, KL / 60,000, sigma near
.049 at the start). Both posteriors are scored by the same code on the held-out images, averaged
over the same number of draws of whole weights. Every training runs in a process of its own, one
after the other, so that its peak memory is its own. Printed: a line of JSON for each, then the
table of means.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from bench.tables import Table
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
    """Return (parameters, seconds of all steps but the first) of this project's compiled step."""
    state, backend = State.start(network.init(seed, "float32")), get_backend("numba")
    workspace = backend.prepare(network, BATCH, "float32")
    adam, begin = Adam(RATE, convention="keras"), None
    for rows in batches(len(x), epochs, seed):
        backend.train_step(state, x[rows], y[rows], seed=seed, kl_weight=1 / len(x), adam=adam,
                           workspace=workspace)  # fmt: skip
        begin = time.perf_counter() if begin is None else begin
    return state.parameters, time.perf_counter() - begin


def tfp(network, x, y, epochs, seed):
    """Return the same of TFP's own layers, a step in one tf.function that XLA compiles."""
    from bnn_ref.verification.frameworks.tensorflow import tf, tf_keras
    from bnn_ref.verification.frameworks.tensorflow import tfp as library

    tf.random.set_seed(seed)
    layers, pool = library.layers, tf_keras.layers.MaxPooling2D
    one, two, three = (layers.Convolution2DFlipout(filters, 5, padding="SAME",
                                                   activation=tf.nn.relu)
                       for filters in (6, 16, 120))  # fmt: skip
    model = tf_keras.Sequential([
        one, pool(2, 2, "SAME"), two, pool(2, 2, "SAME"), three, tf_keras.layers.Flatten(),
        layers.DenseFlipout(84, activation=tf.nn.relu), layers.DenseFlipout(network.outputs),
    ])  # fmt: skip
    model.build((BATCH, *network.layers[0].input_shape))
    adam = tf_keras.optimizers.Adam(RATE)
    adam.build(model.trainable_variables)

    @tf.function(jit_compile=True)
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
    return _taken(network, model), time.perf_counter() - begin


def _taken(network, model):
    """Return a Keras model's posterior as the network's `Parameters`."""
    probabilistic = [layer for layer in model.layers if hasattr(layer, "kernel_posterior")]
    places = [k for k, layer in enumerate(network.layers) if layer.num_random]
    arrays = {}
    for k, keras_layer in zip(places, probabilistic, strict=True):
        kernel, bias = (getattr(keras_layer, f"{n}_posterior").distribution
                        for n in ("kernel", "bias"))  # fmt: skip
        arrays[f"layers.{k}.kernel_mu"] = kernel.loc.numpy()
        arrays[f"layers.{k}.kernel_rho"] = kernel.scale.pretransformed_input.numpy()
        arrays[f"layers.{k}.bias_mu"] = bias.loc.numpy()
    return network.parameters(arrays, "float32")


CONTENDERS = {"ours": ours, "tfp": tfp}
TITLES = {"ours": "bnn_ref", "tfp": "TFP, XLA"}


def run(name, seed, data, rows, epochs, draws):
    """Train one contender from one seed and return its scores as a dict.

    Parameters
    ----------
    name : str
        Of `CONTENDERS`.
    seed : int
    data : str
        What `bnn_ref.data.load` takes.
    rows : int or None
        Training rows taken, the first; all unless given.
    epochs, draws : int
    """
    dataset = load(data)
    x, y = np.asarray(dataset.train.x[:rows]), np.asarray(dataset.train.y[:rows], np.int64)
    test = dataset.validation if dataset.test is None else dataset.test
    network = Network(lenet5((*dataset.image, 1), dataset.outputs), Categorical())
    parameters, seconds = CONTENDERS[name](network, x, y, epochs, seed)
    scored = predict(network, parameters, test.x, test.y, draws=draws, rows_at_once=512)
    return {
        "contender": name, "seed": seed, "nats": float(np.mean(scored.log_prob)),
        "nats_error": float(np.std(scored.log_prob) / len(test.y) ** 0.5),
        "accuracy": float(scored.accuracy), "seconds": seconds, "peak_mb": _peak(),
    }  # fmt: skip


def _peak():
    """Return this process's peak memory in MB, None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def table(measured):
    """Return the `Table` of means over seeds, with standard errors: of one seed over the images.

    Parameters
    ----------
    found : list of dict
        As `run` returns them.
    """

    def told(rows, key, digits):
        values = [row[key] for row in rows]
        error = rows[0].get(f"{key}_error")
        if len(values) > 1:
            error = np.std(values, ddof=1) / len(values) ** 0.5
        return f"{np.mean(values):.{digits}f}" + (f" ± {error:.{digits}f}" if error else "")

    lines = []
    for name in dict.fromkeys(row["contender"] for row in measured):
        rows = [row for row in measured if row["contender"] == name]
        peaks = [row["peak_mb"] for row in rows if row["peak_mb"]]
        scores = [told(rows, *score) for score in (("nats", 4), ("accuracy", 4), ("seconds", 0))]
        most = f"{max(peaks):.0f} MB" if peaks else ""
        lines.append([TITLES[name], str(len(rows)), *scores, most])
    header = ["contender", "seeds", "held-out nats", "accuracy", "seconds", "peak"]
    return Table("LeNet-5, Flipout", header, lines, [])


def main(arguments=None):
    """Train, score and print; returns the exit code."""
    parser = argparse.ArgumentParser("python -m bench lenet", description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, metavar="FOLDER")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), metavar="NAME,NAME")
    for name, default in (("seeds", 3), ("epochs", 3), ("draws", 50), ("rows", None)):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N")
    args = parser.parse_args(arguments)
    names = args.contenders.split(",")
    if not set(names) <= set(CONTENDERS):
        parser.error(f"contenders: expected some of {', '.join(CONTENDERS)}, found {names}")
    rows = []
    for seed in range(args.seeds):
        for name in names:
            with ProcessPoolExecutor(1, get_context("spawn")) as own:
                job = own.submit(run, name, seed, args.data, args.rows, args.epochs, args.draws)
                rows.append(job.result())
            print(json.dumps(rows[-1]), flush=True)
    print(table(rows).markdown())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
