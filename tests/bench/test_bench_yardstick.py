"""What the machine does: the yardstick's threads and rates, the bound, and joules."""

import os
import threading

import numpy as np
import pytest

pytest.importorskip("bench", reason="the bench is not in this checkout")
pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
pytest.importorskip("numba", reason="numba is not installed")

from bench import blas, energy, machine, yardstick
from bench.bounds import below, bounds_of
from bench.workers import Worker
from bench.workloads import parse


@pytest.fixture(scope="module")
def pinned():
    return yardstick.PinnedThreads(min(2, machine.available_cpus()))


def test_each_thread_stays_on_a_processor_of_its_own(pinned):
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system pins no thread")
    before, seen = os.sched_getaffinity(0), {}
    pinned.window(lambda thread, turns: seen.update({thread: os.sched_getaffinity(0)}), 1)
    assert len(seen) == pinned.threads
    assert all(len(one) == 1 for one in seen.values())
    assert len(set.union(*seen.values())) == pinned.threads
    assert os.sched_getaffinity(0) == before  # of this thread


def test_the_best_window_counts(pinned, monkeypatch):
    lengths = iter([0.004, 0.020, 0.030, 0.010, 0.040])
    monkeypatch.setattr(pinned, "window", lambda work, turns: next(lengths))
    assert pinned.best_rate(None) == pytest.approx(16 * 0.020 / 0.004 / 0.010)


def test_no_thread_begins_before_all_have_come(pinned, monkeypatch):
    come, wait = [], pinned.barrier.wait

    def counted():
        come.append(threading.get_ident())
        return wait()

    monkeypatch.setattr(pinned.barrier, "wait", counted)
    begun_with = []
    pinned.window(lambda thread, turns: begun_with.append(len(set(come))), 1)
    assert begun_with == [pinned.threads] * pinned.threads


def test_the_peak_is_at_least_the_rate_of_blas():
    with Worker("blas", "float32", 1) as worker:
        found = [worker.call("yardstick", working_sets=[1 << 20]) for _ in range(3)]
    # of all readings, for on a busy machine one of them may be cut short
    assert max(one["fma"] for one in found) >= max(one["blas"] for one in found) > 1e8
    assert all(1e8 < one["bandwidth"]["1048576"] < 1e13 for one in found)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_copy_copies_with_a_compiler_or_without(compiled, monkeypatch):
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", not compiled)
    copy = yardstick.copy_loop()
    assert (copy is yardstick.copy_plainly) == (not compiled)
    source, target = np.arange(9, dtype=np.float32), np.zeros(9, np.float32)
    copy(1, source, target)
    assert np.array_equal(source, target)


def test_a_peak_below_blas_is_tried_anew_told_and_no_bound(monkeypatch):
    contender = blas.Contender("float32", 1)
    monkeypatch.setattr(contender, "blas_rate", lambda: 1e12)
    rates = iter([1e11] * blas.TRIES + [9e11, 1.1e12])

    class Fma:
        def measure(self):
            return next(rates)

    contender.measures = Fma(), None
    found = [contender.yardstick([]) for _ in range(2)]
    assert [one["fma"] for one in found] == [1e11, 1.1e12]
    words = machine.noise_report({"others": 0.0, "stolen": 0.0}, found)["words"]
    assert "the peak came out below BLAS's rate in 1 of 2 readings" in words
    cells = [_cell("4-3/2", "ours_numba", 1e-3)]
    size = str(parse("4-3/2").adam_working_set())
    for one in found:
        one["bandwidth"] = {size: 1e10}
    assert bounds_of({"cells": cells, "yardsticks": found[:1]}, "float32") == {}
    assert set(bounds_of({"cells": cells, "yardsticks": found}, "float32")) == {"4-3/2"}


def _cell(workload, name, seconds):
    return {"workload": workload, "contender": name, "processes": [[seconds]], "refusal": None}


