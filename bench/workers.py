"""The parent's side of the worker processes: start, ask, answer, stop."""

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PACKAGE = __package__  # "bench" in a checkout, "bnn_ref.bench" where it is installed
ROOT = Path(__file__).resolve().parent.parent
REST, MOST_REST = 0.03, 1.0  # seconds
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


class Launch(NamedTuple):
    """How a contender's process is started.

    Attributes
    ----------
    contender : str
        A contender, or "planted:contender".
    python : str or None
        An interpreter of another environment.
    path : str or None
        A folder that holds the ``bench``, and perhaps the ``bnn_ref``, that this process imports.
    """

    contender: str
    python: str | None = None
    path: str | None = None


def environment(threads, path=None, **more):
    """Return the environment of a worker: this one's, every library's threads set to the same."""
    variables = dict(os.environ)
    variables.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    variables["CUDA_VISIBLE_DEVICES"] = "-1"
    variables["JAX_PLATFORMS"] = "cpu"
    first = path or (str(ROOT) if PACKAGE == "bench" else None)
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [first, variables.get("PYTHONPATH")]))
    variables.update(more)
    return variables


def caches(folder):
    """Return the environment that puts every framework's compiled code into a folder."""
    return {
        "NUMBA_CACHE_DIR": str(folder / "numba"),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "torch"),
    }


class Worker:
    """One contender's process.

    Parameters
    ----------
    launch : str or Launch
    dtype : str
    threads : int
    **more
        Further environment variables.
    """

    def __init__(self, launch, dtype="float32", threads=1, **more):
        launch = Launch(launch) if isinstance(launch, str) else launch
        self.name = launch.contender
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `stop`)
        package = "bench" if launch.path else PACKAGE
        self.process = subprocess.Popen(
            [launch.python or sys.executable, "-m", f"{package}.worker", self.name, dtype,
             str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=environment(threads, launch.path, **more),
            cwd=launch.path,
        )  # fmt: skip

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

    def rest(self):
        """Wait until the process stands still for `REST`, `MOST_REST` seconds at most.

        A library's threads go on spinning after its last product, OpenBLAS's for about 100 ms:
        whoever is timed next would share a processor with them.

        Returns
        -------
        bool
            True where it stands still.
        """
        import psutil

        end = time.monotonic() + MOST_REST
        try:
            process = psutil.Process(self.process.pid)
            while time.monotonic() < end:
                before = process.cpu_times()
                time.sleep(REST)
                if process.cpu_times()[:2] == before[:2]:
                    return True
        except psutil.NoSuchProcess:  # the next call says what happened
            return True
        return False

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
