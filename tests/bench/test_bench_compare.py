"""Results on disk, and the comparison of two runs with its exit code."""

import json

import numpy as np
import pytest

pytest.importorskip("bench", reason="the bench is not in this checkout")

from bench import cli, results, summary
from bench.benches import growth
from bench.cli import main
from bench.comparison import timed
from bench.crew import Cell
from bench.results import cell_to_json
from bench.tables import Table, seconds


def run_of(scale=1.0, machine=1.0, seed=0, processes=12, noise=0.03, bits=512):
    """Return the document of a made-up run: ours `scale` times as slow, all `machine` times."""
    rng = np.random.default_rng(seed)

    def samples(time):
        luck = np.exp(noise * rng.standard_normal((processes, 1)))
        return (machine * time * luck * np.exp(0.01 * rng.standard_normal((processes, 3)))).tolist()

    times = {"ours_numba": 1.3e-3 * scale, "jax_jit": 4.2e-3, "blas": 1e-3,
             "again:ours_numba": 1.3e-3 * scale}  # fmt: skip
    cells = [
        cell_to_json(Cell("784-128-128-10/128", name, processes=samples(time), steps=70))
        for name, time in times.items()
    ]
    return {
        "format": results.FORMAT,
        "version": results.VERSION,
        "command": ["python", "-m", "bench", "step"],
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "machine": {"cpu_model_name": "a processor", "vector_bits": bits},
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


def test_a_planted_twentieth_is_found_among_forty_processes(write):
    old, new = (run_of(processes=40, seed=seed, scale=1 + 0.05 * seed) for seed in (0, 1))
    assert main(["compare", write("old.json", old), write("new.json", new)]) == 1


def test_by_the_clock_a_slower_machine_fails(write):
    paths = write("old.json", run_of()), write("new.json", run_of(seed=1, machine=1.5))
    assert main(["compare", *paths, "--absolute"]) == 1


def test_noise_is_told_from_a_change(write, capsys):
    paths = [write(f"{seed}.json", run_of(seed=seed, noise=1.0)) for seed in (4, 5)]
    assert main(["compare", *paths]) == 4
    assert "too noisy to tell" in capsys.readouterr().out


def test_few_processes_give_no_verdict(write, capsys):
    old, new = (run_of(scale=scale, processes=3) for scale in (1, 2))
    assert main(["compare", write("old.json", old), write("new.json", new)]) == 4
    assert "no verdict: 3 and 3 processes are too few" in capsys.readouterr().out


def test_vectors_of_different_widths_are_refused_or_named(write, capsys):
    paths = write("old.json", run_of()), write("new.json", run_of(seed=1, bits=256))
    assert main(["compare", *paths]) == 2
    assert "vectors of 512 bits before, of 256 now" in capsys.readouterr().err
    assert main(["compare", *paths, "--any-machine"]) == 0
    assert "what differs may be the processors" in capsys.readouterr().out


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
    document["benches"]["step"]["cells"][0]["processes"][1][2] = -1.0


def _contender(document):
    document["contenders"]["jax_jit"] = {"title": 3, "versions": {}, "absent": None}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda document: document.update(format="else"), "expected format 'bnn-ref-bench'"),
        (lambda document: document.update(version=3), "expected version 2, found 3"),
        (lambda document: document.update(version=1), "expected results of version 1"),
        (_drop, "results: expected the key 'noise', found none"),
        (_sample, "cells[0].processes[1][2]: expected above 0, found -1.0"),
        (_contender, "contenders.jax_jit.title: expected string, found 3"),
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


def test_others_may_read_a_run_as_they_may_any_new_file(tmp_path):
    results.write(run_of(), tmp_path / "run.json")
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "run.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


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


def _cell(name, time, processes=12, workload="784-128-128-10/128", noise=0.01, seed=0):
    luck = np.exp(noise * np.random.default_rng(seed).standard_normal((processes, 1)))
    return cell_to_json(Cell(workload, name, processes=(time * luck).tolist()))


