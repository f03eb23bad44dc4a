"""The parent's side of the worker processes: start, ask, answer, stop."""

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "BNN_REF_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NPROC",  # XLA's thread pool on a CPU
)


class WorkerError(RuntimeError):
    """A contender failed; the message is what its process said."""


def environment(threads, **more):
    """Return the environment of a worker: this one's, every library's threads set to the same."""
    found = dict(os.environ)
    found.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    found["CUDA_VISIBLE_DEVICES"] = "-1"
    found["JAX_PLATFORMS"] = "cpu"
    found["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), found.get("PYTHONPATH")]))
    found.update(more)
    return found


class Worker:
    """One contender's process.

    Parameters
    ----------
    name : str
        A contender, or "planted:contender".
    dtype : str
    threads : int
    **more
        Further environment variables.
    """

    def __init__(self, name, dtype="float32", threads=1, **more):
        self.name = name
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `stop`)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", name, dtype, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=environment(threads, **more),
        )

    def send(self, method, **keywords):
        """Ask without waiting; `receive` brings the answer."""
        with contextlib.suppress(BrokenPipeError):  # receive says what happened
            pickle.dump((method, keywords), self.process.stdin)
            self.process.stdin.flush()

    def receive(self):
        """Return the answer.

        Raises
        ------
        WorkerError
            Where the contender raised, or its process ended.
        """
        try:
            ok, value = pickle.load(self.process.stdout)
        except (EOFError, pickle.UnpicklingError):
            code = self.process.wait()
            raise WorkerError(f"{self.name}: its process ended ({code})\n{self.said()}") from None
        if not ok:
            raise WorkerError(f"{self.name}: {value}")
        return value

    def call(self, method, **keywords):
        """Ask and return the answer."""
        self.send(method, **keywords)
        return self.receive()

    def said(self, last=2000):
        """Return the end of what the process wrote to standard error."""
        self._said.seek(0)
        return self._said.read().decode(errors="replace")[-last:]

    def stop(self):
        """End the process: let it read the end of its requests, then wait."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._said.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()


def last_line(error):
    """Return the last line of an error's message: what a table has room for."""
    return str(error).strip().splitlines()[-1]
