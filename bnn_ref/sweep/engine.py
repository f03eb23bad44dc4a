"""Many fits as tasks on Dask: each finished cell kept at once, so that a killed sweep goes on.

A sweep's table is the same whether it ran through, was killed and started again, or lost workers
on the way.
"""

from __future__ import annotations

import contextlib
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

from ..border import check_size
from ..errors import expected, missing
from ..fast.threads import available_cores
from ..storage.jsonfile import plain
from ..storage.lock import sole_writer
from .cells import Outcome, Store, key_of, name_of
from .scheduler import PATIENCE, find_scheduler, parse_address

MOST = 1024  # threads of a cell, and worker processes started here


def run_cell(
    task: Callable[[dict[str, Any], int], Mapping[str, Any]], cell: dict[str, Any], threads: int
) -> tuple[Any, float]:
    """Run a task's one cell on a worker with that many threads: (result, seconds)."""
    begin = time.perf_counter()
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError):
            from threadpoolctl import threadpool_limits

            stack.enter_context(threadpool_limits(threads))  # of BLAS; workers share the machine
        result = task(cell, threads)
    return plain(result), round(time.perf_counter() - begin, 3)


@contextlib.contextmanager
def connect(
    scheduler: str | None = None, workers: int | None = None, threads: int = 1
) -> Iterator[Any]:
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
    ValueError
        For an address that is none.
    OSError
        Where no scheduler answers at it.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise missing("sweep", "dask[distributed]", "sweep") from None
    if scheduler is not None:
        scheduler = find_scheduler(scheduler)
        with Client(scheduler, timeout=f"{PATIENCE}s", set_as_default=False) as client:
            if not client.scheduler_info()["workers"]:
                warnings.warn(f"scheduler {scheduler}: it has no workers: waiting for one",
                              stacklevel=2)  # fmt: skip
            yield client
        return
    if workers is None:
        workers = max(1, available_cores() // threads)
    with (
        LocalCluster(
            n_workers=check_size(workers, "workers", most=MOST),
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,  # a lost worker is replaced: the outcome tells what came of it
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def sweep(
    task: Callable[[dict[str, Any], int], Mapping[str, Any]],
    cells: Sequence[dict[str, Any]],
    folder: str | PathLike[str] | None = None,
    *,
    identity: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    threads: int = 1,
    on_outcome: Callable[[Outcome, int, int, bool], object] | None = None,
    client: Any = None,
) -> list[Outcome]:
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
        For equal cells, or where another process writes to the folder.
    ConnectionError
        Where the scheduler is lost; finished cells are kept.
    """
    threads = check_size(threads, "threads", most=MOST)
    keys = [key_of(cell, identity and identity(cell)) for cell in cells]
    if len(set(keys)) < len(keys):
        twice = next(c for k, c in zip(keys, cells, strict=True) if keys.count(k) > 1)
        raise expected("cells", "each once", f"{name_of(twice)} twice")
    if scheduler is not None:
        parse_address(scheduler)
    if workers is not None:
        check_size(workers, "workers", most=MOST)
    unfinished = dict(zip(keys, cells, strict=True))
    outcomes = {}

    def add(key, outcome, kept=False):
        outcomes[key] = outcome
        if on_outcome is not None:
            on_outcome(outcome, len(outcomes), len(cells), kept)

    with sole_writer(folder) if folder is not None else contextlib.nullcontext():
        store = Store(folder)
        for key in keys:
            result = store.get(key, unfinished[key])
            if result is not None:
                add(key, result, kept=True)
                del unfinished[key]
        if unfinished:
            connection = connect(scheduler, workers, threads) if client is None else None
            with connection or contextlib.nullcontext(client) as client:
                for key, outcome in _compute(client, task, unfinished, threads):
                    if outcome.error is None:
                        store.keep(key, outcome)
                    add(key, outcome)
    return [outcomes[key] for key in keys]


def _compute(client, task, cells, threads):
    """Yield (key, outcome) of each cell as it is finished or fails.

    Dask blames a lost worker on every task that it was given, so a cell blamed for it is tried
    again on its own: only the one that ends its worker again has failed.
    """
    from distributed import KilledWorker

    blamed = {}
    for key, result, error in _run_all(client, task, cells, threads):
        if isinstance(error, KilledWorker):
            blamed[key] = cells[key]
        else:
            yield key, _outcome(cells[key], result, error)
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
