"""Threads, forks and process pools around the numba back end: right bits, no hang, no abort."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import forks
import needs_numba  # noqa: F401
import pytest
from forks import trained
from processes import start

from bnn_ref.fast.threads import count_threads


def step_bytes(_):
    return trained().parameters.flat.tobytes()


@pytest.mark.parametrize("name", ["fork", "spawn", "child"])
def test_case_28_process_pools_thread_pools_and_forks(name):
    if name != "spawn" and not hasattr(os, "fork"):
        pytest.skip("no fork on this platform")
    script = Path(forks.__file__)
    done = subprocess.run([sys.executable, str(script), name], capture_output=True, text=True,
                          timeout=250)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "same bits\n"), done.stderr


def test_two_threads_train_at_once():
    wanted = step_bytes(0)
    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(step_bytes, range(6), timeout=200)) == {wanted}


def test_threads_end_with_their_trainer():
    import gc
    import threading

    before = {one for one in threading.enumerate() if one.name == "bnn_ref"}
    trainer = trained()
    ours = {one for one in threading.enumerate() if one.name == "bnn_ref"} - before
    assert len(ours) == 1
    del trainer
    gc.collect()
    for one in ours:
        one.join(10)
        assert not one.is_alive()


def test_the_number_of_threads(monkeypatch):
    assert count_threads(3) == 3
    monkeypatch.setenv("BNN_REF_THREADS", "4")
    assert count_threads() == 4
    monkeypatch.setenv("BNN_REF_THREADS", "none")
    with pytest.raises(ValueError, match="BNN_REF_THREADS: expected a whole number"):
        count_threads()
    monkeypatch.delenv("BNN_REF_THREADS")
    assert count_threads() >= 1


@pytest.mark.parametrize(
    ("before", "environment", "why"),
    [
        ("import sys; sys.modules['numba'] = None;", {}, "ModuleNotFoundError"),
        ("", {"NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT is set"),
    ],
)
def test_case_27_numpy_serves_where_numba_cannot(before, environment, why):
    process = start(before=before, **environment)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.strip().endswith("bnn_ref.reference")
    assert err.count("RuntimeWarning") == 1
    assert why in err


def test_case_27_a_numba_that_refuses(tmp_path):
    (tmp_path / "numba.py").write_text('raise ImportError("Numba needs NumPy 2.0 or less")\n')
    process = start(before=f"import sys; sys.path.insert(0, {str(tmp_path)!r});")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.strip().endswith("bnn_ref.reference")
    assert "Numba needs NumPy 2.0 or less" in err
