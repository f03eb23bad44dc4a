"""What the run ran on, and how much else ran beside it."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from . import energy

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
UNSTEADY = 0.05  # quartile spread of the yardstick, likewise


def describe():
    """Return the machine as pyperf describes it, without the person's names and paths.

    To which are added what decides a timing: vector width, caches, governor, processors allowed,
    BLAS libraries with their kernels and threads; and which bnn_ref was measured.
    """
    import pyperf

    run = pyperf.Run([1.0], collect_metadata=True)
    facts = {
        key: value if isinstance(value, (int, float)) else str(value)
        for key, value in run.get_metadata().items()
        if key not in DROPPED
    }
    flags = cpu_flags()
    facts.update(
        processors_allowed=available_cpus(),
        affinity=sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [],
        memory_bytes=psutil.virtual_memory().total,
        python=sys.version.split()[0],
        cpu_flags=[flag for flag in flags if flag.startswith(("avx", "fma", "sse4", "amx"))],
        vector_bits=vector_bits(asked_features() or flags),
        caches=caches(),
        governor=_first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        blas=blas(),
        bnn_ref=library(),
        energy=bool(energy.counters()),
    )
    return facts


def library():
    """Return {"version", "commit", "changed"} of the bnn_ref that is measured.

    The commit is None where it is no checkout; ``changed`` says whether files differ from it.
    """
    import bnn_ref

    made = {"version": bnn_ref.__version__, "commit": None, "changed": None}
    folder = Path(bnn_ref.__file__).resolve().parent.parent

    def git(*words):
        return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True)

    with contextlib.suppress(OSError):
        commit = git("rev-parse", "HEAD")
        if commit.returncode == 0 and git("ls-files", "bnn_ref/__init__.py").stdout:
            made["commit"] = commit.stdout.strip()
            made["changed"] = bool(git("status", "--porcelain", "-uno").stdout)
    return made


def _first_line(path):
    """Return the first line of a file, or None where it cannot be read."""
    try:
        return Path(path).read_text("utf-8").splitlines()[0]
    except (OSError, IndexError, UnicodeDecodeError):
        return None


def cpu_flags(path="/proc/cpuinfo"):
    """Return what the first processor says that it can do, [] where it does not say."""
    with contextlib.suppress(OSError):
        for line in Path(path).read_text("utf-8").splitlines():
            if line.startswith("flags"):
                return line.partition(":")[2].split()
    return []


def asked_features():
    """Return the features to which `NUMBA_CPU_FEATURES` holds this project's code; none: all."""
    words = os.environ.get("NUMBA_CPU_FEATURES", "").split(",")
    return [word[1:] for word in words if word.startswith("+")]


def vector_bits(flags):
    """Return the width of the widest vectors that arithmetic uses, or None where unknown."""
    for flag, bits in (("avx512f", 512), ("avx2", 256), ("sse2", 128)):
        if flag in flags:
            return bits
    return None


def caches(folder="/sys/devices/system/cpu/cpu0/cache"):
    """Return the first processor's caches as {"L2": "2048K", ...}; {} where unknown."""
    sizes = {}
    for place in sorted(Path(folder).glob("index*")):
        level, kind, size = (_first_line(place / name) for name in ("level", "type", "size"))
        if size and kind != "Instruction":
            sizes[f"L{level}"] = size
    return sizes


def blas():
    """Return the BLAS libraries that NumPy and SciPy loaded, in words."""
    import scipy.linalg  # noqa: F401 (loads SciPy's own BLAS)
    import threadpoolctl

    return [
        f"{pool['internal_api']} {pool.get('version')} ({pool.get('architecture', '?')}), "
        f"{pool['num_threads']} threads"
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    ]


def available_cpus():
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _busy():
    """Return (seconds that all processors together were busy, seconds stolen by a host)."""
    times = psutil.cpu_times()
    names = ("user", "nice", "system", "irq", "softirq")
    return sum(getattr(times, name, 0.0) for name in names), getattr(times, "steal", 0.0)


def _own():
    """Return the processor seconds of this process and all that descend from it.

    A process that has ended counts in the parent that waited for it, so everybody's ended children
    are added: a compiler's helpers are a worker's children, and long gone when the run ends.
    """
    me = psutil.Process()
    total = 0.0
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
            total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


class Watch:
    """Counts from its making what others take of the processors: other programs, and a host."""

    def __init__(self):
        self.start = (time.monotonic(), *_busy(), _own())

    def shares(self):
        """Return {"others", "stolen"}: shares of the processors' time since, 0 to 1.

        To be asked while the worker processes still run, or after they were waited for.
        """
        now, (busy, stolen), own = time.monotonic(), _busy(), _own()
        seconds = max((now - self.start[0]) * psutil.cpu_count(), 1e-9)
        others = (busy - self.start[1]) - (own - self.start[3])
        return {
            "others": max(0.0, others / seconds),
            "stolen": max(0.0, (stolen - self.start[2]) / seconds),
        }


def noise_report(shares, yardsticks):
    """Return {"others", "stolen", "spread", "noisy", "words"} of a run.

    Parameters
    ----------
    shares : dict
        `Watch.shares`.
    yardsticks : list of dict
        As `blas.Contender.yardstick` returns them, one for every set of processes.
    """
    from .statistics import spread

    rates = [yard["fma"] for yard in yardsticks]
    unsteady = spread(rates) if len(rates) > 1 else None
    reasons = []
    if wrong := sum(yard["fma"] < yard["blas"] for yard in yardsticks):
        reasons.append(f"the peak came out below BLAS's rate in {wrong} of {len(rates)} readings")
    if shares["others"] > BUSY_SHARE:
        reasons.append(f"other programs took {shares['others']:.0%} of the processors' time")
    if shares["stolen"] > BUSY_SHARE:
        reasons.append(f"the host took {shares['stolen']:.0%} of the processors' time")
    if unsteady is not None and unsteady > UNSTEADY:
        reasons.append(f"the speed of a fixed calculation varied by {unsteady:.0%}")
    quiet = "quiet machine" if unsteady is not None else "the machine's speed was measured once"
    return {
        **shares,
        "spread": unsteady,
        "noisy": bool(reasons),
        "words": "noisy machine: " + " and ".join(reasons) if reasons else quiet,
    }
