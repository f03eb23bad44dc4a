"""The same bits on every processor: AVX2 and AVX-512 code, any tile, any number of threads.

Quick: the runs on digits whose checksums stand in docs/limits.md; and the order of a sum, in
`tests/kernels/test_totals.py`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import checksums
import needs_numba  # noqa: F401
import pytest
import same_bits

from bnn_ref.kernels.processor import FEATURES, TRIPLE

HASWELL = "+avx,+avx2,+fma,+bmi,+bmi2"
SKYLAKE = HASWELL + ",+avx512f,+avx512dq,+avx512bw,+avx512vl,+avx512cd"
LIMITS = Path(__file__).parents[2] / "docs" / "limits.md"
LINE = re.compile(r"\| (\w+) \| (\w+) \| `(\w{16})` \| `(\w{16})` \|")
PUBLISHED = {
    (data, dtype): found for data, dtype, *found in LINE.findall(LIMITS.read_text("utf-8"))
}
FUSES = "+fma" in FEATURES.split(",") or TRIPLE.startswith("aarch64")


@pytest.mark.skipif(not FUSES, reason="the processor has no fused multiply-add")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_on_digits_has_the_published_checksum(dtype):
    assert list(checksums.checksums("digits", dtype, threads=2)) == PUBLISHED["digits", dtype]


# What a new processor takes is a tile in `kernels/processor.py`: here one that none has, and Arm's.
TILE = "from bnn_ref.kernels import processor as p; "
TILES = {
    "a tile of 4 rows": TILE + "p.TILE_ROWS, p.UPDATE_ROWS = 4, 16; ",
    "vectors of 16 bytes": TILE + "p.VECTOR_BYTES = 16; ",
}
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
    for name in [*filter(known, PROCESSORS), *TILES]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
        clean["NUMBA_CACHE_DIR"] = str(tmp_path / name)
        if PROCESSORS.get(name):
            clean |= {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": PROCESSORS[name]}

        def lines(*command, name=name, clean=clean):
            command = [sys.executable, "-c", TILES.get(name, "") + RUN, *command]
            done = subprocess.run(command, env=clean, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return done.stdout.splitlines()

        found[name] = set(lines(same_bits.__file__, "20", "1,2,3,4,5"))
        assert len(found[name]) == 2, f"{name}: threads differ"  # a line for each dtype
        for line in lines(checksums.__file__, "digits"):
            data, dtype, _, *digests = line.split()
            assert digests == PUBLISHED[data, dtype], name
    assert len(set(map(frozenset, found.values()))) == 1, found
