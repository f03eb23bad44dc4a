"""``python -m bench.sklearn_peers``: the estimators beside scikit-learn's own, at their defaults.

Classes: digits and MNIST (two hidden layers of 128, as many passes for both networks) and breast
cancer. Numbers: diabetes, concrete and energy. Every contender sees the same rows, inputs scaled by
the training rows (targets too, for the networks and the process); fits take turns, one thread each,
after a small one that compiles. Figures are of rows not trained on, mean and standard deviation
over folds or seeds.

Beside its defaults every contender stands at equal time: the others with as many passes, trees or
restarts as take as long as ours at its defaults, ours with as many passes as take as long as the
multi-layer perceptron's defaults. Times are of the processor, not of the clock, so that they
compare on a busy machine.

The calibration error stands beside the one that a perfectly calibrated model would show at that
many rows: labels drawn from the predicted probabilities themselves. A 90 % interval is the
predictive one for Flipout and the process, the mean and 1.645 deviations of the training residuals
for MLPRegressor, and the trees' 5 % and 95 % quantiles for the forest.
"""

import argparse
import platform
import time
import warnings
from pathlib import Path

import numpy as np

from bnn_ref.data import load, read_digits
from bnn_ref.prediction import calibration_error, coverage

SECONDS = "processor seconds of a fit"
CLASSES = ("accuracy", "log loss", "calibration error", "of a calibrated model", SECONDS)
NUMBERS = ("RMSE", "90 % coverage", "mean width", SECONDS)
TABLES = ("diabetes", "concrete", "energy")
SETS = (*TABLES, "cancer", "digits", "mnist")
ALIKE = "the same"  # begins the name of a contender that is ours with another setting


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
    return tuple(np.asarray(part) for name in ("train", "test") for part in getattr(data, name)[:2])


def folds(x, y, stratified):
    """Return five (x, y, test x, test y), inputs scaled by the training rows."""
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.preprocessing import StandardScaler

    kind = StratifiedKFold if stratified else KFold
    parts = []
    for kept, held in kind(5, shuffle=True, random_state=0).split(x, y):
        scale = StandardScaler().fit(x[kept])
        parts.append((scale.transform(x[kept]), y[kept], scale.transform(x[held]), y[held]))
    return parts


def numbers_of(name, folder):
    """Return x and y of diabetes, or of a UCI set's whole table."""
    from sklearn.datasets import load_diabetes

    if name == "diabetes":
        return load_diabetes(return_X_y=True)
    table = np.loadtxt(Path(folder) / name / "data.txt")
    inputs = np.loadtxt(Path(folder) / name / "index_features.txt").astype(int)
    target = int(np.loadtxt(Path(folder) / name / "index_target.txt"))
    return table[:, inputs], table[:, target]


def classifiers(seed, sizes=None, passes=None):
    """Return name to classifier."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neural_network import MLPClassifier

    from bnn_ref.sklearn import FlipoutClassifier

    given = {"random_state": seed}
    if sizes:
        given |= {"hidden_layer_sizes": sizes, "batch_size": 128}
    length = {"max_iter": passes} if passes else {}
    return {
        "FlipoutClassifier": FlipoutClassifier(**given, **length),
        f"{ALIKE}, temperature .1": FlipoutClassifier(**given, **length, temperature=0.1),
        f"{ALIKE}, temperature held-out": FlipoutClassifier(**given, **length,
                                                            temperature="held-out"),
        "MLPClassifier": MLPClassifier(**given, **length),
        "RandomForestClassifier": RandomForestClassifier(random_state=seed),
    }  # fmt: skip


def regressors(seed):
    """Return name to regressor; targets are scaled for all but the forest."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, WhiteKernel
    from sklearn.neural_network import MLPRegressor

    from bnn_ref.sklearn import FlipoutRegressor

    return {
        "FlipoutRegressor": FlipoutRegressor(random_state=seed),
        "MLPRegressor": MLPRegressor(random_state=seed),
        "RandomForestRegressor": RandomForestRegressor(random_state=seed),
        "GaussianProcessRegressor, RBF + noise": GaussianProcessRegressor(
            RBF() + WhiteKernel(), normalize_y=True, random_state=seed
        ),
    }


def timed_fit(model, x, y):
    """Fit and return the processor's seconds; that a length was given is no news."""
    from sklearn.exceptions import ConvergenceWarning

    begin = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
    return time.process_time() - begin


def stretched(model, factor):
    """Return a copy of a fitted model, not fitted, whose fit takes about `factor` times as long."""
    from sklearn.base import clone

    again = clone(model)
    if hasattr(model, "estimators_"):
        return again.set_params(n_estimators=max(1, round(factor * len(model.estimators_))))
    if hasattr(model, "kernel_"):
        return again.set_params(n_restarts_optimizer=max(0, round(factor) - 1))
    passes = max(1, round(factor * model.n_iter_))
    if "n_iter_no_change" in model.get_params() and not hasattr(model, "network_"):
        again.set_params(tol=0.0, n_iter_no_change=passes)  # else it stops where its defaults did
    return again.set_params(max_iter=passes)


def at_equal_time(models, scores, rows, measure):
    """Return name to scores of the contenders at each other's time.

    Parameters
    ----------
    models : dict of str to estimator
        Fitted; ours first, then the perceptron.
    scores : dict of str to dict
        What `measure` returned of each.
    rows : tuple
        x, y and test x, y.
    measure : function
    """
    ours, *others = [name for name in models if not name.startswith(ALIKE)]
    pairs = [*((name, ours) for name in others), (ours, others[0])]
    rivals = {}
    for name, other in pairs:
        factor = scores[other][SECONDS] / scores[name][SECONDS]
        rivals[f"{name}, in {other}'s time"] = measure(stretched(models[name], factor), *rows)
    return rivals


