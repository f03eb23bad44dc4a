"""Forks around the numba back end, in a process of their own: `python tests/helpers/forks.py NAME`.

The test process may have loaded JAX or TensorFlow, which are not made to be forked.
"""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np

from bnn_ref import DenseFlipout, Network, Trainer, predict

NETWORK = Network([DenseFlipout(300, 200, "relu"), DenseFlipout(200, 10)])
X = np.random.default_rng(0).normal(size=(128, 300)).astype(np.float32)
Y = np.arange(128) % 10


def trained(steps=3, threads=2):
    """Return a trainer that has taken so many steps."""
    trainer = Trainer(NETWORK, 128, 1e-2, seed=1, threads=threads)
    for _ in range(steps):
        trainer.step(X, Y)
    return trainer


def predictions(parameters, times=50):
    """Return the set of the bytes of a prediction made that often: one, if all were the same."""
    return {
        predict(NETWORK, parameters, X, draws=2, threads=2).probabilities.tobytes()
        for _ in range(times)
    }


def pools(method):
    """Case 28: a process pool, then a thread pool, predict what this process predicted."""
    parameters = trained().parameters
    wanted = predictions(parameters, 1)
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        assert all(one == wanted for one in pool.map(predictions, [parameters] * 2, timeout=200))
    with ThreadPoolExecutor(2) as pool:
        assert all(one == wanted for one in pool.map(predictions, [parameters] * 2, timeout=200))


def child():
    """A trainer goes on in a forked child, and in its parent."""
    trainer = trained()
    wanted = trained(5).parameters.flat.tobytes()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        for _ in range(2):
            trainer.step(X, Y)
        os.write(write, b"same" if trainer.parameters.flat.tobytes() == wanted else b"other")
        os._exit(0)
    os.close(write)
    assert os.read(read, 10) == b"same"
    os.waitpid(pid, 0)
    for _ in range(2):
        trainer.step(X, Y)
    assert trainer.parameters.flat.tobytes() == wanted


if __name__ == "__main__":
    {"child": child, "fork": lambda: pools("fork"), "spawn": lambda: pools("spawn")}[sys.argv[1]]()
    print("same bits")
