"""The contenders of a bench: started, opened, checked, and timed in turns."""

import random
import time
from dataclasses import dataclass, field

from . import equality
from .contenders import CONTENDERS, missing
from .machine import Watch
from .workers import Worker, WorkerError, last_line
from .workloads import make_problem, parse

PAUSE = 0.01  # seconds between two contenders: the last one's threads go to sleep
MOST_STEPS = 5000


@dataclass
class Cell:
    """One contender on one workload.

    Attributes
    ----------
    workload, contender : str
        "floor" is the contender that does the matrix products alone.
    samples : list of float
        Seconds a step, one for each round.
    steps : int
        Steps timed at a time.
    first_seconds : float
        Building, compiling and the first two steps.
    refusal : str or None
        Why it is not timed.
    seen : dict
        What the checks saw.
    kind : str
        Of a prediction: "weights" or "flipout".
    """

    workload: str
    contender: str
    samples: list = field(default_factory=list)
    steps: int = 0
    first_seconds: float = 0.0
    refusal: str | None = None
    seen: dict = field(default_factory=dict)
    kind: str = ""


class Crew:
    """Worker processes, and the cells that are timed in them.

    Parameters
    ----------
    names : list of str
        Contenders, "planted:contender" among them, or "floor".
    dtype : str
    threads : int
    say : function(str)
        Takes a line of progress.
    """

    def __init__(self, names, dtype, threads, say):
        self.dtype, self.threads, self.say = dtype, threads, say
        self.watch = Watch()
        self.workers = {name: Worker(name, dtype, threads) for name in names}
        self.cells, self.yardsticks = [], []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for worker in self.workers.values():
            worker.stop()

    def open(self, workloads, check=True):
        """Open the workloads in every worker, check each, and return the cells.

        Workers build and compile at the same time while the reference computes what to expect.
        """
        self.say(f"building {len(workloads)} workloads in {len(self.workers)} processes")
        names = [name for name in self.workers if name != "floor"]
        for name in names:
            for workload in workloads:
                self.workers[name].send("open", workload=workload)
        problems = {name: make_problem(parse(name), self.dtype) for name in workloads}
        expected = {name: equality.expect(problems[name]) for name in workloads if check}
        for name in names:
            for workload in workloads:
                self._add(name, workload)
        if "floor" in self.workers:
            for workload in workloads:
                self.workers["floor"].send("open", workload=workload)
                self._add("floor", workload)
        if check:
            self.say("checking that all do the same work")
            for cell in self.cells:
                if cell.contender != "floor" and cell.refusal is None:
                    self._check(cell, problems[cell.workload], expected[cell.workload])
        return self.cells

    def _add(self, name, workload):
        cell = Cell(workload, name)
        self.cells.append(cell)
        try:
            cell.first_seconds = self.workers[name].receive()
        except WorkerError as error:
            cell.refusal = f"failed: {last_line(error)}"
            self.say(f"  {name} on {workload} {cell.refusal}")

    def _check(self, cell, problem, expected):
        try:
            refusal, cell.seen = equality.check(self.workers[cell.contender], problem, expected)
        except WorkerError as error:
            refusal = f"failed: {last_line(error)}"
        if refusal:
            cell.refusal = refusal
            self.say(f"  REFUSED {cell.contender} on {cell.workload}: {refusal}")

    def running(self):
        """Return the cells that are timed."""
        return [cell for cell in self.cells if cell.refusal is None]

    def call(self, cell, method, **keywords):
        """Ask a cell's worker; where it fails the cell is refused and None comes back."""
        try:
            return self.workers[cell.contender].call(method, workload=cell.workload, **keywords)
        except WorkerError as error:
            cell.refusal = f"failed: {last_line(error)}"
            self.say(f"  {cell.contender} on {cell.workload} {cell.refusal}")
            return None

    def calibrate(self, burst):
        """Settle how many steps fill `burst` seconds, at least two, for each cell."""
        for cell in self.running():
            seconds = None
            for steps in (3, 30):
                elapsed = self.call(cell, "time", steps=steps, warm=2)
                if elapsed is None:
                    break
                seconds = elapsed / steps
                if elapsed > burst / 4:
                    break
            if seconds is not None:
                cell.steps = int(min(MOST_STEPS, max(2, burst / seconds)))

    def interleave(self, rounds, measure, seed=0, quiet=False):
        """Take rounds: in each, every workload in turn, its contenders in an order drawn anew.

        Parameters
        ----------
        rounds : int
        measure : function(Cell) -> float or None
            One sample; None where the cell failed, which ends it.
        seed : int
            Of the orders.
        quiet : bool
            Say nothing of the progress.
        """
        order = random.Random(seed)
        floor = self.workers.get("floor")
        start = time.monotonic()
        for turn in range(rounds):
            if floor is not None:
                self.yardsticks.append(floor.call("yardstick"))
            by_workload = {}
            for cell in self.running():
                by_workload.setdefault(cell.workload, []).append(cell)
            for cells in by_workload.values():
                order.shuffle(cells)
                for cell in cells:
                    time.sleep(PAUSE)
                    sample = measure(cell)
                    if sample is not None:
                        cell.samples.append(sample)
            if not quiet and (turn == 0 or (turn + 1) % 5 == 0):
                self.say(f"  round {turn + 1} of {rounds}, {time.monotonic() - start:.0f} s")

    def time_steps(self, cell):
        """Return the seconds a step of one burst."""
        elapsed = self.call(cell, "time", steps=cell.steps, warm=max(1, cell.steps // 5))
        return None if elapsed is None else elapsed / cell.steps


def choose(wanted, planted=()):
    """Return ({name: reason} of absent contenders, names that run) of those wanted, in order.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    for name in (*wanted, *(one.rpartition(":")[2] for one in planted)):
        if name not in CONTENDERS:
            raise ValueError(f"contender: expected one of {', '.join(CONTENDERS)}, found {name!r}")
    absent = {name: reason for name in wanted if (reason := missing(name))}
    return absent, [name for name in wanted if name not in absent] + list(planted)
