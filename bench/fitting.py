"""Training on real data: the same rows, split and batches for every contender."""

from functools import cache

import numpy as np

from bnn_ref.data import load

from .workloads import SEED, Problem, Workload

HOLDOUT = {"idx": 5000, "digits": 360}
HIDDEN, BATCH = (128, 128), 128


@cache
def read(data, dtype):
    """Return the `Dataset`: MNIST's first 5,000 training rows held out, 360 of the digits."""
    kind = "digits" if data == "digits" else "idx"
    return load(data, holdout=HOLDOUT[kind], dtype=dtype)


def workload_of(data, dtype):
    """Return the `Workload` of a data set: 128-128 hidden, batches of 128."""
    found = read(data, dtype)
    return Workload((found.inputs, *HIDDEN, found.outputs), BATCH)


def training_problem(data, learning_rate, dtype):
    """Return the `Problem` of a data set: one shuffle, whole batches, gone round and round.

    The few rows that fill no batch are left out, for every contender: a batch of another size
    would be compiled anew.
    """
    found = read(data, dtype)
    workload = workload_of(data, dtype)
    rows = found.train.x.shape[0]
    order = np.random.default_rng(SEED).permutation(rows)
    x, y = np.asarray(found.train.x[order]), np.asarray(found.train.y)[order].astype(np.int64)
    batches = [
        (np.ascontiguousarray(x[at : at + BATCH]), y[at : at + BATCH])
        for at in range(0, rows - BATCH + 1, BATCH)
    ]
    network = workload.network
    return Problem(workload, network, network.init(SEED, dtype), batches, 1 / rows, learning_rate)
