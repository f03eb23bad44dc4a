"""The BLAS reference: a step's matrix products alone, on all threads; and the yardstick.

Driven round by round as a contender is. It draws no noise and updates nothing: not a floor (its
products may be slower than somebody else's), but what the library that most programs call makes
of the same products.
"""

import time
from functools import cached_property

import numpy as np

from . import yardstick
from .contenders import base

SQUARE = 1024  # of the product whose rate the peak must reach
TRIES = 6


class Contender(base.Contender):
    """The products of a step through NumPy's BLAS, on as many threads as every contender has."""

    kinds = ()

    def __init__(self, dtype, threads):
        super().__init__(dtype, threads)
        from threadpoolctl import ThreadpoolController

        self.limit = ThreadpoolController().limit

    def open(self, problem):
        self.problem, self.batches = problem, list(problem.batches)
        rng, work = np.random.default_rng(0), problem.workload
        self.products = [
            (
                rng.random((m, k)).astype(self.dtype),
                rng.random((k, n)).astype(self.dtype),
                np.empty((m, n), self.dtype),
            )
            for m, k, n in work.forward_products + work.update_products
        ]

    def reset(self, learning_rate):
        return

    def run(self, steps):
        with self.limit(limits=self.threads, user_api="blas"):
            for _ in range(steps):
                for a, b, out in self.products:
                    np.matmul(a, b, out=out)
        return []

    def parameters(self):
        return {}

    def predict(self, x, draws, kind):
        raise ValueError("blas: predicts nothing")

    def blas_rate(self):
        """Return the FLOP/s of a square product on all threads, the best of three windows."""
        a = np.ones((SQUARE, SQUARE), self.dtype)
        out = np.empty_like(a)
        best, end = 0.0, time.perf_counter() + yardstick.WINDOW * yardstick.WINDOWS
        with self.limit(limits=self.threads, user_api="blas"):
            while time.perf_counter() < end:
                start = time.perf_counter()
                np.matmul(a, a, out=out)
                best = max(best, 2 * SQUARE**3 / (time.perf_counter() - start))
        return best

    @cached_property
    def pinned(self):
        """A thread on each processor, for what is measured of the machine."""
        return yardstick.PinnedThreads(self.threads)

    @cached_property
    def measures(self):
        """(peak, bandwidth)."""
        return yardstick.FmaPeak(self.pinned, self.dtype), yardstick.Bandwidth(self.pinned)

    @cached_property
    def distance(self):
        """The way between the threads' cores."""
        return yardstick.Hop(self.pinned)

    def hop(self):
        """Return the seconds that a word takes from one core to another now; None on one thread."""
        return self.distance.measure()

    def yardstick(self, working_sets):
        """Return {"fma", "blas", "bandwidth": {bytes: B/s}}: what the machine does now.

        The peak is that of the units that BLAS also uses, so a reading below the BLAS rate is none:
        it is taken anew, `TRIES` times at most. `machine.noise_report` and `bounds` look whether it
        came out right.

        Parameters
        ----------
        working_sets : list of int
            Bytes that a step's update walks through.
        """
        fma, copy = self.measures
        rate, peak = self.blas_rate(), 0.0
        for _ in range(TRIES):
            peak = max(peak, fma.measure())
            if peak >= rate:
                break
        return {
            "fma": peak,
            "blas": rate,
            "bandwidth": {str(size): copy.measure(size) for size in dict.fromkeys(working_sets)},
        }
