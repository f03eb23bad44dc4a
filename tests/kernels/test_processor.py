"""What kernels take from the processor and the platform, both simulated."""

import subprocess
from itertools import pairwise
from types import SimpleNamespace

import needs_numba  # noqa: F401
import pytest

from bnn_ref import DenseFlipout, Network, State
from bnn_ref.fast import threads
from bnn_ref.fast.members import describe as describe_network
from bnn_ref.fast.members import members_of, places_of
from bnn_ref.fast.places import cut_evenly
from bnn_ref.fast.plan import update_tile
from bnn_ref.fast.workspace import Workspace
from bnn_ref.kernels import processor
from bnn_ref.kernels.processor import describe

PC, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"


@pytest.mark.parametrize(
    ("triple", "features", "wanted"),
    [
        (PC, "+sse2,+avx,+avx512f", (64, 32)),
        (PC, "+avx,+avx2,-avx512f,+sse2", (32, 16)),
        (PC, "+sse2,+avx", (32, 16)),  # the last one named
        (PC, "+avx2,+fma", (32, 16)),
        (PC, "+sse2,-avx", (16, 16)),
        (PC, "", (16, 16)),
        (ARM, "+neon,+fp-armv8", (16, 32)),
    ],
)
def test_vectors_and_registers(triple, features, wanted):
    assert describe(triple, features) == wanted


@pytest.mark.parametrize(("said", "wanted"), [("6\n", 6), ("", 8), ("unknown oid\n", 8)])
def test_apples_fast_cores_are_counted(monkeypatch, said, wanted):
    monkeypatch.delenv("BNN_REF_THREADS", raising=False)
    monkeypatch.delattr(threads.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(threads.sys, "platform", "darwin")
    asked = []

    def sysctl(command, **_):
        asked.append(command[-1])
        return SimpleNamespace(stdout=said)

    monkeypatch.setattr(subprocess, "run", sysctl)
    assert threads.count_threads() == wanted
    assert asked == ["hw.perflevel0.logicalcpu"]


def test_tasks_take_whole_tiles():
    for name in ("FORWARD_ROWS", "FORWARD_ROWS_WIDE", "BACKWARD_COLUMNS", "UPDATE_ROWS",
                 "UPDATE_ROWS_MOST"):  # fmt: skip
        assert getattr(processor, name) % processor.TILE_ROWS == 0, name
    assert [side % processor.TILE_ROWS for side in processor.LARGE] == [0, 0]
    assert processor.PANEL % (processor.TILE_VECTORS * processor.VECTOR_BYTES // 4) == 0
    for outputs in (1, 10, 128, 700, 5000):
        network = Network([DenseFlipout(50, outputs)])
        layers = describe_network(members_of(network), places_of(network), "float32")
        for rows in (1, 128, 1000):
            assert update_tile(layers[0], rows)[0] % processor.TILE_ROWS == 0


@pytest.mark.parametrize("total", [1, 7, 32, 100, 128, 784, 1000, 1200, 4096])
@pytest.mark.parametrize(("size", "whole"), [(32, 8), (36, 6), (128, 32), (132, 6), (24, 6)])
def test_an_even_cut_leaves_two_threads_as_much_to_do(total, size, whole):
    stretches = cut_evenly(total, size, whole)
    assert (stretches[0][0], stretches[-1][1]) == (0, total)
    assert all(before[1] == after[0] for before, after in pairwise(stretches))
    assert all(begin % whole == 0 and 0 < end - begin <= size for begin, end in stretches)
    tiles = [-(-(end - begin) // whole) for begin, end in stretches]
    half = len(tiles) // 2
    if len(tiles) > 1:
        assert len(tiles) % 2 == 0
        assert abs(sum(tiles[:half]) - sum(tiles[half:])) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_buffers_begin_with_a_cache_line(dtype):
    network = Network([DenseFlipout(5, 4), DenseFlipout(4, 3)])
    runner = Workspace(network, 9, dtype, 3).for_step(9).parts[0].chain.runner
    places = [runner.layers[name][1] for name in ("output", "grad", "flipped")]
    for array in (*runner.scratch, *(runner.work[place:] for place in places)):
        assert array.ctypes.data % 64 == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_a_step_changes_begins_with_a_cache_line(dtype):
    for inputs in range(1, 20):  # where NumPy's own arrays begin is chance
        network = Network([DenseFlipout(inputs, 3)])
        state = State.start(network.init(0, dtype))
        p = state.parameters
        made = (p, state.moment_1, state.moment_2, p.copy(), p.astype("float64"),
                network.parameters(p))  # fmt: skip
        assert [one.flat.ctypes.data % 64 for one in made] == [0] * len(made)
