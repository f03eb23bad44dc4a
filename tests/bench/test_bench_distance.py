"""How far apart two cores are: measured, waited for, told, and steps parted by it."""

import numpy as np
import pytest

from bench import crew, distance, yardstick
from bench.machine import available_cpus
from bench.settings import check_near


def test_a_word_goes_round_all_threads():
    if available_cpus() < 2:
        pytest.skip("one processor has no two cores")
    threads = 2
    hop = yardstick.Hop(yardstick.PinnedThreads(threads))
    assert 1e-9 < hop.measure() < 1e-3  # what any machine takes; on a busy one a time slice
    word = np.zeros(32, np.int64)
    hop.pinned.window(lambda thread, turns: hop.pass_on(turns, word[16:].ctypes.data, thread, 2), 7)
    assert word[16] == 7 * threads  # seven times round
    assert not np.delete(word, 16).any()


def test_one_thread_has_no_distance():
    assert yardstick.Hop(yardstick.PinnedThreads(1)).measure() is None


class Yard:
    """A yard whose cores are as far apart as a list says, one way after the other."""

    def __init__(self, nanoseconds):
        self.left = [1e-9 * way for way in nanoseconds]

    def call(self, method):
        assert method == "hop"
        return self.left.pop(0)


def steps_of(monkeypatch, nanoseconds, near=None, patience=1e9):
    """Return (the sample, the cell's hops, the ways left) of bursts that take 1, 2, 3 .. s."""
    monkeypatch.setattr(crew.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(crew, "PATIENCE", patience)
    one = object.__new__(crew.Crew)
    one.yard, one.near = Yard(nanoseconds), near
    bursts = iter(range(1, 9))
    one.call = lambda cell, method, **keywords: float(next(bursts))
    cell = crew.Cell("4-3/2", "ours_numba", steps=2)
    return one.time_steps(cell), cell.seen["hops"], one.yard.left


def test_a_burst_notes_the_ways_around_it(monkeypatch):
    sample, hops, _ = steps_of(monkeypatch, [30, 160])
    assert sample == 0.5
    assert hops == [pytest.approx([30e-9, 160e-9, 0.5])]


def test_a_burst_waits_until_cores_are_near_and_is_taken_anew_where_they_moved(monkeypatch):
    # far, near: a burst, after which they are far; far, near: a burst, after which they are near
    sample, hops, left = steps_of(monkeypatch, [160, 30, 160, 150, 31, 32, 99], near=60e-9)
    assert sample == 1.0  # of the second burst
    assert hops == [pytest.approx([31e-9, 32e-9, 1.0])]
    assert len(left) == 1


def test_patience_ends_and_what_was_met_is_noted(monkeypatch):
    _, hops, _ = steps_of(monkeypatch, [160, 161], near=60e-9, patience=-1.0)
    assert hops == [pytest.approx([160e-9, 161e-9, 0.5])]


def _cell(name, *hops):
    samples = [sample for *_, sample in hops]
    return {"workload": "4-3/2", "contender": name, "processes": [samples], "refusal": None,
            "seen": {"hops": [[1e-9 * a, 1e-9 * b, s] for a, b, s in hops]}}  # fmt: skip


def test_steps_are_parted_by_the_cores_distance():
    cells = [_cell("ours_numba", (30, 30, 1.0), (160, 160, 2.0), (30, 160, 99.0)),
             _cell("jax_jit", (31, 30, 3.0), (165, 160, 8.0))]  # fmt: skip
    table = distance.distance_table(cells)
    assert [row[2:] for row in table.rows] == [
        ["1.00 s", "1", "1.00", "2.00 s", "1", "1.00"],
        ["3.00 s", "1", "3.00", "8.00 s", "1", "4.00"],
    ]
    assert distance.words(cells).startswith("the cores moved: a word took 30 to 165 ns")


def test_cores_that_stay_are_a_note_and_no_table():
    cells = [_cell("ours_numba", (30, 33, 1.0))]
    assert distance.distance_table(cells) is None
    assert distance.words(cells) == "a word takes 32 ns between two cores"
    assert distance.words([{**cells[0], "seen": {}}]) is None


@pytest.mark.parametrize("wrong", [0.0, -3.0, float("nan")])
def test_a_distance_is_above_0(wrong):
    with pytest.raises(ValueError, match="near: expected nanoseconds above 0"):
        check_near(wrong)
    assert check_near(None) is None
    assert check_near(60) == pytest.approx(60e-9)
