"""Threads, forks and process pools around the numba back end: right bits, no hang, no abort."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import forks
import needs_numba  # noqa: F401
import pytest
from forks import trained

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


STEP = (
    "import numpy as np, bnn_ref;"
    "from bnn_ref import *;"
    "t = Trainer(Network([DenseFlipout(4, 3), DenseFlipout(3, 2)]), 10);"
    "print(t.step(np.ones((5, 4), 'f4'), [0, 1, 0, 1, 1]).loss, t.backend.__name__)"
)


def start(code=STEP, before="", **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    return subprocess.Popen([sys.executable, "-c", before + code], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=clean | environment)  # fmt: skip


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


@pytest.mark.slow
def test_eight_processes_on_an_empty_cache(tmp_path):
    processes = [start(NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(8)]
    results = [process.communicate(timeout=280) for process in processes]
    assert all(process.returncode == 0 for process in processes), results
    assert len({out for out, _ in results}) == 1
    assert all(err.count("compiling kernels") == 1 for _, err in results)
    warm = start(NUMBA_CACHE_DIR=str(tmp_path))
    out, err = warm.communicate(timeout=100)
    assert (out, err) == (results[0][0], "")


def test_the_key_of_the_cache_covers_every_kernel_file(tmp_path):
    from bnn_ref.kernels import jit

    copy = tmp_path / "kernels"
    shutil.copytree(Path(jit.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
    code += "from kernels import jit; print(jit.source_hash())"

    def found():
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                              check=True).stdout  # fmt: skip

    before = found()
    assert found() == before
    with (copy / "update.py").open("a") as file:
        file.write("# changed\n")
    assert found() != before


def test_a_damaged_cache_file_is_a_miss(tmp_path):
    code = (
        "import numpy as np; from bnn_ref.kernels import philox;"
        "out = np.zeros((1, 4)); philox.fill_signs(out, 0, np.zeros(5, np.uint32)); print(out)"
    )
    first = start(code, NUMBA_CACHE_DIR=str(tmp_path)).communicate(timeout=200)
    files = list(tmp_path.rglob("*.nbc"))
    assert len(files) == 1
    assert "compiling kernels" in first[1]
    assert start(code, NUMBA_CACHE_DIR=str(tmp_path)).communicate(timeout=200) == (first[0], "")
    files[0].write_bytes(files[0].read_bytes()[:-100])
    again = start(code, NUMBA_CACHE_DIR=str(tmp_path)).communicate(timeout=200)
    assert again == first


def test_a_read_only_place_without_home_keeps_kernels_in_the_users_own_folder(
    tmp_path, monkeypatch
):
    from bnn_ref.kernels import jit

    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setattr(jit, "__file__", str(blocked / "jit.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = jit.cache_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0
    folder.chmod(0o777)  # anybody could put code there: it is not read
    assert jit.cache_folder() is None
