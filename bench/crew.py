"""The contenders of a bench: started, opened, checked, and timed in turns, process after process.

What is timed are many short lives: `repeat` ends every process and starts it anew, for a process's
own luck is most of what makes two timings differ.
"""

import random
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import equality
from .energy import Meter
from .machine import Watch
from .workers import Launch, Worker, WorkerError, caches, last_line
from .workloads import make_problem, parse

MOST_STEPS = 5000
PATIENCE = 120.0  # seconds that one burst waits for cores that are near
REFERENCE = "blas"
NOT_WRITTEN = "it is not written for"  # as `worker.Server.make` says


@dataclass
class Cell:
    """One contender on one workload.

    Attributes
    ----------
    workload, contender : str
        "blas" is the BLAS reference.
    processes : list of list of float
        Seconds a step: for each process its samples.
    steps : int
        Steps timed at a time.
    first_seconds : list of float
        Building, compiling and the first two steps, for each process.
    refusal : str or None
        Why it is not timed.
    seen : dict
        What the checks saw.
    kind : str
        Of a prediction: "weights" or "flipout".
    """

    workload: str
    contender: str
    processes: list = field(default_factory=list)
    steps: int = 0
    first_seconds: list = field(default_factory=list)
    refusal: str | None = None
    seen: dict = field(default_factory=dict)
    kind: str = ""


