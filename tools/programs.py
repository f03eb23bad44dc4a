"""Write the table of docs/programs.md: ten programs as people publish them, rebuilt and trained.

    BNN_REF_DATA=FOLDER python tools/programs.py > docs/programs.md

FOLDER/uci holds the UCI sets of docs/uci.md. The classifiers are trained on the bundled
digits. The twins need PyTorch.
"""

import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bnn_ref import (
    BatchNorm,
    Categorical,
    Conv2DFlipout,
    Dense,
    DenseFlipout,
    Dropout,
    Elementwise,
    Flatten,
    MaxPool2D,
    Network,
    PredictedNormal,
    Residual,
    fit,
    predict,
)
from bnn_ref.data import load
from bnn_ref.sweep.uci import read_split

IMAGE = (8, 8, 1)
SEEDS = range(3)
HEAD = """# Ten programs, rebuilt

Ten kinds of programs that are published with Bayesian layers, each rebuilt from its description with the [pieces](pieces.md), and trained by `fit` on the compiled back end with its defaults but for a learning rate of .003 and initial sigmas of .02, on data at hand: the bundled digits (1,437 rows to train on, 360 held out) or split 0 of a UCI set. Nats are of the held-out rows, the mean over rows of the log of the predictive density (in the target's standardised unit), averaged over 50 draws of whole weights.

Each has a twin in PyTorch, made from its description. Given the same noise it takes the same step, to 1e-12 in float64 (`tests/docs/test_programs_page.py`); and `tools/program_twins.py` trains and scores it with nothing of this project: initial values, noise, masks, order of the rows, running statistics, Adam and the prediction's draws are PyTorch's. Both columns are means over seeds 0 to 2 with their standard errors; the last one is their difference in nats over its standard error, of four degrees of freedom: beyond 4.6 in one of a hundred rows by chance.

The third program's result hangs on where its nine ReLU units start: from other seeds (3 to 5) the twin had -0.499, -0.982 and -0.640, and from this project's initial means of seeds 2 and 6 the twin had -1.244 and -1.387 where this project had -1.227 and -1.269.

The first program's original is of TFP: by its layers, in Keras, scored here after `from_keras`, -1.159 ± 0.009 over the same seeds (`python tools/wine_in_tfp.py`). This page is made by `python tools/programs.py`.

| program | as built here | parameters | data | steps | held-out nats | accuracy, rmse | PyTorch's nats | accuracy, rmse | difference |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""  # noqa: E501 (a page)


class Program(NamedTuple):
    """A network and how it is trained.

    Attributes
    ----------
    name, built : str
    network : Network
    data : str
        "digits", or a UCI set.
    steps : int
    estimator : str
    rate : float
        The learning rate.
    """

    name: str
    built: str
    network: Network
    data: str
    steps: int = 2000
    estimator: str = "flipout"
    rate: float = 3e-3


def conv(filters, size=3, activation="linear", **options):
    """Return a convolution that keeps the image's size, of small initial noise."""
    return Conv2DFlipout(filters, size, padding="same", activation=activation, initializer="he",
                         initial_sigma=0.02, **options)  # fmt: skip


def dense(inputs, outputs, activation="linear"):
    """Return a Flipout layer of small initial noise."""
    return DenseFlipout(inputs, outputs, activation, initializer="he", initial_sigma=0.02)


def normed(filters, **options):
    """Return convolution, batch normalisation and ReLU."""
    return [conv(filters, **options), BatchNorm(), Elementwise("relu")]


def block(filters):
    """Return a residual block of two convolutions, and the ReLU behind it."""
    return [Residual([*normed(filters), conv(filters), BatchNorm()]), Elementwise("relu")]


