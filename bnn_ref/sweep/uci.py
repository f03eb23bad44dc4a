"""The UCI regression benchmark of Hernández-Lobato and Adams (2015), on its own splits.

A set is a folder with ``data.txt`` (a white-space separated matrix), ``index_features.txt`` and
``index_target.txt`` (columns), ``index_train_K.txt`` and ``index_test_K.txt`` (rows of split K).
Nothing is split anew. Inputs and target are standardised by the mean and standard deviation of a
split's training rows; RMSE and log-likelihood are given in the target's own unit. One hidden layer
of 50 ReLU units, as in the paper.

Source: Hernández-Lobato and Adams (2015), "Probabilistic backpropagation for scalable learning of
Bayesian neural networks", section 5.1.
"""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..border import check_choice
from ..border.files import read_file
from ..data.encoding import moments
from ..errors import expected
from ..noise import permutation
from ..prediction import predict
from ..stacks import dense_stack, likelihood_named
from ..training import fit
from .published import PUBLISHED, SOURCES

if TYPE_CHECKING:
    from .cells import Outcome

FOLDERS = {
    "boston": "bostonHousing",
    "concrete": "concrete",
    "energy": "energy",
    "power": "power-plant",
    "wine": "wine-quality-red",
    "yacht": "yacht",
}
SPLITS = 20
LIMIT = 1 << 24  # bytes of a file
SETTINGS: dict[str, Any] = {
    "hidden": 50,
    "activation": "relu",
    "scale": "learned",
    "prior_scale": 1.0,
    "initializer": "tfp",
    "learning_rate": "cosine",
    "temperature": 1.0,
    "batch_size": 128,
    "steps": 8000,
    "draws_per_step": 1,
    "draws": 100,
}
# The general setting but for power, whose rows are many: batches and steps of the first version's
# choice there (docs/uci.md), made on held-out training rows.
CHOSEN = {"power": {"batch_size": 512, "steps": 20000}}


