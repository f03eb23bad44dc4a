"""The sweep: its grid, its kept cells, kill -9 half-way, failing cells, table and plot."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from command import call

pytest.importorskip("distributed", reason="dask[distributed] is not installed")

from bnn_ref.storage.jsonfile import write_json
from bnn_ref.sweep import Outcome, Store, grid, key_of, plain, sweep, table, write_table

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.* deprecated - use .*:DeprecationWarning"),
]
GRID = ("learning_rate=0.003,0.01", "layers=5,6x4", "seed=0-1", "steps=60", "backend=numpy",
        "draws=3")  # fmt: skip


def start(out, *words):
    """Start the command in a process of its own."""
    command = [sys.executable, "-m", "bnn_ref", "sweep", "--out", str(out), "--workers", "1"]
    return subprocess.Popen(
        [*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def kept(out):
    """Return name to time of change of every kept cell."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")}


@pytest.mark.slow  # quickly the cluster's kills stand for it
def test_a_killed_sweep_computes_only_what_is_missing(tmp_path):
    whole = start(tmp_path / "whole", *GRID)
    assert whole.wait(200) == 0, whole.stderr.read()
    whole.communicate()
    killed = start(tmp_path / "killed", *GRID)
    deadline = time.monotonic() + 200
    while (not (tmp_path / "killed" / "cells").exists() or len(kept(tmp_path / "killed")) < 3
           ) and time.monotonic() < deadline:  # fmt: skip
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    before = kept(tmp_path / "killed")
    assert 3 <= len(before) < 8
    again = start(tmp_path / "killed", *GRID)
    out, err = again.communicate(timeout=200)
    assert again.returncode == 0, err
    after = kept(tmp_path / "killed")
    assert len(after) == 8
    assert {name: after[name] for name in before} == before
    assert out.count(", kept\n") == len(before)
    tables = [(tmp_path / name / "table.csv").read_bytes() for name in ("whole", "killed")]
    assert tables[0] == tables[1]


def test_a_failing_cell_is_reported_and_stops_no_other(tmp_path, capsys):
    words = ["sweep", "--out", tmp_path, "--workers", "1", "estimator=flipout,none", "steps=5",
             "layers=4", "backend=numpy", "draws=2"]  # fmt: skip
    found = call(capsys, *words)
    assert found.code == 1
    assert "failed: ValueError: estimator: expected one of flipout" in found.err
    assert "1 of 2 cells failed" in found.err
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["estimator"] for row in rows] == ["flipout", "none"]
    assert float(rows[0]["heldout_nats"]) < 0
    assert rows[0]["error"] == ""
    assert rows[1]["heldout_nats"] == ""
    assert rows[1]["error"].startswith("ValueError: estimator")
    assert len(kept(tmp_path)) == 1
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_other_data_are_other_cells(tmp_path, capsys, scheduler):
    path = tmp_path / "rows.csv"
    words = ["sweep", "--out", tmp_path / "out", "--scheduler", scheduler, "--data", path,
             "--target", "y", "steps=5", "layers=4", "backend=numpy", "draws=2",
             "split=0-1"]  # fmt: skip
    for slope in (1, 2):
        path.write_text("x,y\n" + "".join(f"{n}.5,{slope * n}.5\n" for n in range(30)))
        found = call(capsys, *words)
        assert found.code == 0, found.err
        assert len(kept(tmp_path / "out")) == 2 * slope
    assert call(capsys, *words).out.count(", kept\n") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["units=3"], "setting: expected NAME=VALUES of network, layers"),
        (["layers"], "setting: expected NAME=VALUES"),
        (["layers=3", "layers=4"], "setting layers: expected once, found twice"),
        (["steps=ten"], "setting steps: expected a number, found 'ten'"),
        (["layers=3xq"], "setting layers: expected sizes like 128x128, found '3xq'"),
        (["seed=4-1"], "setting seed: expected a number"),
        (["steps=3", "epochs=2"], "settings steps and epochs: expected one of the two"),
        (["seed=1,1", "steps=1"], "cells: expected each once"),
        (["--data", "nowhere"], "nowhere"),
        (
            ["--threads", "0"],
            "threads: expected a whole number, at least 1 and at most 1024, found 0",
        ),
        (["--threads", "100000"], "threads: expected a whole number, at least 1 and at most 1024"),
        (["--workers", "0"], "workers: expected a whole number, at least 1 and at most 1024"),
        (["--workers", "100000"], "at least 1 and at most 1024, found 100000"),
    ],
)
def test_bad_requests_are_one_line(tmp_path, capsys, words, message):
    found = call(capsys, "sweep", "--out", tmp_path / "out", *words)
    assert found.code == 2
    assert message in found.err
    assert len(found.err.splitlines()) == 1


def test_a_grid_is_every_combination():
    assert grid({"a": [1, 2], "b": ["x"]}) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]
    assert grid({}) == [{}]


def test_a_key_is_of_the_settings_whatever_their_order():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
    assert key_of({"a": 1}, {"checksum": 1}) != key_of({"a": 1}, {"checksum": 2})


