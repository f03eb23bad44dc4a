"""Many fits as tasks on Dask: each finished cell kept at once, so that a killed sweep goes on.

A cell is a dict of plain settings, and its result one of numbers: what a function of the cell
returns, on whichever machine. Neither depends on the machine, so a sweep's table is the same
whether it ran through, was killed and started again, or lost workers on the way.

    SWEEP/
      cells/KEY.json   a finished cell: its settings, its result, how long it took
      table.csv        one line a cell, in the order of the grid
"""

import contextlib
import csv
import hashlib
import io
import itertools
import json
import math
import time
import uuid
from pathlib import Path
from typing import NamedTuple

from .._version import __version__
from ..errors import expected
from ..layers import check_size
from ..runs import environment
from ..runs.run import read_json, write_json
from ..storage.wholefile import remove_leftovers, whole_file


class Outcome(NamedTuple):
    """What became of a cell.

    Attributes
    ----------
    cell : dict
        Its settings.
    result : dict or None
        What the task returned; None where it failed.
    error : str or None
        One line, where it failed.
    seconds : float
        How long it took.
    """

    cell: dict
    result: dict | None
    error: str | None
    seconds: float


def grid(choices):
    """Return the cells of a grid: every combination, the last name changing fastest.

    Parameters
    ----------
    choices : dict of str to list
        Name to its values.
    """
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


def key_of(cell, identity=None):
    """Return the name under which a cell is kept: a hash of its settings and of what they mean.

    Parameters
    ----------
    cell : dict
    identity : dict, optional
        What else its result depends on, such as a checksum of the data. The version of this
        package always counts.
    """
    whole = {"cell": cell, "identity": identity, "bnn_ref": __version__}
    text = json.dumps(whole, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Store:
    """The finished cells of a folder.

    Parameters
    ----------
    folder : str or path, optional
        Made where it is absent. None keeps nothing.
    """

    def __init__(self, folder=None):
        self.cells = None if folder is None else Path(folder) / "cells"
        if self.cells is not None:
            self.cells.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.cells)

    def get(self, key, cell):
        """Return the `Outcome` kept under a key, or None.

        Raises
        ------
        ValueError
            Where the file is not that cell's.
        """
        path = None if self.cells is None else self.cells / f"{key}.json"
        if path is None or not path.exists():
            return None
        record = read_json(path)
        if record.get("cell") != cell or not isinstance(record.get("result"), dict):
            raise expected(path, f"the finished cell {name_of(cell)}", "another file")
        return Outcome(cell, record["result"], None, float(record.get("seconds", 0)))

    def keep(self, key, outcome):
        """Write a finished cell; the file appears whole or not at all.

        Parameters
        ----------
        key : str
        outcome : Outcome
        """
        if self.cells is not None:
            record = {"cell": outcome.cell, "result": outcome.result, "seconds": outcome.seconds}
            write_json(self.cells / f"{key}.json", record)


def name_of(cell):
    """Return a cell as text, ``learning_rate=0.01 seed=3``."""
    return " ".join(f"{name}={cell_text(value)}" for name, value in cell.items())


def plain(value):
    """Return a result with NumPy's numbers made Python's, and None for what is not finite.

    Parameters
    ----------
    value : dict, list, array, number or str
    """
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def run_cell(task, cell, threads):
    """Run a task's one cell on a worker with that many threads: (result, seconds)."""
    begin = time.perf_counter()
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError):
            from threadpoolctl import threadpool_limits

            stack.enter_context(threadpool_limits(threads))  # of BLAS; workers share the machine
        result = task(cell, threads)
    return plain(result), round(time.perf_counter() - begin, 3)


