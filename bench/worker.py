"""A contender's process: ``python -m bench.worker NAME DTYPE THREADS``, driven through its pipes.

A request is a pickled (method, arguments), a reply a pickled (ok, value). Standard output is
given to the protocol alone; what a framework prints goes to standard error.
"""

import copy
import gc
import importlib
import importlib.util
import os
import pickle
import sys
import time
import traceback
from pathlib import Path

from .contenders import base, own_file
from .planted import split_name


def limit_cpus(threads):
    """Keep this process on the first `threads` processors it may use, where the system can.

    The only limit that every framework obeys: XLA's thread pool on a CPU takes its size from it.
    """
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[:threads])


def peak_memory():
    """Return the largest resident memory of this process so far, in bytes, or None.

    On Linux `VmHWM`: `getrusage` also counts what the parent held when it forked this process.
    """
    status = Path("/proc/self/status")
    for line in status.read_text("ascii").splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


OTHERS = {  # not contenders, but driven as such: name to module and class
    "blas": ("blas", "Contender"),
    "noise": ("parts", "Noise"),
    "gradients": ("parts", "Gradients"),
}


def contender_class(name):
    """Return the class of a contender's name: this bench's, or a person's own ("file.py:Class")."""
    own = own_file(name)
    if own is not None:
        spec = importlib.util.spec_from_file_location("own_contender", own.path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        kind = getattr(module, own.kind)
        return type(own.kind, (kind, base.Contender), {})  # what it leaves out is the base's
    module, kind = OTHERS.get(name, (f"contenders.{name}", "Contender"))
    return getattr(importlib.import_module(f"{__package__}.{module}"), kind)


class Server:
    """What the parent can ask for; each method's name is a request."""

    def __init__(self, name, dtype, threads):
        self.planted, name = split_name(name)
        self.dtype = dtype
        self.unopened = contender_class(name)(dtype, threads)
        self.opened = {}

    def make(self, problem):
        """Return the contender with a problem opened, planted if it is to be, at its start.

        Raises
        ------
        ValueError
            Where the contender does not do such a likelihood or activation.
        """
        work = problem.workload
        if work.likelihood not in self.unopened.likelihoods:
            raise ValueError(f"it is not written for a {work.likelihood} likelihood")
        contender = copy.copy(self.unopened)
        contender.open(problem)
        if self.planted:
            from .planted import plant

            plant(contender, self.planted)
        contender.reset(problem.learning_rate)
        return contender

    def open(self, workload, steps=2):
        """Build a workload and take the first steps; return how long that took, in seconds."""
        from .workloads import make_problem, parse

        start = time.perf_counter()
        contender = self.make(make_problem(parse(workload), self.dtype))
        contender.probe = contender.batches.pop()
        contender.run(steps)
        self.opened[workload] = contender
        gc.freeze()
        return time.perf_counter() - start

    def first_step(self, workload):
        """Build a workload, take one step, and return the process's peak memory in bytes."""
        self.open(workload, steps=1)
        return peak_memory()

    def peak(self, workload, steps):
        """Build a workload, take steps, and return the process's peak memory in bytes."""
        self.open(workload, steps=steps)
        return peak_memory()

    def start_training(self, workload, data, seed):
        """Build the network of a data set, to be trained by `train`, under the name `workload`."""
        from .fitting import read, training_problem

        self.opened[workload] = self.make(training_problem(read(data, self.dtype), seed))

    def train(self, workload, first, steps):
        """Take steps first .. first + steps - 1; return their seconds and the parameters."""
        contender = self.opened[workload]
        batches = contender.batches
        shift = first % len(batches)
        contender.batches = batches[shift:] + batches[:shift]
        start = time.perf_counter()
        contender.run(steps)
        elapsed = time.perf_counter() - start
        contender.batches = batches
        return elapsed, contender.parameters()

    def replay(self, workload):
        """Return the contender's loss and gradients for the reference's first noise, or None."""
        from .equality import replayed_noise

        contender = self.opened[workload]
        return contender.replay(replayed_noise(contender.problem))

    def losses_at_rest(self, workload, steps):
        """Return the losses of steps that move no parameter, on the probe: noise alone."""
        from .contenders.base import LEAST_RATE, as_floats

        contender = self.opened[workload]
        batches = contender.batches
        contender.reset(LEAST_RATE)
        contender.batches = [contender.probe]
        try:
            return as_floats(contender.run(steps))
        finally:
            contender.batches = batches

    def losses_in_training(self, workload, steps):
        """Return the losses of the first steps from the initial values."""
        from .contenders.base import as_floats

        contender = self.opened[workload]
        contender.reset(contender.problem.learning_rate)
        return as_floats(contender.run(steps))

    def moved(self, workload):
        """Return for each parameter the largest absolute change that the first step makes."""
        contender = self.opened[workload]
        contender.reset(contender.problem.learning_rate)
        before = contender.parameters()
        contender.run(1)
        after = contender.parameters()
        return {name: float(abs(after[name] - before[name]).max()) for name in before}

    def time(self, workload, steps, warm):
        """Return the seconds of that many steps, after `warm` untimed ones from a fresh start.

        Fresh arrays each time: where memory happens to lie is a part of the spread.
        """
        contender = self.opened[workload]
        contender.reset(contender.problem.learning_rate)
        gc.collect()
        contender.run(warm)
        gc.disable()
        start = time.perf_counter()
        contender.run(steps)
        elapsed = time.perf_counter() - start
        gc.enable()
        return elapsed

    def yardstick(self, working_sets):
        """Return what the machine does now, as `blas.Contender.yardstick` (of "blas" alone)."""
        return self.unopened.yardstick(working_sets)

    def hop(self):
        """Return a word's way between two cores, as `blas.Contender.hop` (of "blas" alone)."""
        return self.unopened.hop()

    def kinds(self):
        """Return what the contender's `predict` can draw."""
        return self.unopened.kinds

    def predict(self, workload, rows, draws, kind, keep):
        """Return the seconds of a prediction and the first `keep` rows' probabilities."""
        from .workloads import make_rows

        contender = self.opened[workload]
        x = make_rows(contender.problem.workload, rows, self.dtype)
        gc.collect()
        start = time.perf_counter()
        probabilities = contender.predict(x, draws, kind)
        return time.perf_counter() - start, probabilities[:keep]


def main(arguments):
    """Serve until the parent closes the pipe."""
    name, dtype, threads = arguments[0], arguments[1], int(arguments[2])
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    limit_cpus(threads)
    requests = sys.stdin.buffer
    server = None
    while True:
        try:
            method, keywords = pickle.load(requests)
        except EOFError:
            return
        try:
            if server is None:
                server = Server(name, dtype, threads)
            reply = (True, getattr(server, method)(**keywords))
        except Exception:
            reply = (False, traceback.format_exc())
        pickle.dump(reply, replies)
        replies.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
