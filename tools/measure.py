"""Measure again what the pages say of the defaults, and write it to docs/results, a file a study.

    python tools/measure.py digits prior settling moons cancer
    python tools/measure.py mnist choices --mnist FOLDER --uci FOLDER

Each file has a line a run; `tests/docs/test_numbers.py` holds the pages' numbers against them.
"""

import argparse
import csv
import itertools
import warnings
from pathlib import Path

import numpy as np

from bnn_ref import Categorical, Normal, PredictedNormal, fit, predict, toys
from bnn_ref.defaults import OF_IMAGES
from bnn_ref.prediction import calibration_error
from bnn_ref.sklearn import FlipoutClassifier, FlipoutRegressor
from bnn_ref.stacks import dense_stack
from bnn_ref.sweep import uci
from bnn_ref.sweep.fit import train_cell

RESULTS = Path(__file__).parents[1] / "docs" / "results"
SETS = ("boston", "concrete", "energy", "wine", "yacht")
# What docs/scikit-learn.md tries on digits: settings of `bnn-ref train`, one a row.
TRIED = (
    {},
    {"kl_warm_up": 0},
    {"temperature": 0.3},
)
# What docs/uci.md compares: the noise scale, and the share of the steps in which the KL rises.
CHOICES = (("learned", 0.0), ("learned", 0.5), ("predicted", 0.0), ("predicted", 0.5),
           ("predicted, beta .5", 0.5))  # fmt: skip
TABLES = ("diabetes", "concrete", "energy")  # of numbers, in docs/scikit-learn.md


def words_of(setting):
    """Return a setting as the command line takes it."""
    return " ".join(
        f"--{name.replace('_', '-')} {','.join(map(str, value)) if name == 'layers' else value}"
        for name, value in setting.items()
    )


def digits(short, folder):
    """Yield held-out scores of `bnn-ref train` on digits with each setting tried, five seeds."""
    for setting, seed in itertools.product(TRIED, range(5)):
        cell = {"seed": seed, "split": seed, **setting, **short}
        scores = train_cell(cell, 1)
        yield {"setting": words_of(setting), "seed": seed, "nats": scores["heldout_nats"],
               "accuracy": scores["heldout_accuracy"], "loss": scores["loss"]}  # fmt: skip


def prior(short, folder):
    """Yield what a learned prior's scale on digits comes to, three seeds."""
    from bnn_ref.data import load

    for seed in range(3):
        data = load("digits", seed=seed)
        network = dense_stack(64, OF_IMAGES, 10, Categorical(), prior="learned_normal")
        settings = {"steps": 6000, "seed": seed, **short}
        run = fit(network, data, progress=False, threads=1, **settings)
        held = predict(network, run.parameters, *data.validation, draws=50, seed=seed, threads=1)
        rho = [run.parameters[f"layers.{k}.kernel_prior_rho"] for k in range(3)]
        yield {"seed": seed, "loss": run.history.records[-1]["loss"], "nats": held.nats,
               **{f"scale_{k}": float(np.log1p(np.exp(rho[k]))) for k in range(3)}}  # fmt: skip


def tables():
    """Return the name of each small set to (estimator, x, y), inputs scaled."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_moons

    sets = {
        "two moons": (FlipoutClassifier, *make_moons(200, noise=0.15, random_state=0)),
        "breast cancer": (FlipoutClassifier, *load_breast_cancer(return_X_y=True)),
        "digits": (FlipoutClassifier, *load_digits(return_X_y=True)),
        "diabetes": (FlipoutRegressor, *load_diabetes(return_X_y=True)),
        "a sine with a gap": (FlipoutRegressor, *toys.gap()),
    }
    return {
        name: (kind, (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1), y)
        for name, (kind, x, y) in sets.items()
    }


def settling(short, folder):
    """Yield the drift over the last quarter of runs of several lengths, by set."""
    for (name, (kind, x, y)), steps in itertools.product(
        tables().items(), (200, 600, 1200, 2000, 6000)
    ):
        passes = -(-short.get("steps", steps) // -(-len(x) // 128))
        model = quiet(kind(random_state=0, max_iter=passes), x, y)
        end = model.convergence_
        yield {"set": name, "steps": steps, "drift": end.drift, "settled": end.settled}


def quiet(model, x, y):
    """Return the model, fitted; that it has not settled is no news here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return model.fit(x, y)


def passes_of(short):
    """Return the estimators' setting of a short run, or none."""
    return {"max_iter": 1} if short else {}


def moons(short, folder):
    """Yield how sure two moons' classifier is far from them, with and without a rise of the KL."""
    from sklearn.datasets import make_moons

    angle = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    for rise, seed in itertools.product((0.0, 0.5), range(6)):
        x, y = make_moons(200, noise=0.15, random_state=seed)
        x_test, y_test = make_moons(2000, noise=0.15, random_state=100 + seed)
        loc, scale = x.mean(0), x.std(0)
        model = FlipoutClassifier(random_state=seed, kl_warm_up=rise, **passes_of(short))
        quiet(model, (x - loc) / scale, y)
        p = model.predict_proba(20 * np.c_[np.cos(angle), np.sin(angle)]).max(axis=1)
        right = model.predict_proba((x_test - loc) / scale)[np.arange(2000), y_test]
        yield {"kl_warm_up": rise, "seed": seed, "far_above_98": np.mean(p > 0.98),
               "far_most": p.max(), "log_loss": -np.mean(np.log(right))}  # fmt: skip