def programs():
    """Return the ten programs."""
    d = 8  # inputs of concrete
    return [
        Program(
            "wine quality, a predicted scale", "11-BN-8-8-1, sigmoid",
            Network([BatchNorm(shape=11), dense(11, 8, "sigmoid"), dense(8, 8, "sigmoid"),
                     dense(8, 2)], PredictedNormal()), "wine",
        ),
        Program(
            "local noise", "3 x 48, leaky ReLU, the local estimator",
            Network([dense(64, 48, "leaky_relu(0.2)"), dense(48, 48, "leaky_relu(0.2)"),
                     dense(48, 48, "leaky_relu(0.2)"), dense(48, 10)]), "digits", 2000, "local",
        ),
        Program(
            "dropout and a predicted scale", "d-(d+1)-(d+1)-2, dropout .05",
            Network([dense(d, d + 1, "relu"), Dropout(0.05), dense(d + 1, d + 1, "relu"),
                     Dropout(0.05), dense(d + 1, 2)], PredictedNormal()), "concrete",
        ),
        Program(
            "batch normalisation in a classifier", "128-BN-64-16-Dense",
            Network([dense(64, 128), BatchNorm(), Elementwise("relu"), dense(128, 64, "relu"),
                     dense(64, 16, "relu"), Dense(16, 10)]), "digits",
        ),
        Program(
            "LeNet-5 with dropout", "conv 6, pool, conv 16, pool, dropout, 128-10",
            Network([conv(6, 5, "relu", input_shape=IMAGE), MaxPool2D(), conv(16, 5, "relu"),
                     MaxPool2D(), Flatten(), Dropout(0.3), dense(64, 128, "relu"),
                     dense(128, 10)]), "digits", 600,
        ),
        Program(
            "a small VGG", "conv 8-8, pool, conv 16-16, pool, 10, BN behind each convolution",
            Network([*normed(8, input_shape=IMAGE), *normed(8), MaxPool2D(), *normed(16),
                     *normed(16), MaxPool2D(), Flatten(), dense(64, 10)]), "digits", 300,
        ),
        Program(
            "a residual net", "8 convolutions: conv 8, three blocks of two, conv 8, pool, 10",
            Network([*normed(8, input_shape=IMAGE), *block(8), *block(8), *block(8), MaxPool2D(),
                     *normed(8), Flatten(), dense(128, 10)]), "digits", 200,
        ),
        Program(
            "an ordinary trunk, a Bayesian head", "Dense 128-64, Flipout 10",
            Network([Dense(64, 128, "relu"), Dense(128, 64, "relu"), dense(64, 10)]), "digits",
        ),
        Program(
            "a Bayesian trunk, an ordinary head", "Flipout 128-64, Dense 10",
            Network([dense(64, 128, "relu"), dense(128, 64, "relu"), Dense(64, 10)]), "digits",
        ),
        Program(
            "Monte Carlo dropout alone", "Dense 128, dropout .3, Dense 10, N(0, 1) on the weights",
            Network([Dense(64, 128, "relu", kernel_prior=(0, 1)), Dropout(0.3),
                     Dense(128, 10, kernel_prior=(0, 1))]), "digits",
        ),
    ]  # fmt: skip


def digits():
    """Return (x, y, x_test, y_test) of the bundled digits, pixels from 0 to 1."""
    dataset = load("digits")
    return *dataset.train, *dataset.held_out


def uci(name):
    """Return (x, y, x_test, y_test) of split 0, standardised by the rows to train on."""
    split = read_split(Path(os.environ["BNN_REF_DATA"]) / "uci", name, 0)
    mean, scale = split.x.mean(0), split.x.std(0)
    scale = np.where(scale == 0, 1, scale)
    centre, unit = split.y.mean(), split.y.std()
    x, x_test = ((part - mean) / scale for part in (split.x, split.x_test))
    y, y_test = ((part[:, None] - centre) / unit for part in (split.y, split.y_test))
    return x, y, x_test, y_test


def our_scores(program, data, seed):
    """Return (nats, accuracy or root mean squared error) of a program, trained from that seed."""
    x, y, x_test, y_test = data
    fitted = fit(program.network, (x, y), steps=program.steps, estimator=program.estimator,
                learning_rate=program.rate, seed=seed, progress=False)  # fmt: skip
    result = predict(program.network, fitted.parameters, x_test, y_test, draws=50, seed=seed)
    is_class = isinstance(program.network.likelihood, Categorical)
    return result.nats, result.accuracy if is_class else result.rmse


def row(program, ours, theirs):
    """Return a program's line of the table.

    Parameters
    ----------
    program : Program
    ours, theirs : list of (nats, score)
        One of each seed.
    """
    cells = [program.name, program.built, f"{program.network.num_parameters:,}", program.data,
             f"{program.steps:,}"]  # fmt: skip
    errors = []
    for scores in (ours, theirs):
        nats, score = np.transpose(scores)
        errors.append(nats.std(ddof=1) / len(nats) ** 0.5)
        cells += [f"{nats.mean():.3f} ± {errors[-1]:.3f}", f"{score.mean():.3f}"]
    apart = np.mean(ours, axis=0)[0] - np.mean(theirs, axis=0)[0]
    return "| " + " | ".join([*cells, f"{apart / np.hypot(*errors):+.1f}"]) + " |"


def main():
    """Print the page, a line as each program is done."""
    from program_twins import trained_scores

    print(HEAD, end="")
    chosen = [int(word) for word in sys.argv[1:]] or range(1, 11)
    for k, program in enumerate(programs(), start=1):
        if k in chosen:
            data = digits() if program.data == "digits" else uci(program.data)
            scores = [[scored(program, data, seed) for seed in SEEDS]
                      for scored in (our_scores, trained_scores)]  # fmt: skip
            print(row(program, *scores), flush=True)


if __name__ == "__main__":
    main()