@contextlib.contextmanager
def connect(scheduler=None, workers=None, threads=1):
    """Yield a Dask client of the scheduler at an address, or of one started here.

    Parameters
    ----------
    scheduler : str, optional
        An address such as "tcp://host:8786". None starts a scheduler and worker processes on this
        machine, and ends them with the block.
    workers : int, optional
        How many processes to start here; by default the cores this process may use over `threads`.
    threads : int
        Threads of one cell.

    Raises
    ------
    ImportError
        Where Dask's distributed scheduler is not installed.
    OSError
        Where nothing answers at the address.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ImportError(
            "sweep: expected dask[distributed], found none: pip install 'bnn_ref[sweep]'"
        ) from None
    if scheduler is not None:
        with Client(scheduler, timeout="10s", set_as_default=False) as client:
            yield client
        return
    workers = workers or max(1, environment.available_cores() // threads)
    with (
        LocalCluster(
            n_workers=check_size(workers, "workers"),
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,  # a lost worker is replaced: the outcome tells what came of it
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def sweep(task, cells, folder=None, *, identity=None, scheduler=None, workers=None, threads=1,
          on_outcome=None, client=None):  # fmt: skip
    """Run a task for every cell that is not finished and return the `Outcome` of all, in order.

    Parameters
    ----------
    task : function(cell, threads) -> dict
        A function that workers can import, or a `functools.partial` of one.
    cells : list of dict
        Plain values (JSON). Two equal cells are refused.
    folder : str or path, optional
        Where finished cells are kept, each as soon as it is. A cell that failed is not finished:
        the next sweep tries it again.
    identity : function(cell) -> dict, optional
        As `key_of` takes it.
    scheduler, workers, threads
        As `connect` takes them. A worker runs a cell on `threads` threads, whatever the machine
        has; a worker that runs several cells at once has that many times as many.
    on_outcome : function(outcome, done, total, kept), optional
        Called for each cell, `kept` for those that were finished before.
    client : distributed.Client, optional
        One to use instead of connecting.

    Raises
    ------
    ValueError
        For equal cells, or a kept file that is no such cell.
    ConnectionError
        Where the scheduler is lost; finished cells are kept.
    """
    threads = check_size(threads, "threads")
    keys = [key_of(cell, identity and identity(cell)) for cell in cells]
    if len(set(keys)) < len(keys):
        twice = next(c for k, c in zip(keys, cells, strict=True) if keys.count(k) > 1)
        raise expected("cells", "each once", f"{name_of(twice)} twice")
    store, outcomes = Store(folder), {}

    def add(key, outcome, kept=False):
        outcomes[key] = outcome
        if on_outcome is not None:
            on_outcome(outcome, len(outcomes), len(cells), kept)

    missing = {}
    for key, cell in zip(keys, cells, strict=True):
        found = store.get(key, cell)
        if found is None:
            missing[key] = cell
        else:
            add(key, found, kept=True)
    if missing:
        connection = connect(scheduler, workers, threads) if client is None else None
        with connection or contextlib.nullcontext(client) as client:
            for key, outcome in _compute(client, task, missing, threads):
                if outcome.error is None:
                    store.keep(key, outcome)
                add(key, outcome)
    return [outcomes[key] for key in keys]


def _compute(client, task, missing, threads):
    """Yield (key, outcome) of each missing cell as it is finished or fails.

    Dask blames a lost worker on every task that it was given, so a cell blamed for it is tried
    again on its own: only the one that ends its worker again has failed.
    """
    from distributed import KilledWorker

    blamed = {}
    for key, result, error in _run_all(client, task, missing, threads):
        if isinstance(error, KilledWorker):
            blamed[key] = missing[key]
        else:
            yield key, _outcome(missing[key], result, error)
    for key, cell in blamed.items():
        for _, result, error in _run_all(client, task, {key: cell}, threads):
            yield key, _outcome(cell, result, error)


def _outcome(cell, result, error):
    if error is not None:
        return Outcome(cell, None, _one_line(error), 0.0)
    values, seconds = result
    return Outcome(cell, values, None, seconds)


def _run_all(client, task, cells, threads):
    """Yield (key, (result, seconds), None) or (key, None, error) of cells in the order they end."""
    from distributed import CancelledError, as_completed
    from distributed.comm import CommClosedError

    token = uuid.uuid4().hex[:12]  # a key of Dask's belongs to one sweep
    futures = {
        client.submit(run_cell, task, cell, threads, key=f"bnn-ref-{token}-{key}"): key
        for key, cell in cells.items()
    }
    try:
        completed = as_completed(futures, loop=client.loop)
        for future in completed:
            key = futures[future]
            if future.status in ("pending", "lost"):  # its worker died with the result
                completed.add(future)
                continue
            try:
                result = future.result()
            except (CancelledError, CommClosedError):
                raise ConnectionError(
                    "sweep: expected an answer from the scheduler, found it gone (finished cells "
                    "are kept: start the sweep again)"
                ) from None
            except Exception as error:  # the task's own, whatever it is
                yield key, None, error
            else:
                yield key, result, None
    finally:
        with contextlib.suppress(Exception):  # a lost scheduler has nothing left to cancel
            client.cancel(list(futures))


def _one_line(error):
    return f"{type(error).__name__}: " + " ".join(str(error).split())[:300]


def table(outcomes):
    """Return (names, rows) of a tidy table: a cell a row; its settings, its results, its error.

    Parameters
    ----------
    outcomes : list of Outcome
    """
    names = {}
    for outcome in outcomes:
        names |= dict.fromkeys(outcome.cell)
    settings = list(names)
    for outcome in outcomes:
        names |= dict.fromkeys(outcome.result or ())
    names = [*settings, *(name for name in names if name not in settings), "error"]
    rows = []
    for cell, result, error, _ in outcomes:
        values = {**cell, **(result or {}), "error": error}
        rows.append([values.get(name) for name in names])
    return names, rows


def write_table(path, outcomes):
    """Write the `table` as CSV, the file whole or not at all; floats keep every bit.

    Parameters
    ----------
    path : str or path
    outcomes : list of Outcome
        As for `table`.
    """
    text = io.StringIO()
    names, rows = table(outcomes)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if value is None else cell_text(value) for value in row])
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def cell_text(value):
    """Return a table's entry: a list as 128x128, anything else as it is.

    Parameters
    ----------
    value : str, number, list or None
    """
    return "x".join(str(one) for one in value) if isinstance(value, list) else value
