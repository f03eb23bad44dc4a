"""A workspace's threads, and the call of a compiled entry on all of them."""

import numpy as np

from ..border import aligned
from ..kernels.tasks import CONTROL, PHASE
from .threads import Helpers, count_threads

SMALL = 3e-4  # seconds on one thread (estimated) below which a second one is not worth its call


class Crew:
    """As many threads as there are to be, the caller's among them.

    Parameters
    ----------
    dtype : float32 or float64
        Of each thread's scratch.
    threads : int or None
        As for `count_threads`.

    Attributes
    ----------
    threads : int
    helpers : Helpers
        All but the caller.
    """

    def __init__(self, dtype, threads):
        self.dtype, self.threads = np.dtype(dtype), count_threads(threads)
        self.helpers = Helpers(self.threads - 1)

    def scratch(self, size):
        """Return an array (size,) for each thread, its own."""
        return [aligned(size, self.dtype) for _ in range(self.threads)]

    def run(self, entry, arguments, phases, scratch, seconds):
        """Call entry(*arguments, control, scratch, thread), on all threads where it is worth it.

        Parameters
        ----------
        entry : compiled function
            Of the form that `kernels/tasks.py` asks for.
        arguments : tuple
        phases : int
        scratch : list of arrays, one a thread
        seconds : float
            What it takes on one thread, roughly.
        """
        control = np.zeros(CONTROL + phases * PHASE, np.int64)
        if self.threads > 1 and seconds > SMALL:
            others = enumerate(scratch[1:], 1)
            self.helpers.call(entry, [(*arguments, control, one, k) for k, one in others])
        entry(*arguments, control, scratch[0], 0)


def plain(array):
    """Return the array as compiled code takes it: C order, aligned, writable; else a copy."""
    return array if array.flags.carray else array.copy(order="C")