class Crew:
    """Worker processes, and the cells that are timed in them.

    Parameters
    ----------
    names : list of str, or dict of name to `Launch`
        Contenders, "planted:contender" among them.
    dtype : str
    threads : int
    say : function(str)
        Takes a line of progress.
    near : float, optional
        Seconds that a word may take between two cores: a burst of steps is held until it does,
        `PATIENCE` seconds at most.
    """

    def __init__(self, names, dtype, threads, say, near=None):
        self.launches = names if isinstance(names, dict) else {name: Launch(name) for name in names}
        self.dtype, self.threads, self.say, self.near = dtype, threads, say, near
        self.watch = Watch()
        self.folder = Path(tempfile.mkdtemp(prefix="bench-caches-"))
        self.yard = Worker(REFERENCE, dtype, threads)
        self.workers = {name: self._start(name) for name in self.launches}
        self.cells, self.yardsticks = [], []

    def _start(self, name):
        kept = caches(self.folder)
        del kept["NUMBA_CACHE_DIR"]  # ours are where a person's own runs find them
        return Worker(self.launches[name], self.dtype, self.threads, **kept)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for worker in (*self.workers.values(), self.yard):
            worker.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def open(self, workloads, check=True):
        """Open the workloads in every worker, check each, and return the cells.

        Workers build and compile at the same time while the reference computes what to expect.
        """
        self.say(f"building {len(workloads)} workloads in {len(self.workers)} processes")
        self.cells = [Cell(workload, name) for name in self.workers for workload in workloads]
        checked = [cell for cell in self.cells if check and cell.contender != REFERENCE]
        self._send_open(self.cells)
        problems = {name: make_problem(parse(name), self.dtype) for name in workloads}
        expected = {name: equality.expect(problems[name]) for name in workloads if checked}
        self._receive_open(self.cells)
        if checked:
            self.say("checking that all do the same work")
        for cell in checked:
            if cell.refusal is None:
                self._check(cell, problems[cell.workload], expected[cell.workload])
        return self.cells

    def _send_open(self, cells):
        for cell in cells:
            self.workers[cell.contender].send("open", workload=cell.workload)

    def _receive_open(self, cells):
        for cell in cells:
            try:
                cell.first_seconds.append(self.workers[cell.contender].receive())
            except WorkerError as error:
                self._fail(cell, error)

    def _fail(self, cell, error):
        words = last_line(error)
        left_out = words.partition(NOT_WRITTEN)[1:]
        cell.refusal = f"left out: {''.join(left_out)}" if left_out[0] else f"failed: {words}"
        self.say(f"  {cell.contender} on {cell.workload} {cell.refusal}")

    def _check(self, cell, problem, expected):
        try:
            refusal, cell.seen = equality.check(self.workers[cell.contender], problem, expected)
        except WorkerError as error:
            refusal = f"failed: {last_line(error)}"
        if refusal:
            cell.refusal = refusal
            self.say(f"  REFUSED {cell.contender} on {cell.workload}: {refusal}")

    def renew(self):
        """End every process and start those anew that still have something to time."""
        for worker in self.workers.values():
            worker.stop()
        probes = {}
        for cell in self.running():
            probes[cell.contender, cell.workload] = Cell(cell.workload, cell.contender)
        self.workers = {name: self._start(name) for name in dict.fromkeys(of for of, *_ in probes)}
        self._send_open(probes.values())
        self._receive_open(probes.values())
        for cell in self.running():
            probe = probes[cell.contender, cell.workload]
            cell.refusal = probe.refusal
            if not cell.kind:
                cell.first_seconds += probe.first_seconds

    def running(self):
        """Return the cells that are timed."""
        return [cell for cell in self.cells if cell.refusal is None]

    def call(self, cell, method, **keywords):
        """Ask a cell's worker; where it fails the cell is refused and None comes back."""
        try:
            return self.workers[cell.contender].call(method, workload=cell.workload, **keywords)
        except WorkerError as error:
            self._fail(cell, error)
            return None

    def calibrate(self, burst):
        """Settle how many steps fill `burst` seconds, at least two, for each cell."""
        for cell in self.running():
            seconds = None
            for steps in (3, 30):
                tries = [self.call(cell, "time", steps=steps, warm=2) for _ in range(3)]
                if None in tries:
                    break
                elapsed = min(tries)  # one that was interrupted would make the burst too short
                seconds = elapsed / steps
                if elapsed > burst / 4:
                    break
            if seconds is not None:
                cell.steps = int(min(MOST_STEPS, max(2, burst / seconds)))

    def measure_yardstick(self):
        """Add what the machine does now to ``yardsticks``."""
        sizes = sorted({parse(cell.workload).adam_working_set(self.dtype) for cell in self.cells})
        self.yardsticks.append(self.yard.call("yardstick", working_sets=sizes))
        self.yard.rest()

    def repeat(self, processes, rounds, measure, prepare=None):
        """Take samples in one set of processes after the other.

        Parameters
        ----------
        processes : int
        rounds : int
            Samples of each cell in a process.
        measure : function(Cell) -> float or None
            One sample; None where the cell failed, which ends it.
        prepare : function(), optional
            Called for every set of processes before its first round.
        """
        start = time.monotonic()
        for process in range(processes):
            self.take(process, rounds, measure, prepare)
            self.say(f"  process {process + 1} of {processes}, {time.monotonic() - start:.0f} s")

    def take(self, process, rounds, measure, prepare=None):
        """Take one set of processes' samples; arguments as of `repeat`, 0 the set that is open."""
        if process:
            self.renew()
        if prepare is not None:
            prepare()
        self.measure_yardstick()
        for cell in self.running():
            cell.processes.append([])
        self.interleave(rounds, measure, seed=process)

    def interleave(self, rounds, measure, seed=0):
        """Take rounds: in each, every workload in turn, its contenders in an order drawn anew.

        Samples go to each cell's last process.

        Parameters
        ----------
        rounds : int
        measure : function(Cell) -> float or None
        seed : int
            Of the orders.
        """
        order = random.Random(seed)
        for _ in range(rounds):
            by_workload = {}
            for cell in self.running():
                by_workload.setdefault(cell.workload, []).append(cell)
            for cells in by_workload.values():
                order.shuffle(cells)
                for cell in cells:
                    sample = measure(cell)
                    self.workers[cell.contender].rest()
                    if sample is not None:
                        cell.processes[-1].append(sample)

    def time_steps(self, cell):
        """Return the seconds a step of one burst, and note in `seen` what it met.

        "hops": how far apart the cores were, seconds before and after it, and the burst's sample
        (see `yardstick.Hop`). "joules": those of a step where they are counted, of the whole
        package, warm-up included, which counts as steps.
        """
        give_up = time.monotonic() + PATIENCE
        while True:
            before = self.hop(give_up)
            warm, meter = max(1, cell.steps // 5), Meter()
            elapsed = self.call(cell, "time", steps=cell.steps, warm=warm)
            joules, after = meter.joules(), self.hop()
            if elapsed is None:
                return None
            if self.near is None or not after or after <= self.near or time.monotonic() > give_up:
                break
        sample = elapsed / cell.steps
        if joules is not None:
            cell.seen.setdefault("joules", []).append(joules / (cell.steps + warm))
        if before and after:
            cell.seen.setdefault("hops", []).append([before, after, sample])
        return sample

    def hop(self, give_up=0.0):
        """Return how far apart the cores are, in seconds, or None on one thread.

        Where they are to be `near`, wait for it until the monotonic clock says `give_up`.
        """
        while True:
            hop = self.yard.call("hop")
            if self.near is None or not hop or hop <= self.near or time.monotonic() > give_up:
                return hop
            time.sleep(0.2)
