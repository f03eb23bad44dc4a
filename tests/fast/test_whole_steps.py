"""Cases 40 and 41: a step is whole under signals and threads, on either back end."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import interrupted
import needs_numba  # noqa: F401
import numpy as np
import pytest

from bnn_ref import DenseFlipout, Network, Trainer
from bnn_ref.fast import runner


@pytest.mark.parametrize(
    "count", [8, pytest.param(50, marks=pytest.mark.slow)], ids=["eight", "fifty"]
)
@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_case_40_signals_find_whole_steps(backend, count):
    done = subprocess.run([sys.executable, interrupted.__file__, backend, str(count)],
                          capture_output=True, text=True, timeout=250)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{count}\n"), done.stderr


def test_case_40_helpers_do_not_go_on_where_the_caller_never_came(monkeypatch):
    trainer, batch = interrupted.train("numba")
    trainer.step(*batch)
    before = interrupted.digest(trainer.state)
    compiled_run, sent = runner.run, []

    def stopped(*arguments):
        if arguments[-1] == 0:
            raise KeyboardInterrupt
        compiled_run(*arguments)
        sent.append(arguments[-1])

    monkeypatch.setattr(runner, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        trainer.step(*batch)
    monkeypatch.undo()
    for _ in range(1000):
        if sent:
            break
        Path(__file__).stat()  # lets the helper's thread come
    trainer.workspace(1).crew.helpers.call(sent.append, [("idle",)])
    while "idle" not in sent:
        Path(__file__).stat()
    assert sent == [1, "idle"]
    assert interrupted.digest(trainer.state) == before


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_case_41_threads_take_turns(backend):
    trainer, batch = interrupted.train(backend)
    alone = interrupted.train(backend)[0]
    for _ in range(24):
        alone.step(*batch)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: trainer.step(*batch), range(24), timeout=100))
    assert interrupted.digest(trainer.state) == interrupted.digest(alone.state)


def test_a_state_that_kernels_cannot_write_to_is_refused():
    network = Network([DenseFlipout(4, 3), DenseFlipout(3, 2)])
    trainer = Trainer(network, 5, backend="numba")
    batch = np.ones((5, 4), np.float32), np.zeros(5, int)
    trainer.step(*batch)
    trainer.state.moment_2.flat.flags.writeable = False
    trainer.state.moment_2.flat = trainer.state.moment_2.flat[:]
    with pytest.raises(ValueError, match="moment_2: expected a contiguous, aligned, writable"):
        trainer.step(*batch)
    trainer.state.moment_2.flat = np.zeros((network.num_parameters, 2), np.float32)[:, 0]
    with pytest.raises(ValueError, match="moment_2: expected a contiguous, aligned, writable"):
        trainer.step(*batch)
    assert trainer.state.step == 1