def measure_classes(model, x, y, x_test, y_test):
    """Return the `CLASSES` of one fit."""
    from sklearn.metrics import log_loss

    seconds = timed_fit(model, x, y)
    p = model.predict_proba(x_test)
    p = p / p.sum(axis=1, keepdims=True)
    confidence, chosen = np.minimum(p.max(axis=1), 1), p.argmax(axis=1)
    rng = np.random.default_rng(0)
    alike = [calibration_error(confidence, rng.random(len(p)) < confidence) for _ in range(200)]
    return {
        "accuracy": float(np.mean(chosen == y_test)),
        "log loss": float(log_loss(y_test, p, labels=model.classes_)),
        "calibration error": calibration_error(confidence, chosen == y_test),
        "of a calibrated model": float(np.mean(alike)),
        SECONDS: seconds,
    }


def measure_numbers(model, x, y, x_test, y_test):
    """Return the `NUMBERS` of one fit."""
    loc, scale = (np.mean(y), np.std(y)) if type(model).__name__ == "MLPRegressor" else (0.0, 1.0)
    seconds = timed_fit(model, x, (y - loc) / scale)
    mean = model.predict(x_test) * scale + loc
    if hasattr(model, "predict_interval"):
        low, high = model.predict_interval(x_test, 0.9)
    elif hasattr(model, "estimators_"):
        trees = np.stack([tree.predict(x_test) for tree in model.estimators_])
        low, high = np.quantile(trees, [0.05, 0.95], axis=0)
    elif hasattr(model, "kernel_"):
        _, deviation = model.predict(x_test, return_std=True)
        low, high = mean - 1.645 * deviation, mean + 1.645 * deviation
    else:
        half = 1.645 * np.std(y - (model.predict(x) * scale + loc))
        low, high = mean - half, mean + half
    return {
        "RMSE": float(np.sqrt(np.mean((mean - y_test) ** 2))),
        "90 % coverage": coverage(y_test, low, high),
        "mean width": float(np.mean(high - low)),
        SECONDS: seconds,
    }


def compare(name, parts, contenders_of, measure):
    """Print the Markdown lines of one data set, a contender a line, as soon as they are known."""
    by_contender = {}
    for seed, rows in enumerate(parts):
        models = contenders_of(seed)
        scores = {contender: measure(model, *rows) for contender, model in models.items()}
        scores |= at_equal_time(models, scores, rows, measure)
        for contender, values in scores.items():
            by_contender.setdefault(contender, []).append(values)
    for contender, runs in by_contender.items():
        cells = []
        for metric in runs[0]:
            values = [run[metric] for run in runs]
            cells.append(f"{np.mean(values):.4g} ± {np.std(values):.2g}")
        print(f"| {name} | {contender} | " + " | ".join(cells) + " |", flush=True)


def heading(metrics):
    """Print the head of a table."""
    print("\n| data | estimator | " + " | ".join(metrics) + " |")
    print("| --- " * (2 + len(metrics)) + "|", flush=True)


def main(argv=None):
    """Print the tables."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m bench.sklearn_peers", description=__doc__, formatter_class=raw
    )
    parser.add_argument("--mnist", metavar="FOLDER", help="the four IDX files")
    parser.add_argument("--uci", metavar="FOLDER", help="of the UCI sets")
    parser.add_argument("--seeds", type=int, default=2, help="of digits and MNIST")
    parser.add_argument("--data", default=",".join(SETS), metavar="NAME,NAME",
                        help="which sets, default %(default)s")  # fmt: skip
    args = parser.parse_args(argv)
    unknown = set(args.data.split(",")) - set(SETS)
    if unknown:
        parser.error(f"--data: expected some of {', '.join(SETS)}, found {min(unknown)}")
    for name, folder in (("mnist", args.mnist), ("concrete", args.uci), ("energy", args.uci)):
        if name in args.data.split(",") and not folder:
            option = "--mnist" if name == "mnist" else "--uci"
            parser.error(f"{option}: expected the folder that has {name}, found none")
    import sklearn
    from sklearn.datasets import load_breast_cancer
    from threadpoolctl import threadpool_limits

    import bnn_ref

    print(f"bnn_ref {bnn_ref.__version__}, scikit-learn {sklearn.__version__}, "
          f"numpy {np.__version__}, {platform.machine()}, one thread")  # fmt: skip
    with threadpool_limits(1):
        x, y, *_ = digits_rows(0)
        timed_fit(classifiers(0, None, 1)["FlipoutClassifier"], x[:256], y[:256])  # compiles
        sets = args.data.split(",")
        numbers = {name: numbers_of(name, args.uci) for name in sets if name in TABLES}
        if numbers:
            heading(NUMBERS)
        for name, table in numbers.items():
            compare(f"{name}, 5 folds", folds(*table, False), regressors, measure_numbers)
        if set(sets) - set(TABLES):
            heading(CLASSES)
        if "cancer" in sets:
            table = load_breast_cancer(return_X_y=True)
            compare("breast cancer, 5 folds", folds(*table, True), classifiers, measure_classes)
        if "digits" in sets:
            parts = [digits_rows(seed) for seed in range(args.seeds)]
            compare(f"digits, {args.seeds} seeds", parts,
                    lambda seed: classifiers(seed, (128, 128)), measure_classes)  # fmt: skip
        if "mnist" in sets:
            parts = [mnist_rows(args.mnist)] * args.seeds
            compare(f"MNIST, 15 passes, {args.seeds} seeds", parts,
                    lambda seed: classifiers(seed, (128, 128), 15), measure_classes)  # fmt: skip


if __name__ == "__main__":
    main()
