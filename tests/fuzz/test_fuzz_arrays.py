"""Three hundred odd arrays to everything that takes arrays, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from bnn_ref.backends import why_not_numba

PROGRAM = Path(__file__).parents[1] / "helpers" / "fuzzed_arrays.py"


@pytest.mark.parametrize(
    ("backend", "count"),
    [("numpy", 300), ("numba", 300), pytest.param("numba", 5000, marks=pytest.mark.slow)],
)
def test_no_crash_and_no_number_changed_in_silence(backend, count):
    if backend == "numba" and why_not_numba():
        pytest.skip(f"numba: {why_not_numba()}")
    done = subprocess.run([sys.executable, "-W", "error::RuntimeWarning", PROGRAM, backend,
                           str(count)], capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr[-2000:])
    assert "'refused'" in done.stdout
    assert "'right'" in done.stdout