def test_kept_cells_need_no_scheduler(tmp_path):
    cells, store = [{"n": 1}, {"n": 2}], Store(tmp_path)
    for cell in cells:
        store.keep(key_of(cell), Outcome(cell, {"score": 0.1 + cell["n"]}, None, 1.0))
    outcomes = sweep(None, cells, tmp_path, scheduler="tcp://127.0.0.1:1")
    assert [one.result["score"] for one in outcomes] == [1.1, 2.1]


SPOILED = {
    "empty": "{}",
    "half": "half a fi",
    "of another cell": {"cell": {"n": 2}, "result": {"score": 1.0}, "seconds": 1.0},
    "a list for a number": {"cell": {"n": 1}, "result": {"score": [1]}, "seconds": 1.0},
    "unsigned": json.dumps({"cell": {"n": 1}, "result": {"score": 9.0}, "seconds": 1.0}),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_file_that_is_not_the_cell_is_computed_anew_with_a_line(tmp_path, name):
    cell, store = {"n": 1}, Store(tmp_path)
    path = store.cells / f"{key_of(cell)}.json"
    if isinstance(SPOILED[name], str):
        path.write_text(SPOILED[name])
    else:
        write_json(path, SPOILED[name])
    with pytest.warns(UserWarning, match=f"{path.name}: computed anew"):
        assert store.get(key_of(cell), cell) is None
    store.keep(key_of(cell), Outcome(cell, {"score": 1.5}, None, 1.0))
    assert store.get(key_of(cell), cell).result == {"score": 1.5}


def test_case_54_flipped_test_labels_are_other_cells(tmp_path, capsys, scheduler):
    np = pytest.importorskip("numpy")
    path, rng = tmp_path / "d.npz", np.random.default_rng(54)
    x, x_test = rng.normal(size=(60, 2)), rng.normal(size=(40, 2))
    words = ["sweep", "--out", tmp_path / "out", "--scheduler", scheduler, "--data", path,
             "steps=40", "layers=6", "backend=numpy", "draws=2", "learning_rate=0.1"]  # fmt: skip
    scores = []
    for flip in (0, 1, 0):
        labels = ((x_test[:, 0] > 0) + flip) % 2
        np.savez(path, x_train=x, y_train=(x[:, 0] > 0) * 1, x_test=x_test, y_test=labels)
        found = call(capsys, *words)
        assert found.code == 0, found.err
        with open(tmp_path / "out" / "table.csv", newline="") as file:
            scores.append(float(next(csv.DictReader(file))["test_accuracy"]))
    assert scores[0] > 0.6
    assert scores[1] == pytest.approx(1 - scores[0])
    assert scores[2] == scores[0]
    assert ": kept\n" in found.out
    assert len(kept(tmp_path / "out")) == 2


def test_a_key_is_of_the_versions_that_compute(monkeypatch):
    from bnn_ref.sweep import cells

    before = key_of({"n": 1})
    for package in ("numpy", "numba", "scipy"):
        monkeypatch.setattr(cells, "version_of", lambda name, p=package: "9" if name == p else "1")
        assert key_of({"n": 1}) != before
    monkeypatch.undo()
    assert key_of({"n": 1}) == before
    monkeypatch.setattr(cells, "__version__", "9")
    assert key_of({"n": 1}) != before


def test_case_59_where_every_cell_failed_there_is_no_plot(tmp_path, capsys, scheduler):
    found = call(capsys, "sweep", "--out", tmp_path, "--scheduler", scheduler,
                 "estimator=none,other", "steps=5", "layers=4", "backend=numpy",
                 "draws=2")  # fmt: skip
    assert found.code == 1
    assert "2 of 2 cells failed" in found.err
    assert (tmp_path / "table.csv").exists()
    assert not (tmp_path / "plot.png").exists()
    assert "plot" not in found.out


def test_one_sweep_at_a_time_writes_to_a_folder(tmp_path, capsys):
    from bnn_ref.storage.lock import sole_writer

    with sole_writer(tmp_path / "out"):
        found = call(capsys, "sweep", "--out", tmp_path / "out", "steps=1", "backend=numpy")
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert "another process at work in it" in found.err


def test_a_table_is_tidy_and_keeps_every_bit(tmp_path):
    outcomes = [
        Outcome({"layers": [3, 4], "seed": 0}, {"score": 0.1 + 0.2, "other": None}, None, 1.0),
        Outcome({"layers": [], "seed": 1}, None, "ValueError: no, never", 0.0),
    ]
    assert table(outcomes)[0] == ["layers", "seed", "score", "other", "error"]
    write_table(tmp_path / "table.csv", outcomes)
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1] == ["3x4", "0", "0.30000000000000004", "", ""]
    assert rows[2] == ["", "1", "", "", "ValueError: no, never"]


def test_results_are_plain():
    np = pytest.importorskip("numpy")
    assert plain({"a": np.float32(0.5), "b": float("nan"), "c": np.int64(3)}) == {
        "a": 0.5, "b": None, "c": 3,
    }  # fmt: skip
