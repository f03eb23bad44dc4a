"""The same bits on every processor: AVX2 and AVX-512 code, any tile, any number of threads.

Quick: the order of a sum, in `tests/kernels/test_totals.py`, which is all that ever differed.
"""

import os
import subprocess
import sys

import needs_numba  # noqa: F401
import pytest
import same_bits

from bnn_ref.kernels.processor import FEATURES

HASWELL = "+avx,+avx2,+fma,+bmi,+bmi2"
SKYLAKE = HASWELL + ",+avx512f,+avx512dq,+avx512bw,+avx512vl,+avx512cd"
# What a new processor takes is a tile in `kernels/processor.py`: here one that none has.
TILE = "from bnn_ref.kernels import processor as p; p.TILE_ROWS, p.UPDATE_ROWS = 4, 16; "
RUN = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
PROCESSORS = {"native": None, "haswell": HASWELL, "skylake-avx512": SKYLAKE}


def known(name):
    """Whether this machine runs that processor's code."""
    wanted = (PROCESSORS[name] or "").split(",")
    return all(feature in FEATURES.split(",") for feature in wanted if feature)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_same_bits_by_any_processors_code(tmp_path):
    found = {}
    for name in [*filter(known, PROCESSORS), "a tile of 4 rows"]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
        clean["NUMBA_CACHE_DIR"] = str(tmp_path / name)
        if PROCESSORS.get(name):
            clean |= {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": PROCESSORS[name]}
        code = RUN if name in PROCESSORS else TILE + RUN
        command = [sys.executable, "-c", code, same_bits.__file__, "20", "1,2,3,4,5"]
        done = subprocess.run(command, env=clean, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found[name] = set(done.stdout.splitlines())
        assert len(found[name]) == 2, f"{name}: threads differ"  # a line for each dtype
    assert len(set(map(frozenset, found.values()))) == 1, found
