"""Print checksums of training runs and draws: the same on every processor (docs/limits.md).

    python tools/checksums.py [digits] [mnist] [--dtype float32] [--threads 1 2 5]

A line for each run, dtype and number of threads: SHA-256, the first 16 digits, of the flat
parameters after 500 steps on digits (50 on MNIST, which needs BNN_REF_DATA) with the settings
below, and of the outputs of 20 draws for 200 rows, whole weights and Flipout.
NUMBA_CPU_NAME and NUMBA_CPU_FEATURES choose whose code it is.
"""

import argparse
import hashlib
import os
from pathlib import Path

import numpy as np

from bnn_ref import Categorical, fit
from bnn_ref.data import load
from bnn_ref.stacks import dense_stack

STEPS = {"digits": 500, "mnist": 50}
SETTINGS = {"batch_size": 128, "learning_rate": "cosine", "kl_warm_up": 0.0, "seed": 0}
DRAWS, ROWS = 20, 200


def digest(*arrays):
    """Return the first 16 digits of the SHA-256 of some arrays' bytes, low byte first."""
    whole = hashlib.sha256()
    for array in arrays:
        whole.update(array.astype(array.dtype.newbyteorder("<"), order="C").tobytes())
    return whole.hexdigest()[:16]


def checksums(name, dtype, threads, steps=None):
    """Return the digests of the parameters after a run on a data set and of draws of the outputs.

    Parameters
    ----------
    name : "digits" or "mnist"
    dtype : "float32" or "float64"
    threads : int
    steps : int, optional
        The usual ones unless given.
    """
    data = load(name if name == "digits" else Path(os.environ["BNN_REF_DATA"]) / name)
    network = dense_stack(data.train.x.shape[1], [128, 128], 10, Categorical())
    steps = STEPS[name] if steps is None else steps
    trainer = fit(network, data, steps=steps, dtype=dtype, threads=threads, progress=False,
                  **SETTINGS).trainer  # fmt: skip
    x = np.asarray(data.train.x[:ROWS], dtype)
    draws = [
        trainer.backend.draw_outputs(network, trainer.parameters, x, 0, draw, kind=kind)
        for kind in ("weights", "flipout")
        for draw in range(DRAWS)
    ]
    return digest(trainer.parameters.flat), digest(*draws)


def main():
    """Print the lines that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="*", choices=[*STEPS, []], help="digits unless given")
    parser.add_argument("--dtype", nargs="+", default=["float32", "float64"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    given = parser.parse_args()
    for name in given.runs or ["digits"]:
        for dtype in given.dtype:
            for threads in given.threads:
                sums = checksums(name, dtype, threads)
                print(f"{name} {dtype} {threads}:", *sums, flush=True)


if __name__ == "__main__":
    main()