def test_the_summary_marks_what_is_lost_and_what_is_not_shown(tmp_path, capsys):
    document = run_of()
    document["benches"]["step"]["cells"] = [
        _cell("ours_numba", 1.0),
        _cell("jax_jit", 0.5, seed=1),
        _cell("tfp", 1.0, seed=2),
        _cell("mine.py:Mine", 2.0, seed=3),
        _cell("ours_numba", 1.0, workload="4-2/3"),
        _cell("jax_jit", 3.0, workload="4-2/3", seed=4),
        _cell("tfp", 1.0, workload="4-2/3", noise=1, seed=5),
    ]
    document["contenders"]["mine.py:Mine"] = {"title": "Mine", "versions": {}, "absent": None}
    other = run_of(bits=256)
    other["machine"]["cpu_model_name"] = "another"
    other["benches"]["step"]["cells"] = [_cell("ours_numba", 2.0, 1), _cell("jax_jit", 3.0, 1)]
    for name, one in (("run", document), ("other", other)):
        results.write(one, tmp_path / f"{name}.json")
    assert main(["summary", str(tmp_path / "run.json"), str(tmp_path / "other.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Lost (times of others over ours): step 784-128-128-10/128 on a "
                               "processor, AVX-512: JAX, jit 0.")  # fmt: skip
    header = "| a training step | machine | bnn_ref, Numba | JAX, jit | TFP, tf.function | Mine |"
    assert lines[2] == header
    row = "| 784-128-128-10/128 | a processor, AVX-512 | 1.00 s | **0.50** | (1.00) | 2.00 |"
    assert lines[4].startswith(row[:70])
    assert "**0.50**" in lines[4] or "**0.49**" in lines[4]
    assert "| (1.0" in lines[4] or "| (0.9" in lines[4]
    assert "| another, AVX2 | " in lines[5]
    assert lines[5].endswith(" | 1.50? |  |  |")
    assert "?)" in lines[6]
    assert lines[-1] == "Contenders of somebody's own: Mine."
    assert main(["summary", str(tmp_path / "absent.json")]) == 2


def test_two_lines_name_losses_first(tmp_path, capsys):
    results.write(run_of(noise=0.01), tmp_path / "run.json")
    assert main(["summary", "--lines", str(tmp_path / "run.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Lost (times of others over ours): no row that could be judged."
    assert lines[1].startswith("A training step of 784-128-128-10/128 on a processor, AVX-512: 1.")
    assert "JAX, jit 3.2" in lines[1]
    assert summary.is_best("jax_jit")
    assert not summary.is_best("torch_eager")  # what a person would write first
    assert summary.is_best("mine.py:Mine")


def test_a_benchs_page_begins_with_its_title_and_picture():
    first, second = (Table(title, ["a"], [["1"]], []) for title in ("step: one", "step: bound"))
    lines = cli.page("step", [first, second], plotted=True).splitlines()
    assert lines[0] == "# step: one"
    assert lines[2].startswith("![step: one")
    assert lines[2].endswith("](step.png)")
    assert [line for line in lines if line.startswith("#")] == ["# step: one", "## step: bound"]
    assert "step.png" not in cli.page("step", [first], plotted=False)


def test_the_schema_says_what_jsonschema_says():
    validator = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    from bench.schema import complaint, schema

    validator.Draft202012Validator.check_schema(schema())
    check = validator.Draft202012Validator(schema())
    for change in (lambda document: None, _drop, _sample, _contender,
                   lambda document: document.update(seconds=-1),
                   lambda document: document["settings"]["step"].update(threads=0),
                   lambda document: document["benches"]["step"]["cells"][0].update(refusal=3),
                   lambda document: document["settings"]["step"].update(dtype="int8")):  # fmt: skip
        document = run_of()
        change(document)
        assert (complaint(document, schema()) is None) == check.is_valid(document)


def test_results_of_version_1_are_one_process_and_no_verdict(tmp_path, capsys):
    document = run_of()
    cell = {"workload": "784-128-128-10/128", "steps": 9, "first_seconds": 1.0, "refusal": None,
            "seen": {}, "kind": ""}  # fmt: skip
    document.update(version=1)
    document["machine"] = {"cpu_model_name": "old", "blas": ["openblas 0.3 (SkylakeX)"]}
    document["benches"]["step"] = {"yardsticks": [{"fma": 1.0, "bandwidth": 2.0}], "cells": [
        {**cell, "contender": "ours_numba", "samples": [1.0, 1.1, 1.2]},
        {**cell, "contender": "jax_jit", "samples": [2.0, 2.2, 2.4]},
        {**cell, "contender": "tfp", "samples": [0.5, 0.6, 0.4]},
        {**cell, "contender": "floor", "samples": [0.5, 0.5, 0.5]}]}  # fmt: skip
    (tmp_path / "old.json").write_text(json.dumps(document))
    found = results.read(tmp_path / "old.json")
    assert found["machine"]["vector_bits"] == 512
    assert [one["processes"] for one in found["benches"]["step"]["cells"]] == [
        [[1.0, 1.1, 1.2]], [[2.0, 2.2, 2.4]], [[0.5, 0.6, 0.4]]]  # fmt: skip
    assert main(["summary", str(tmp_path / "old.json")]) == 0
    printed = capsys.readouterr().out
    assert "| old, AVX-512 | 1.10 s | 2.00? | 0.45? |" in printed
    assert (
        "too few processes for a verdict: step 784-128-128-10/128 on old, AVX-512: TFP" in printed
    )


def test_a_run_goes_to_pyperf_and_back(tmp_path, write):
    pyperf = pytest.importorskip("pyperf", reason="pyperf is not installed")
    document = run_of()
    target = tmp_path / "pyperf.json"
    assert main(["export", write("run.json", document), str(target)]) == 0
    suite = pyperf.BenchmarkSuite.load(str(target))
    name = "step 784-128-128-10/128 jax_jit"
    assert len(suite.get_benchmark(name).get_runs()) == 12
    wanted = np.ravel(document["benches"]["step"]["cells"][1]["processes"])
    assert suite.get_benchmark(name).get_values() == pytest.approx(wanted)


def test_results_keep_no_folder_of_the_person_who_measured():
    from bench.cli import without_folders

    words = ["step", "--json", "/home/a/x.json", "--out=/home/a/out", "--data", "mnist/here"]
    kept = ["step", "--json", "x.json", "--out=out", "--data", "mnist/here"]
    assert list(map(without_folders, words)) == kept


def test_a_summary_of_a_run_without_times_says_its_machine_alone(tmp_path, capsys):
    words = ["memory", "--contenders", "ours_numpy", "--workloads", "3-2/4", "--threads", "1"]
    assert main([*words, "--json", str(tmp_path / "run.json")]) == 0
    capsys.readouterr()
    assert main(["summary", str(tmp_path / "run.json")]) == 0
    found = capsys.readouterr().out
    assert "1 threads for everyone" in found
    assert "processes a contender" not in found


@pytest.mark.parametrize("names", [("ours_numba", "jax_jit"), ("jax_jit",)])
def test_growth_draws_a_peers_time_over_ours_below_the_times(names, monkeypatch, tmp_path):
    """JAX takes 2 and 3 times ours at two widths; without ours there is nothing to compare with."""
    times = {"ours_numba": (0.001, 0.004), "jax_jit": (0.002, 0.012)}
    workloads = ("784-32-32-10/128", "784-128-128-10/128")
    cells = [cell_to_json(Cell(workload, name, processes=[[times[name][k]]] * 12))
             for k, workload in enumerate(workloads) for name in names]  # fmt: skip
    drawn = []
    monkeypatch.setattr(growth.plots, "save", lambda figure, path: drawn.append(figure))
    growth.plot({"cells": cells}, tmp_path / "growth.png")
    above, below = drawn[0].axes[0], drawn[0].axes[3]
    assert len(above.containers) == len(names)
    ratios = [list(bars.lines[0].get_ydata()) for bars in below.containers]
    assert ratios == ([pytest.approx([2, 3])] if len(names) == 2 else [])


def test_a_cell_has_times_where_a_process_left_samples():
    cell = {"refusal": None, "processes": [[], [0.5]]}
    assert timed(cell)
    assert not timed({**cell, "processes": [[]]})
    assert not timed({**cell, "refusal": "a wrong loss"})


@pytest.mark.parametrize(("counts", "said"), [((3, 2), "2 to 3;"), ((3, 3), "3;")])
def test_a_summary_says_the_fewest_and_the_most_processes(counts, said):
    document = run_of(processes=counts[0])
    document["benches"]["step"]["cells"] += run_of(processes=counts[1])["benches"]["step"]["cells"]
    assert f"processes a contender: {said}" in summary.machine_line(document)
