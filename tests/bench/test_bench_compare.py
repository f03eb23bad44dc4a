"""Results on disk, and the comparison of two runs with its exit code."""

import json

import numpy as np
import pytest

pytest.importorskip("bench", reason="the bench is not in this checkout")

from bench import results
from bench.cli import main
from bench.crew import Cell
from bench.results import cell_to_json
from bench.tables import Table, seconds


def run_of(scale=1.0, machine=1.0, seed=0, rounds=15, noise=0.03):
    """Return the document of a made-up run: ours `scale` times as slow, all `machine` times."""
    rng = np.random.default_rng(seed)

    def samples(time):
        return list(machine * time * np.exp(noise * rng.standard_normal(rounds)))

    times = {"ours_numba": 1.3e-3 * scale, "jax_jit": 4.2e-3, "floor": 1e-3}
    cells = [
        cell_to_json(Cell("784-128-128-10/128", name, samples=samples(time), steps=70))
        for name, time in times.items()
    ]
    return {
        "format": results.FORMAT,
        "version": results.VERSION,
        "command": ["python", "-m", "bench", "step"],
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "machine": {"cpu_model_name": "a processor"},
        "settings": {"step": {"dtype": "float32", "threads": 2}},
        "contenders": {},
        "noise": {"step": {"words": "quiet machine"}},
        "benches": {"step": {"cells": cells}},
    }


@pytest.fixture
def write(tmp_path):
    def one(name, document):
        results.write(document, tmp_path / name)
        return str(tmp_path / name)

    return one


def test_a_document_comes_back_as_it_was(write):
    document = run_of()
    assert results.read(write("a.json", document)) == document


def test_repeated_run_passes_and_a_slower_machine_too(write, capsys):
    old = write("old.json", run_of())
    assert main(["compare", old, write("new.json", run_of(seed=1))]) == 0
    assert main(["compare", old, write("other.json", run_of(seed=2, machine=1.5))]) == 0
    assert "as before" in capsys.readouterr().out


def test_run_made_slower_by_a_fifth_fails(write, capsys):
    paths = write("old.json", run_of()), write("new.json", run_of(scale=1.2, seed=1))
    assert main(["compare", *paths]) == 1
    assert "SLOWER" in capsys.readouterr().out
    assert main(["compare", *paths, "--fail-above", "1.5"]) == 0


def test_by_the_clock_a_slower_machine_fails(write):
    paths = write("old.json", run_of()), write("new.json", run_of(seed=1, machine=1.5))
    assert main(["compare", *paths, "--absolute"]) == 1


def test_noise_is_told_from_a_change(write, capsys):
    paths = [
        write(f"{seed}.json", run_of(seed=seed, noise=1.0, rounds=7, scale=1 + 0.1 * seed))
        for seed in (4, 5)
    ]
    assert main(["compare", *paths]) == 0
    assert "too noisy to tell" in capsys.readouterr().out


def test_other_settings_are_named(write, capsys):
    new = run_of(seed=1)
    new["settings"]["step"]["threads"] = 1
    assert main(["compare", write("old.json", run_of()), write("new.json", new)]) == 0
    assert "threads 2 before, 1 now" in capsys.readouterr().out


def test_a_run_with_nothing_in_common_is_an_error(write, capsys):
    new = run_of()
    new["benches"]["step"]["cells"] = []
    assert main(["compare", write("old.json", run_of()), write("new.json", new)]) == 2
    assert "no cell of ours_numba,ours_numpy in common" in capsys.readouterr().err


def _drop(document):
    del document["noise"]


def _sample(document):
    document["benches"]["step"]["cells"][0]["samples"][3] = -1.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda document: document.update(format="else"), "expected format 'bnn-ref-bench'"),
        (lambda document: document.update(version=2), "expected version 1, found 2"),
        (_drop, "missing ['noise']"),
        (_sample, "expected seconds above 0, found -1.0"),
    ],
)
def test_foreign_results_are_refused(tmp_path, capsys, change, says):
    document = run_of()
    change(document)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(document))
    assert main(["compare", str(path), str(path)]) == 2
    assert says in capsys.readouterr().err


def test_what_is_no_json_is_refused(tmp_path, capsys):
    path = tmp_path / "bad.json"
    path.write_text("<html>")
    assert main(["compare", str(path), str(path)]) == 2
    assert "expected the JSON of a bench" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "absent"), str(path)]) == 2


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "run.json"
    results.write(run_of(), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="Out of range float"):
        results.write({"value": float("nan")}, path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["run.json"]


def test_tables_align_and_become_markdown():
    table = Table("t", ["a", "b"], [["x", "1.5"], ["yy", "10"]], ["a note"])
    assert table.text().splitlines()[2:] == ["a     b", "--  ---", "x   1.5", "yy   10", "  a note"]
    assert "| :--- | ---: |" in table.markdown()


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.234, "1.23 s"), (0.0456, "45.6 ms"), (1.2e-5, "12.0 µs"), (2e-8, "0.0200 µs")],
)
def test_seconds_have_the_unit_that_suits(value, text):
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--json", "{}/absent/x.json"], "--json: cannot write in"),
        (["--json", "{}"], "--json: expected a file, found the folder"),
        (["--out", "{}/file/x"], "--out: cannot write in"),
    ],
)
def test_a_place_that_takes_no_results_is_told_before_the_minutes(
    tmp_path, capsys, arguments, words
):
    (tmp_path / "file").write_text("no folder")
    arguments = [one.format(tmp_path) for one in arguments]
    assert main(["step", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"bench: {words}")


def test_the_summary_marks_what_is_lost_and_what_is_not_shown(tmp_path, capsys):
    document = run_of(noise=0.01)
    cells = document["benches"]["step"]["cells"]
    cells[0]["samples"] = [1.0, 1.01, 0.99, 1.0, 1.0, 1.02, 0.98]
    cells[1]["samples"] = [0.5, 0.51, 0.49, 0.5, 0.5, 0.52, 0.48]
    cells[2] = {**cells[1], "contender": "tfp", "samples": [1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.0]}
    cells.append({**cells[1], "workload": "4-2/3", "samples": [3.0] * 7})
    cells.append({**cells[0], "workload": "4-2/3"})
    document["settings"]["step"]["threads"] = 2
    results.write(document, tmp_path / "run.json")
    assert main(["summary", str(tmp_path / "run.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| a training step | bnn_ref, Numba | JAX, jit | TFP, tf.function |"
    assert lines[2] == "| 784-128-128-10/128 | 1.00 s | **0.50** | (1.01) |"
    assert lines[3] == "| 4-2/3 | 1.00 s | 3.00 |  |"
    assert lines[-1].startswith("Lost: 784-128-128-10/128, JAX, jit: 0.50 [")
    assert main(["summary", str(tmp_path / "absent.json")]) == 2


def test_results_keep_no_folder_of_the_person_who_measured():
    from bench.cli import without_folders

    words = ["step", "--json", "/home/a/x.json", "--out=/home/a/out", "--data", "mnist/here"]
    kept = ["step", "--json", "x.json", "--out=out", "--data", "mnist/here"]
    assert list(map(without_folders, words)) == kept
