"""Training on real data: the same rows, split, initial values and batches for every contender."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bnn_ref.data import load
from bnn_ref.data.encoding import moments
from bnn_ref.sweep.uci import FOLDERS, hold_out, read_split

from .workloads import SEED, Problem, Workload


class Task(NamedTuple):
    """A data set to train on, and how far.

    Attributes
    ----------
    name : str
        Of IDX files, of which a folder may hold MNIST or another's, the folder's.
    workload : Workload
    x, y : arrays
        Training rows.
    held_x, held_y : arrays
        Held-out rows.
    learning_rate : float
    every : int
        Steps between two looks at the held-out rows.
    target : float
        Mean held-out log-probability, nats: one that every contender reached when it was chosen,
        well before its best.
    """

    name: str
    workload: Workload
    x: np.ndarray
    y: np.ndarray
    held_x: np.ndarray
    held_y: np.ndarray
    learning_rate: float
    every: int
    target: float


HOLDOUT = {"idx": 5000, "digits": 360}
GOALS = {  # learning rate, steps between looks, target
    "digits": (0.005, 10, -0.2),
    "idx": (0.01, 50, -0.2),
    "concrete": (0.01, 50, -0.75),
    "power": (0.01, 50, -0.15),
}


def kind_of(data):
    """Return "digits", "idx" (a folder of IDX files) or the name of a UCI set (its folder).

    Raises
    ------
    ValueError
        For a UCI set without a target.
    """
    if data == "digits":
        return "digits"
    if not (Path(data) / "data.txt").exists():
        return "idx"
    names = {folder: name for name, folder in FOLDERS.items()}
    name = names.get(Path(data).resolve().name, Path(data).name)
    if name not in GOALS:
        raise ValueError(f"data: expected one of {', '.join(GOALS)}, found {name!r}")
    return name


def images(data, dtype):
    """Return the `Dataset`: MNIST's first 5,000 training rows held out, 360 of the digits."""
    return load(data, holdout=HOLDOUT[kind_of(data)], dtype=dtype)


@cache
def read(data, dtype):
    """Return the `Task` of a data set.

    Parameters
    ----------
    data : str
        "digits", a folder of IDX files, or the folder of a UCI set (its split 0, a fifth of the
        training rows held out).
    dtype : str
    """
    kind = kind_of(data)
    if kind in HOLDOUT:
        data_set = images(data, dtype)
        workload = Workload((data_set.inputs, 128, 128, data_set.outputs), 128)
        x, y = np.asarray(data_set.train.x[:]), np.asarray(data_set.train.y).astype(np.int64)
        held_x, held_y = np.asarray(data_set.validation.x[:]), np.asarray(data_set.validation.y)
        name = kind if kind == "digits" else Path(data).resolve().name
        return Task(name, workload, x, y, held_x, held_y, *GOALS[kind])
    rows = hold_out(read_split(Path(data).resolve().parent, kind, 0), 0)
    (x_loc, x_scale), (y_loc, y_scale) = moments(rows.x), moments(rows.y)

    def scaled(x, y):
        return ((x - x_loc) / x_scale).astype(dtype), \
            ((y[:, None] - y_loc) / y_scale).astype(dtype)  # fmt: skip

    x, y = scaled(rows.x, rows.y)
    workload = Workload((x.shape[1], 50, 1), 32, "normal", dense=True)
    return Task(kind, workload, x, y, *scaled(rows.x_test, rows.y_test), *GOALS[kind])


def training_problem(task, seed):
    """Return the `Problem` of a task: one shuffle, whole batches, gone round and round.

    The few rows that fill no batch are left out, for every contender: a batch of another size
    would be compiled anew. The seed draws initial values and order.
    """
    work, rows = task.workload, len(task.x)
    order = np.random.default_rng(SEED + seed).permutation(rows)
    batches = []
    for at in range(0, rows - work.batch + 1, work.batch):
        chosen = order[at : at + work.batch]
        batches.append((np.ascontiguousarray(task.x[chosen]), task.y[chosen]))
    network = work.network
    parameters = network.init(SEED + seed, str(task.x.dtype))
    return Problem(work, network, parameters, batches, 1 / rows, task.learning_rate)
