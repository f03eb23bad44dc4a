"""What the run ran on, and how much else ran beside it."""

import contextlib
import os
import sys
import time

import psutil

DROPPED = {  # what pyperf collects of the person rather than of the machine, or of one process
    "hostname",
    "python_executable",
    "python_cflags",
    "python_config_args",
    "mem_max_rss",
    "command",
    "command_max_rss",
    "aslr",
    "name",
}
BUSY_SHARE = 0.05  # of the processors' time: more from other programs and a run is called noisy
UNSTEADY = 0.10  # quartile spread of the yardstick, likewise


def describe():
    """Return the machine as pyperf describes it, without the person's names and paths."""
    import pyperf

    run = pyperf.Run([1.0], collect_metadata=True)
    found = {
        key: value if isinstance(value, (int, float)) else str(value)
        for key, value in run.get_metadata().items()
        if key not in DROPPED
    }
    found["processors_allowed"] = available_cpus()
    found["memory_bytes"] = psutil.virtual_memory().total
    found["python"] = sys.version.split()[0]
    return found


def blas():
    """Return the BLAS libraries that NumPy and SciPy loaded, in words."""
    import scipy.linalg  # noqa: F401 (loads SciPy's own BLAS)
    import threadpoolctl

    return [
        f"{one['internal_api']} {one.get('version')} ({one.get('architecture', '?')})"
        for one in threadpoolctl.threadpool_info()
        if one["user_api"] == "blas"
    ]


def available_cpus():
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _busy():
    """Return the seconds that all processors together were busy, time stolen by a host included."""
    times = psutil.cpu_times()
    names = ("user", "nice", "system", "irq", "softirq", "steal")
    return sum(getattr(times, name, 0.0) for name in names)


def _own():
    """Return the processor seconds of this process and its children, ended ones included."""
    me = psutil.Process()
    mine = me.cpu_times()
    total = mine.user + mine.system
    total += getattr(mine, "children_user", 0.0) + getattr(mine, "children_system", 0.0)
    for child in me.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times = child.cpu_times()
            total += times.user + times.system
    return total


class Watch:
    """Counts from its making how much processor time other programs take."""

    def __init__(self):
        self.start = (time.monotonic(), _busy(), _own())

    def others(self):
        """Return the share of the processors' time that other programs took since, 0 to 1.

        To be asked while the worker processes still run.
        """
        now, busy, own = time.monotonic(), _busy(), _own()
        seconds = (now - self.start[0]) * psutil.cpu_count()
        return max(0.0, ((busy - self.start[1]) - (own - self.start[2])) / max(seconds, 1e-9))


def noise_report(others, yardsticks):
    """Return {"others", "spread", "noisy", "words"} of a run.

    Parameters
    ----------
    others : float
        `Watch.others`.
    yardsticks : list of float
        The rate of one fixed calculation, measured every round.
    """
    from .statistics import spread

    unsteady = spread(yardsticks) if len(yardsticks) > 1 else None
    reasons = []
    if others > BUSY_SHARE:
        reasons.append(f"other programs took {others:.0%} of the processors' time")
    if unsteady is not None and unsteady > UNSTEADY:
        reasons.append(f"the speed of a fixed calculation varied by {unsteady:.0%}")
    return {
        "others": others,
        "spread": unsteady,
        "noisy": bool(reasons),
        "words": "noisy machine: " + " and ".join(reasons) if reasons else "quiet machine",
    }
