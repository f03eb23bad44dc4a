"""What a bench is told: the command's options, checked, with what is installed here."""

from typing import NamedTuple

from .contenders import CONTENDERS, choose, missing
from .machine import available_cpus
from .statistics import MOST, needed, share_level
from .workloads import parse


class Settings(NamedTuple):
    """What a bench is told.

    Attributes
    ----------
    workloads, running : list of str
        Workload names; contenders that are here, planted ones among them.
    processes, rounds : int
        Fresh processes a contender, and samples of a cell in each.
    dtype : str
    threads : int
    burst : float
        Seconds a sample is to take.
    data : str
        "digits", a folder of IDX files or of a UCI set, separated by commas; for `fit` and
        `variance`.
    draws : int
        Noise draws a point, for `variance`.
    near : float or None
        Seconds a word may take between two cores, as of `Crew`.
    """

    workloads: list
    running: list
    processes: int
    rounds: int
    dtype: str
    threads: int
    burst: float
    data: str
    draws: int
    near: float | None = None


def split(text):
    """Return the parts of a comma-separated text, empty ones left out."""
    return [part for part in (text or "").split(",") if part]


def check_near(nanoseconds):
    """Return a number of nanoseconds in seconds, None where none is given.

    Raises
    ------
    ValueError
        Where it is not above 0.
    """
    if nanoseconds is None:
        return None
    if not nanoseconds > 0:
        raise ValueError(f"near: expected nanoseconds above 0, found {nanoseconds}")
    return 1e-9 * nanoseconds


QUICK = {
    "workloads": ["13-50-2/32", "784-128-128-10/128"],
    "contenders": ["ours_numba", "ours_numpy", "jax_jit", "torch_manual"],
}
LEAST_PROCESSES = 10


def rows_of(bench, workloads, running):
    """Return how many rows of a bench get a verdict: all but this project's own."""
    return max(1, len(workloads) * getattr(bench, "ROWS_A_WORKLOAD", 1) * (len(running) - 1))


def settings_for(bench, options):
    """Return (Settings, {absent contender: reason}) of a bench.

    Raises
    ------
    ValueError
        For a name or a number that does not fit.
    """
    cpus = available_cpus()
    threads = cpus if options.threads is None else options.threads
    if not 1 <= threads <= cpus:
        raise ValueError(f"threads: expected 1 to {cpus}, found {threads}")
    rounds = getattr(bench, "ROUNDS", 1) if options.rounds is None else options.rounds
    if rounds < 1:
        raise ValueError(f"rounds: expected at least 1, found {rounds}")
    if not options.burst > 0:
        raise ValueError(f"burst: expected seconds above 0, found {options.burst}")
    near = check_near(options.near)
    if options.draws < 20:
        raise ValueError(f"draws: expected at least 20, found {options.draws}")
    quick = QUICK if options.quick else {}
    workloads = split(options.workloads) or [
        workload for workload in bench.WORKLOADS if not quick or workload in quick["workloads"]
    ]
    for name in workloads:
        parse(name)
    wanted = split(options.contenders) or [
        contender
        for contender in getattr(bench, "CONTENDERS", CONTENDERS)
        if not quick or contender in quick["contenders"]
    ]
    planted = split(options.plant)
    ours = next((name for name in ("ours_numba", "ours_numpy") if name in wanted), None)
    if ours and getattr(bench, "AGAIN", True) and not missing(ours):
        planted.insert(0, f"again:{ours}")
    absent, running = choose([*wanted, *options.contender], planted)
    processes = getattr(bench, "PROCESSES", 0) if options.processes is None else options.processes
    if options.processes is None and processes != 1:
        level = share_level(rows_of(bench, workloads, running))
        processes = max(LEAST_PROCESSES, needed(level))
    if not 1 <= processes <= MOST:
        raise ValueError(f"processes: expected 1 to {MOST}, found {processes}")
    return (
        Settings(workloads, running, processes, rounds, options.dtype, threads, options.burst,
                 options.data, options.draws, near),
        absent,
    )  # fmt: skip
