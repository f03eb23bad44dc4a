"""On a real `dask.distributed` cluster of two worker processes, one of them killed on the way."""

import contextlib
import os
import signal
import threading
import time

import numpy as np
import pytest

pytest.importorskip("distributed", reason="dask[distributed] is not installed")

from distributed import Client, LocalCluster

from bnn_ref.sweep import sweep

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Sending large graph:UserWarning"),
]


@contextlib.contextmanager
def two_workers():
    """Yield a client of two single-threaded worker processes."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        yield client


@pytest.fixture
def own_client():
    """A client of workers and a scheduler for one test alone, which changes the scheduler too."""
    with two_workers() as client:
        yield client


@pytest.fixture(scope="module")
def shared_client():
    """The client that `client` hands on."""
    with two_workers() as client:
        yield client


@pytest.fixture
def client(shared_client):
    """A client of two workers that serve every test: one that a test killed is started anew."""
    shared_client.wait_for_workers(2, timeout=60)
    return shared_client


class KillAWorker(threading.Thread):
    """Kills one worker process with -9 once a folder holds that many files."""

    def __init__(self, client, folder, files):
        super().__init__(daemon=True)
        self.client, self.folder, self.files = client, folder, files
        self.killed = None
        self.start()

    def run(self):
        deadline = time.monotonic() + 200
        pid = min(self.client.run(os.getpid).values())
        while len(list(self.folder.iterdir())) < self.files and time.monotonic() < deadline:
            time.sleep(0.01)
        self.after = len(list(self.folder.iterdir()))
        os.kill(pid, signal.SIGKILL)
        self.killed = pid


def make_search(folder, rates):
    """Return a search of rates and sizes over 3 folds, whose every score leaves a file."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from bnn_ref.sklearn import FlipoutClassifier

    def score(model, x, y):
        import tempfile

        handle, _ = tempfile.mkstemp(dir=folder)
        os.close(handle)
        return float(np.mean(model.predict(x) == y))

    model = FlipoutClassifier(backend="numpy", max_iter=40, draws=10, random_state=3)
    grid = {
        "flipoutclassifier__learning_rate": rates,
        "flipoutclassifier__hidden_layer_sizes": [(5,), (20,)],
    }
    return GridSearchCV(make_pipeline(StandardScaler(), model), grid, cv=3, scoring=score)


def search_here_and_there(folder, rates, client=None, kill_after=None):
    """Search on the cluster and here, hold one against the other; return how many fits it took."""
    import joblib
    from sklearn.datasets import load_iris

    folders = [folder / "here", folder / "cluster"]
    for one in folders:
        one.mkdir()
    x, y = load_iris(return_X_y=True)
    here = make_search(str(folders[0]), rates).fit(x, y)
    killer = KillAWorker(client, folders[1], kill_after) if kill_after else None
    with joblib.parallel_config(backend="dask"):
        there = make_search(str(folders[1]), rates).fit(x, y)
    assert len(list(folders[0].iterdir())) == 6 * len(rates)
    assert there.best_score_ == here.best_score_
    assert there.best_params_ == here.best_params_
    np.testing.assert_array_equal(
        there.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(there.predict_proba(x), here.predict_proba(x))
    if killer is not None:
        assert killer.killed is not None
        assert killer.after < 6 * len(rates)
    return len(list(folders[1].iterdir()))


@pytest.mark.filterwarnings("ignore:training has not settled")
def test_a_grid_search_is_the_same_on_the_cluster(client, tmp_path):
    assert search_here_and_there(tmp_path, [0.003, 0.1]) == 12


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:training has not settled")
def test_a_grid_search_of_24_fits_is_the_same_where_a_worker_is_killed(own_client, tmp_path):
    rates = [0.003, 0.01, 0.03, 0.1]
    assert search_here_and_there(tmp_path, rates, own_client, kill_after=8) >= 24


def make_task(folder):
    """Return a task that notes where it ran and how many threads it was given."""

    def task(cell, threads):
        import tempfile

        handle, _ = tempfile.mkstemp(dir=folder)
        os.close(handle)
        time.sleep(0.1)
        from threadpoolctl import threadpool_info

        counts = [pool["num_threads"] for pool in threadpool_info()]
        return {"square": cell["n"] ** 2, "threads": threads, "blas": max(counts, default=threads)}

    return task


def test_a_sweep_loses_nothing_with_a_worker(client, tmp_path):
    pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
    (tmp_path / "ran").mkdir()
    cells = [{"n": n} for n in range(30)]
    killer = KillAWorker(client, tmp_path / "ran", 6)
    outcomes = sweep(make_task(str(tmp_path / "ran")), cells, tmp_path / "out", client=client)
    killer.join(60)
    assert killer.killed is not None
    assert killer.after < 30
    assert [one.error for one in outcomes] == [None] * 30
    assert [one.result["square"] for one in outcomes] == [n**2 for n in range(30)]
    assert len(list((tmp_path / "out" / "cells").iterdir())) == 30


@pytest.mark.slow  # quickly a sweep that loses a worker stands for it
def test_a_cell_that_kills_its_worker_is_reported(own_client, tmp_path):
    def task(cell, threads):
        if cell["n"] == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"n": cell["n"]}

    own_client.cluster.scheduler.allowed_failures = 1  # of 3: each death starts a process anew
    outcomes = sweep(task, [{"n": n} for n in range(4)], tmp_path, client=own_client)
    assert [one.result for one in outcomes] == [{"n": 0}, {"n": 1}, None, {"n": 3}]
    assert outcomes[2].error.startswith("KilledWorker: ")


def test_a_worker_runs_with_the_threads_it_was_given(client, tmp_path):
    pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
    (tmp_path / "ran").mkdir()
    cells = [{"n": n} for n in range(2)]
    for threads in (1, 2):
        outcomes = sweep(make_task(str(tmp_path / "ran")), cells, client=client, threads=threads)
        assert [one.result["threads"] for one in outcomes] == [threads] * 2
        assert {one.result["blas"] for one in outcomes} == {threads}


def test_the_scheduler_of_a_cluster_is_found_by_its_address(client, tmp_path):
    address = client.scheduler.address
    outcomes = sweep(len_of_name, [{"name": "abc"}], tmp_path, scheduler=address)
    assert outcomes[0].result == {"length": 3}


len_of_name = eval("lambda cell, threads: {'length': len(cell['name'])}", {})  # by value


def test_an_example_of_the_documentation_predicts_a_dask_array_in_parallel(request, volume):
    """The code of docs/large-tables.md as it stands there: on threads, and slowly on a cluster."""
    client = request.getfixturevalue("client") if volume(False, True) else None
    import re
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "large-tables.md").read_text("utf-8")
    for code in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(compile(code, "docs/large-tables.md", "exec"), {"__name__": "docs", "client": client})
