"""Instructions of a training step, counted by valgrind: what a noisy machine cannot blur.

A process is run for few steps and for many, on one thread; what more steps cost, divided by their
number, is a step's own. Starting an interpreter takes some ten million instructions more or less
each time, so that the steps are to take two thousand million. valgrind knows no AVX-512: both sides
are counted as a processor with AVX2 runs them.
"""

import re
import shutil
import subprocess
import sys

from .tables import Table
from .workers import PACKAGE, environment

FEW, MANY = 2, 12
ENOUGH, MOST_STEPS = 2e9, 2000  # instructions that the steps are to take
SURROUNDINGS = {
    "PYTHONHASHSEED": "0",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+fma",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL "
    "AVX512_ICL AVX512_SPR",
}
COUNTED = re.compile(r"Collected : (\d+)")
LEAST = 0.01  # a change of less is not called one


def count(launch, workload, dtype, steps):
    """Return the instructions of a process that opens a workload and takes that many steps.

    Raises
    ------
    ValueError
        Where valgrind is missing, or the process fails under it; the message is its last line.
    """
    if shutil.which("valgrind") is None:
        raise ValueError("instructions: expected valgrind on this machine, found none")
    package = "bench" if launch.path else PACKAGE
    code = (
        f"from {package}.worker import Server; "
        f"Server({launch.contender!r}, {dtype!r}, 1).open({workload!r}, {steps})"
    )
    command = [launch.python or sys.executable, "-c", code]
    around = environment(1, launch.path, **SURROUNDINGS)
    # once without valgrind, for what is compiled once and then read from a cache
    subprocess.run(command, capture_output=True, cwd=launch.path, env=around)
    counted = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    done = subprocess.run(counted, capture_output=True, text=True, cwd=launch.path, env=around)
    match = COUNTED.search(done.stderr)
    if done.returncode or not match:
        raise ValueError(f"instructions: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
    return int(match[1])


def of_a_step(launch, workload, dtype):
    """Return the instructions of one step."""
    few = count(launch, workload, dtype, FEW)
    rough = (count(launch, workload, dtype, MANY) - few) / (MANY - FEW)
    steps = int(min(MOST_STEPS, max(MANY, ENOUGH / max(rough, 1))))
    return (count(launch, workload, dtype, steps) - few) / (steps - FEW)


def versus(sides, names, workloads, options):
    """Print the instructions a step of both sides; return 1 where B takes 1 % more, else 0."""
    rows, slower = [], False
    for workload in workloads:
        a, b = (of_a_step(launch, workload, options.dtype) for launch in sides.values())
        word = "more" if b > a * (1 + LEAST) else "fewer" if a > b * (1 + LEAST) else "as many"
        slower |= word == "more"
        rows.append([workload, f"{a:,.0f}", f"{b:,.0f}", f"{b / a:.3f}", word])
    notes = [f"{side}: {name}" for side, name in zip(sides, names, strict=True)]
    notes.append(f"by valgrind, one thread, without AVX-512; below {LEAST:.0%} nothing is told")
    print(Table("versus: instructions of a step", ["workload", "A", "B", "B / A", "B takes"],
                rows, notes).text())  # fmt: skip
    return int(slower)