class Split(NamedTuple):
    """One split's rows, as stored: those to train on, and those of the test.

    Attributes
    ----------
    x : array (N, I)
    y : array (N,)
    x_test, y_test : array
        Of the test rows.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    x_test: NDArray[Any]
    y_test: NDArray[Any]


def read_matrix(path: str | PathLike[str], whole: bool = False) -> NDArray[Any]:
    """Return a text matrix as float64, or a column of whole numbers, at least 0, as int64.

    Parameters
    ----------
    path : str or path
    whole : bool
        Whether to read one column of whole numbers.

    Raises
    ------
    ValueError
        For anything else in the file.
    OSError
        Where it cannot be read.
    """
    text = io.StringIO(read_file(path, LIMIT).decode("latin-1"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of an empty file, which is refused below
        try:
            matrix = np.loadtxt(text, ndmin=1 if whole else 2)
        except ValueError as error:
            raise expected(path, "a table of numbers", str(error)) from None
    if not np.all(np.isfinite(matrix)) or matrix.size == 0:
        raise expected(path, "finite numbers", "others, or none")
    if not whole:
        return matrix
    if matrix.ndim != 1 or np.any(matrix != np.floor(matrix)) or np.any(matrix < 0):
        raise expected(path, "whole numbers, at least 0, one a line", "others")
    if np.any(matrix > LIMIT):
        raise expected(path, f"whole numbers up to {LIMIT}", matrix.max())
    return matrix.astype(np.int64)


def read_split(folder: str | PathLike[str], name: str, split: int) -> Split:
    """Return the `Split` number `split` of a set.

    Parameters
    ----------
    folder : str or path
        Of the sets.
    name : str
        A key of `FOLDERS`.
    split : int, 0 to 19

    Raises
    ------
    ValueError
        For an unknown set, columns or rows that the matrix does not have, a row in both parts.
    OSError
        Where a file cannot be read.
    """
    place = Path(folder) / FOLDERS[check_choice(name, "set", FOLDERS)]
    data = read_matrix(place / "data.txt")

    def index(kind, size):
        path = place / f"index_{kind}.txt"
        rows = read_matrix(path, whole=True)
        if rows.max() >= size:
            raise expected(path, f"numbers below {size}", rows.max())
        return rows

    inputs, target = index("features", data.shape[1]), index("target", data.shape[1])
    if len(target) != 1 or target[0] in inputs:
        raise expected(place / "index_target.txt", "one column that is no input", target.tolist())
    train, test = index(f"train_{split}", len(data)), index(f"test_{split}", len(data))
    if len(np.intersect1d(train, test)):
        raise expected(f"{place}, split {split}", "no row in both parts", "some")
    x, y = data[:, inputs], data[:, target[0]]
    return Split(x[train], y[train], x[test], y[test])


def checksum(folder: str | PathLike[str], name: str, split: int) -> int:
    """Return a CRC-32 of every file that a split is read from, by which it is known again.

    Parameters
    ----------
    folder : path
        Of the sets.
    name : str
        The set's.
    split : int
    """
    total = 0
    for kind in ("data", "index_features", "index_target", f"index_train_{split}",
                 f"index_test_{split}"):  # fmt: skip
        total = zlib.crc32(read_file(Path(folder) / FOLDERS[name] / f"{kind}.txt", LIMIT), total)
    return total


def make_cell(
    name: str,
    split: int,
    seed: int = 0,
    backend: str = "numba",
    part: str = "test",
    **settings: Any,
) -> dict[str, Any]:
    """Return the cell of one split: the general settings, on them those chosen for the set.

    For part "validation", by which settings are chosen, the general ones alone.

    Parameters
    ----------
    name : str
        The set's.
    split : int
    seed : int
    backend : "numba" or "numpy"
    part : "test" or "validation"
    **settings
        What to set otherwise.
    """
    cell = {"set": name, "split": split, "seed": seed, "part": part, "backend": backend}
    chosen = CHOSEN.get(name, {}) if part == "test" else {}
    return {**cell, **SETTINGS, **chosen, **settings}


def hold_out(rows: Split, split: int) -> Split:
    """Return a `Split` of the training rows alone: a fifth of them, drawn by the split's number.

    What settings are chosen by: the test rows are not looked at.
    """
    order = permutation(len(rows.x), split, "split")
    held, kept = np.sort(order[: len(order) // 5]), np.sort(order[len(order) // 5 :])
    return Split(rows.x[kept], rows.y[kept], rows.x[held], rows.y[held])


def score_split(
    cell: Mapping[str, Any], threads: int, folder: str | PathLike[str]
) -> dict[str, Any]:
    """Return RMSE and mean log-likelihood of a cell's split, in the target's own unit.

    Parameters
    ----------
    cell : dict
        As `make_cell` returns it; ``part`` "test", or "validation" for rows held out of the
        training rows.
    threads : int
    folder : str or path
        Of the sets.

    Returns
    -------
    dict of rmse; log_likelihood (nats, the mean over rows of the log-density of the mixture over
    draws); scale, the root of the mean over rows of the likelihood's variance; train_rmse and
    train_nll, of the last steps, standardised.
    """
    rows = read_split(folder, cell["set"], cell["split"])
    if cell["part"] == "validation":
        rows = hold_out(rows, cell["split"])
    x_loc, x_scale = moments(rows.x)
    y_loc, y_scale = moments(rows.y)
    likelihood = likelihood_named(f"normal:{cell['scale']}")
    network = dense_stack(
        rows.x.shape[1],
        cell["hidden"],
        likelihood.outputs_of(1),
        likelihood,
        cell["activation"],
        prior_scale=cell["prior_scale"],
        initializer=cell["initializer"],
    )
    of_trainer = ("learning_rate", "temperature", "seed", "backend", "draws_per_step")
    trained = fit(
        network,
        (((rows.x - x_loc) / x_scale).astype(np.float32), (rows.y[:, None] - y_loc) / y_scale),
        steps=cell["steps"],
        batch_size=cell["batch_size"],
        progress=False,
        threads=threads,
        **{name: cell[name] for name in of_trainer},
    )
    prediction = predict(
        network,
        trained.parameters,
        ((rows.x_test - x_loc) / x_scale).astype(np.float32),
        (rows.y_test[:, None] - y_loc) / y_scale,
        draws=cell["draws"],
        seed=cell["seed"],
        backend=cell["backend"],
        threads=threads,
    )
    last = trained.history.records[-1]
    return {
        "rmse": prediction.rmse * float(y_scale),
        "log_likelihood": prediction.nats - float(np.log(y_scale)),
        "scale": float(np.sqrt(np.mean(prediction.aleatoric)) * y_scale),
        "train_rmse": last["rmse"],
        "train_nll": last["nll"],
    }


def summarise(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return set to a dict of splits, and mean and standard error of RMSE and log-likelihood.

    The standard error is s / sqrt(splits), s divided by splits - 1; None for one split.

    Parameters
    ----------
    outcomes : list of Outcome
        Of the cells of `make_cell`.
    """
    summary = {}
    for name in dict.fromkeys(outcome.cell["set"] for outcome in outcomes):
        results = [
            outcome.result for outcome in outcomes if outcome.cell["set"] == name and outcome.result
        ]
        summary[name] = {"splits": len(results)}
        for metric in ("rmse", "log_likelihood"):
            values = np.array([result[metric] for result in results if result[metric] is not None])
            mean = float(values.mean()) if len(values) else None
            error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
            summary[name] |= {metric: mean, f"{metric}_error": error}
    return summary


def summary_markdown(summaries: Mapping[str, Mapping[str, Any]]) -> str:
    """Return summaries beside the published figures as two Markdown tables, and the sources.

    Parameters
    ----------
    summaries : dict of str to dict
        The name of a column to what `summarise` returned, all of the same sets.
    """
    methods = list(PUBLISHED)
    first = next(iter(summaries.values()))
    lines = []
    for place, (metric, title) in enumerate(
        [("rmse", "RMSE (lower is better)"), ("log_likelihood", "Log-likelihood, nats (higher)")]
    ):
        shown = [m for m in methods if any(PUBLISHED[m][s][2 * place] for s in PUBLISHED[m])]
        lines += [f"| {title} | splits | " + " | ".join([*summaries, *shown]) + " |"]
        lines += ["| --- " * (2 + len(summaries) + len(shown)) + "|"]
        for name in first:
            ours = [summary[name] for summary in summaries.values()]
            cells = [_pair(row[metric], row[f"{metric}_error"], 3) for row in ours]
            cells += [_pair(*PUBLISHED[m][name][2 * place : 2 * place + 2], 2) for m in shown]
            lines.append(f"| {name} | {first[name]['splits']} | {' | '.join(cells)} |")
        lines.append("")
    lines += [f"- {method}: {source}." for method, source in SOURCES.items()]
    return "\n".join(lines) + "\n"


def _pair(mean, error, digits):
    if mean is None:
        return "none"
    return f"{mean:.{digits}f}" + (f" ± {error:.{digits}f}" if error is not None else "")
