"""``python -m bench.sklearn_peers``: FlipoutClassifier beside scikit-learn's MLPClassifier.

Both have two hidden layers of 128 ReLU units, batches of 128, the same rows scaled in the same
way, and as many passes; every other setting is its own default. Fits are interleaved, one thread
each, after a first small fit that compiles. Figures are of the test rows: mean and standard
deviation over seeds. The better one of a pair is in bold, whichever it is.
"""

import argparse
import platform
import time

import numpy as np

from bnn_ref.data import load, read_digits
from bnn_ref.prediction import calibration_error

METRICS = ("accuracy", "log loss", "calibration error", "fit seconds")
HIGHER = ("accuracy",)


def digits_rows(seed):
    """Return x, y and test x, y of the bundled digits: 360 rows held out by the seed."""
    arrays = read_digits()
    x = arrays["x_train"].reshape(-1, 64).astype(np.float32) / 16
    order = np.random.default_rng(seed).permutation(len(x))
    held, kept = order[:360], order[360:]
    y = arrays["y_train"].astype(int)
    return x[kept], y[kept], x[held], y[held]


def mnist_rows(folder):
    """Return x, y and test x, y of MNIST as its files split it."""
    data = load(folder)
    return (*(part for name in ("train", "test") for part in _whole(getattr(data, name))),)


def _whole(examples):
    return np.asarray(examples.x), np.asarray(examples.y)


def contenders(passes, seed):
    """Return name to estimator."""
    from sklearn.neural_network import MLPClassifier

    from bnn_ref.sklearn import FlipoutClassifier

    sizes = {"hidden_layer_sizes": (128, 128), "batch_size": 128, "max_iter": passes}
    return {
        "FlipoutClassifier": FlipoutClassifier(**sizes, random_state=seed),
        "MLPClassifier": MLPClassifier(**sizes, random_state=seed),
    }


def measure(model, x, y, x_test, y_test):
    """Return the metrics of one fit."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import log_loss

    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of passes is given
        model.fit(x, y)
    seconds = time.perf_counter() - begin
    p = model.predict_proba(x_test)
    correct = p.argmax(axis=1) == y_test
    confidence = np.minimum(p.max(axis=1), 1)
    return {
        "accuracy": float(correct.mean()),
        "log loss": float(log_loss(y_test, p, labels=model.classes_)),
        "calibration error": calibration_error(confidence, correct),
        "fit seconds": seconds,
    }


def compare(name, rows_of, passes, seeds):
    """Return the Markdown lines of one data set: a contender a line."""
    found = {}
    for seed in seeds:
        rows = rows_of(seed)
        for contender, model in contenders(passes, seed).items():
            found.setdefault(contender, []).append(measure(model, *rows))
    means = {c: {m: np.mean([r[m] for r in runs]) for m in METRICS} for c, runs in found.items()}
    lines = []
    for contender, runs in found.items():
        cells = []
        for metric in METRICS:
            best = (max if metric in HIGHER else min)(one[metric] for one in means.values())
            text = f"{means[contender][metric]:.4f} ± {np.std([r[metric] for r in runs]):.4f}"
            cells.append(f"**{text}**" if means[contender][metric] == best else text)
        shown = f"{name}, {passes} passes, {len(runs)} seeds"
        lines.append(f"| {shown} | {contender} | " + " | ".join(cells) + " |")
    return lines


def main(argv=None):
    """Print the table."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m bench.sklearn_peers", description=__doc__, formatter_class=raw
    )
    parser.add_argument("--mnist", metavar="FOLDER", help="the four IDX files; none: digits only")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args(argv)
    import sklearn
    from threadpoolctl import threadpool_limits

    import bnn_ref

    with threadpool_limits(1):
        x, y, *_ = digits_rows(0)
        contenders(1, 0)["FlipoutClassifier"].fit(x[:256], y[:256]).predict(x[:256])  # compiles
        lines = compare("digits", digits_rows, 100, range(args.seeds))
        if args.mnist:
            rows = mnist_rows(args.mnist)
            lines += compare("MNIST", lambda seed: rows, 15, range(args.seeds))
    print(f"bnn_ref {bnn_ref.__version__}, scikit-learn {sklearn.__version__}, "
          f"numpy {np.__version__}, {platform.machine()}, one thread\n")  # fmt: skip
    print("| data | estimator | " + " | ".join(METRICS) + " |")
    print("| --- " * (2 + len(METRICS)) + "|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