def cancer(short, folder):
    """Yield breast cancer's log loss, five folds ten times, with and without a rise of the KL."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import StratifiedKFold

    x, y = load_breast_cancer(return_X_y=True)
    for seed in range(10):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y)
        for (fold, (kept, held)), rise in itertools.product(enumerate(folds), (0.0, 0.5)):
            loc, scale = x[kept].mean(0), x[kept].std(0)
            model = FlipoutClassifier(random_state=fold, kl_warm_up=rise, **passes_of(short))
            quiet(model, (x[kept] - loc) / scale, y[kept])
            right = model.predict_proba((x[held] - loc) / scale)[np.arange(len(held)), y[held]]
            yield {"kl_warm_up": rise, "seed": seed, "fold": fold,
                   "log_loss": -np.mean(np.log(right))}  # fmt: skip


def mnist(short, folder):
    """Yield scores on MNIST's test rows, 15 passes, two temperatures, with a rise and without."""
    from bnn_ref.data import load

    data = load(folder)
    (x, y), (x_test, y_test) = (
        map(np.asarray, getattr(data, part)[:2]) for part in ("train", "test")
    )
    for rise, temperature, seed in itertools.product((0.5, 0.0), (1.0, 0.1), range(2)):
        model = FlipoutClassifier((128, 128), max_iter=15, temperature=temperature,
                                  kl_warm_up=rise, random_state=seed)  # fmt: skip
        quiet(model.set_params(**passes_of(short)), x, y)
        p = model.predict_proba(x_test)
        right = p.argmax(axis=1) == y_test
        yield {"kl_warm_up": rise, "temperature": temperature, "seed": seed,
               "accuracy": np.mean(right),
               "log_loss": -np.mean(np.log(p[np.arange(len(p)), y_test])),
               "calibration_error": calibration_error(p.max(axis=1), right)}  # fmt: skip


def choices(short, folder):
    """Yield log-likelihoods of rows held out of the training rows, by noise scale and KL's rise."""
    kinds = {
        "learned": Normal(learn_scale=True),
        "predicted": PredictedNormal(),
        "predicted, beta .5": PredictedNormal(beta=0.5),
    }
    for name, split, (kind, rise) in itertools.product(SETS, range(2), CHOICES):
        rows = uci.hold_out(uci.read_split(folder, name, split), split)
        loc, scale = rows.x.mean(0), np.where(rows.x.std(0) > 0, rows.x.std(0), 1)
        y_loc, y_scale = rows.y.mean(), rows.y.std()
        likelihood = kinds[kind]
        network = dense_stack(rows.x.shape[1], [50], likelihood.outputs_of(1), likelihood, "relu")
        x, y = ((rows.x - loc) / scale).astype(np.float32), (rows.y[:, None] - y_loc) / y_scale
        run = fit(network, (x, y), kl_warm_up=rise, progress=False, threads=1,
                  **{"steps": 8000, **short})  # fmt: skip
        held = ((rows.x_test - loc) / scale).astype(np.float32)
        y_held = (rows.y_test[:, None] - y_loc) / y_scale
        prediction = predict(network, run.parameters, held, y_held, draws=100, threads=1)
        yield {"set": name, "split": split, "scale": kind, "kl_warm_up": rise,
               "log_likelihood": prediction.nats - np.log(y_scale)}  # fmt: skip


STUDIES = {f.__name__: f for f in (digits, prior, settling, moons, cancer, mnist, choices)}
FOLDERS = {"mnist": "--mnist", "choices": "--uci"}  # what a study reads


def write(name, rows, folder=RESULTS):
    """Write a study's rows as FOLDER/NAME.csv, each as soon as it is known, and return the path."""
    path = Path(folder) / f"{name}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            shown = {key: f"{value:.5g}" if isinstance(value, float) else value
                     for key, value in row.items()}  # fmt: skip
            writer = csv.DictWriter(file, shown, lineterminator="\n")
            if not number:
                writer.writeheader()
            writer.writerow(shown)
            file.flush()
    return path


def main(argv=None):
    """Run the studies that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="+", choices=STUDIES, metavar="STUDY",
                        help=", ".join(STUDIES))  # fmt: skip
    for option in FOLDERS.values():
        parser.add_argument(option, metavar="FOLDER", help="of the data of that name")
    args = parser.parse_args(argv)
    for name in args.studies:
        folder = getattr(args, FOLDERS[name][2:]) if name in FOLDERS else None
        if name in FOLDERS and not folder:
            parser.error(f"{FOLDERS[name]}: expected the folder that {name} reads, found none")
        print(write(name, STUDIES[name]({}, folder)), flush=True)


if __name__ == "__main__":
    main()