def test_the_bound_is_the_larger_of_products_and_bytes():
    small, large = "784-128-128-10/1", "784-128-128-10/128"
    size = parse(large).adam_working_set()
    weights = 784 * 128 + 128 * 128 + 128 * 10
    assert size == weights * 2 * 3 * 4  # 2.8 MB, which stay in a cache
    flops = parse(large).flops
    assert flops == 2 * 128 * (2 * weights + 2 * weights + 2 * (weights - 784 * 128))
    found = {
        "yardsticks": [
            {"fma": 1e11, "blas": 9e10, "bandwidth": {str(size): 1e11}},
            {"fma": 2e11, "blas": 9e10, "bandwidth": {str(size): 5e10}},
        ],
        "cells": [_cell(small, "ours_numba", 1e-3), _cell(large, "ours_numba", 1e-3)],
    }
    bounds = bounds_of(found, "float32")
    assert bounds[large].seconds == pytest.approx(flops / 2e11)  # of the best reading
    assert bounds[small].seconds == pytest.approx(2 * size / 1e11)
    assert below(found["cells"], bounds) == []
    found["cells"].append(_cell(large, "jax_jit", flops / 3e11))
    assert below(found["cells"], bounds) == [(large, "jax_jit")]


def test_blas_does_the_products_of_a_step_and_no_others():
    contender = blas.Contender("float64", 1)
    from bench.workloads import make_problem

    problem = make_problem(parse("7-5-3/4"), "float64")
    contender.open(problem)
    shapes = [(a.shape, b.shape) for a, b, _ in contender.products]
    assert sum(2 * m * k * n for (m, k), (_, n) in shapes) == problem.workload.flops
    contender.run(1)
    assert all(np.allclose(a @ b, out) for a, b, out in contender.products)


def test_joules_are_those_of_every_package_and_a_counter_may_wrap(tmp_path):
    for name, value in (("intel-rapl:0", 900), ("intel-rapl:1", 5), ("intel-rapl:0:0", 1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{value}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("999\n")
    meter = energy.Meter(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("100\n")  # over 999 and on
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("45\n")
    assert meter.joules() == pytest.approx((200 + 40) / 1e6)
    assert energy.Meter(tmp_path / "absent").joules() is None


def test_joules_of_a_step_are_noted_and_shown_where_they_are_counted(monkeypatch):
    from bench import crew
    from bench.benches import step

    class Meter:
        def joules(self):
            return 0.6

    monkeypatch.setattr(crew, "Meter", Meter)
    monkeypatch.setattr(crew.Crew, "call", lambda self, cell, method, **asked: 0.5)
    monkeypatch.setattr(crew.Crew, "hop", lambda self, give_up=0.0: None)  # one thread
    one = object.__new__(crew.Crew)
    one.near = None
    cell = crew.Cell("4-3/2", "ours_numpy", [[1.0]], steps=100)
    assert one.time_steps(cell) == pytest.approx(0.005)
    assert cell.seen["joules"] == [pytest.approx(0.6 / 120)]
    table = step.energy_table({"cells": [vars(cell)]})
    assert table.rows == [["4-3/2", "bnn_ref, NumPy", "5"]]
    cell.seen.clear()
    assert step.energy_table({"cells": [vars(cell)]}) is None


def test_what_a_machine_is_is_read_off_it(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text("processor: 0\nflags : fma avx2 sse2\n")
    assert machine.vector_bits(machine.cpu_flags(tmp_path / "cpuinfo")) == 256
    assert machine.vector_bits(["avx512f", "avx2"]) == 512
    assert machine.cpu_flags(tmp_path / "absent") == []
    assert machine.vector_bits([]) is None
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "-avx512f,+avx2,+fma")  # what a run was held to
    assert machine.vector_bits(machine.asked_features()) == 256
    for k, (level, kind, size) in enumerate([("1", "Data", "48K"), ("1", "Instruction", "32K"),
                                             ("2", "Unified", "2048K")]):  # fmt: skip
        folder = tmp_path / "cache" / f"index{k}"
        folder.mkdir(parents=True)
        for name, value in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(value + "\n")
    assert machine.caches(tmp_path / "cache") == {"L1": "48K", "L2": "2048K"}
    library = machine.library()
    assert library["version"]
    assert library["commit"] is None or len(library["commit"]) == 40
