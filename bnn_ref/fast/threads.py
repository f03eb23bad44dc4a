"""Helper threads for the sweeps of `compiled.py`, and how many there should be."""

import os
import queue
import subprocess
import sys
import threading
import weakref

from ..border import check_size
from ..errors import expected

VARIABLE = "BNN_REF_THREADS"
MOST = 1024  # threads: more than any machine gains by


def count_threads(threads=None):
    """Return how many threads to use: as asked, else as BNN_REF_THREADS says, else one a core.

    Raises
    ------
    ValueError
        For a number that is not whole, below 1 or above 1024.
    """
    if threads is not None:
        return check_size(threads, "threads", most=MOST)
    asked = os.environ.get(VARIABLE, "").strip()
    if asked:
        if not asked.isdecimal():
            raise expected(VARIABLE, "a whole number, at least 1", repr(asked))
        return check_size(int(asked), VARIABLE, most=MOST)
    return (_performance_cores() if sys.platform == "darwin" else None) or available_cores()


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _performance_cores():
    """Return how many of an Apple machine's cores are its fast ones, or None where it is silent.

    The slow ones would hold up every sweep, which ends when its last task does.
    """
    try:
        asked = subprocess.run(["/usr/sbin/sysctl", "-n", "hw.perflevel0.logicalcpu"],
                               capture_output=True, text=True, timeout=5)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return int(asked.stdout) if asked.stdout.strip().isdecimal() else None


def _serve(jobs):
    """Call what arrives in a queue, until None does."""
    while (job := jobs.get()) is not None:
        function, arguments = job
        function(*arguments)
        del job, function, arguments  # hold no arrays while idle


def _dismiss(queues, process):
    """Let the threads behind these queues end; a forked child has none."""
    if os.getpid() == process:
        for jobs in queues:
            jobs.put(None)


class Helpers:
    """Threads that lend a hand: called, they take part in what the caller does itself.

    Started when first called, again in a forked child (threads do not survive a fork), and ended
    with this object. The caller never waits for one of them to come; see `kernels/run.py`.

    Parameters
    ----------
    count : int, >= 0
    """

    def __init__(self, count):
        self.count = count
        self._queues, self._process, self._end = [], None, None

    def _start(self):
        if self._end is not None:
            self._end.detach()
        self._process = os.getpid()
        self._queues = [queue.SimpleQueue() for _ in range(self.count)]
        for jobs in self._queues:
            threading.Thread(target=_serve, args=(jobs,), name="bnn_ref", daemon=True).start()
        self._end = weakref.finalize(self, _dismiss, self._queues, self._process)

    def call(self, function, arguments):
        """Have helper i call function(*arguments[i]); return at once."""
        if self._process != os.getpid():
            self._start()
        for jobs, mine in zip(self._queues, arguments, strict=True):
            jobs.put((function, mine))
