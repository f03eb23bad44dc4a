"""From the start of the process to the end of the first step, and the memory it took."""

import shutil
import tempfile
import time
from pathlib import Path

from .. import plots
from ..comparison import base_of, group, title_of
from ..crew import Cell
from ..machine import Watch
from ..results import cell_to_json
from ..statistics import median_interval, ratio_interval, spread
from ..tables import Table, megabytes, ratio, seconds
from ..workers import Worker, WorkerError, last_line

HELP = "process start to the first step, with an empty and a filled cache; peak memory"
WORKLOADS = ["784-128-128-10/128"]
ROUNDS = 5
COLD, WARM = "cold", "warm"


def caches(folder):
    """Return the environment that puts every framework's compiled code into a folder."""
    return {
        "NUMBA_CACHE_DIR": str(folder / "numba"),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "torch"),
    }


def start(name, workload, settings, folder):
    """Return (seconds from before the process to the end of its first step, peak bytes)."""
    begin = time.perf_counter()
    with Worker(name, settings.dtype, settings.threads, **caches(folder)) as worker:
        peak = worker.call("first_step", workload=workload)
        return time.perf_counter() - begin, peak


def run(settings, say):
    """Return {"cells", "others"}: one cold start of each, then warm ones in turns."""
    watch = Watch()
    cells = []
    root = Path(tempfile.mkdtemp(prefix="bench-start-"))
    try:
        for workload in settings.workloads:
            chosen = []
            for name in settings.running:
                cold = Cell(f"{workload} {COLD}", name, steps=1)
                warm = Cell(f"{workload} {WARM}", name, steps=1)
                cells += [cold, warm]
                folder = root / f"{len(cells)}"
                folder.mkdir()
                say(f"  cold start of {name}")
                if _sample(cold, name, workload, settings, folder):
                    chosen.append((warm, name, folder))
            for turn in range(settings.rounds):
                say(f"  warm starts, round {turn + 1} of {settings.rounds}")
                for warm, name, folder in chosen:
                    _sample(warm, name, workload, settings, folder)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return {"cells": [cell_to_json(cell) for cell in cells], "others": watch.others()}


def _sample(cell, name, workload, settings, folder):
    """Add one start to a cell; return whether it came to a first step."""
    try:
        elapsed, peak = start(name, workload, settings, folder)
    except WorkerError as error:
        cell.refusal = f"failed: {last_line(error)}"
        return False
    cell.samples.append(elapsed)
    cell.seen["peak_bytes"] = max(peak or 0, cell.seen.get("peak_bytes", 0))
    return True


def tables(found):
    """Return the table of starts."""
    rows, notes, base = [], [], base_of(found["cells"])
    for workload, by_name in group(found["cells"]).items():
        for name, cell in by_name.items():
            if cell["refusal"] or not cell["samples"]:
                notes.append(f"{title_of(name)} on {workload}: {cell['refusal']}")
                continue
            samples = cell["samples"]
            against = ""
            if name != base and by_name.get(base) and by_name[base]["samples"]:
                found_ratio = ratio_interval(samples, by_name[base]["samples"])
                against = ratio(found_ratio) if len(samples) > 1 else f"{found_ratio.median:.2f}"
            rows.append([workload, title_of(name), seconds(median_interval(samples).median),
                         f"{spread(samples):.1%}", "1" if name == base else against,
                         megabytes(cell["seen"]["peak_bytes"])])  # fmt: skip
    notes.append("every process also imports NumPy and makes its data, a few hundred ms in each")
    notes.append(
        "cold: empty caches for Numba, JAX (its persistent cache is on) and Inductor; TensorFlow "
        "keeps none; files of the libraries themselves may be in memory"
    )
    header = ["workload", "contender", "to the first step", "spread", "x ours", "peak memory"]
    return [Table("start: process start to the end of the first step", header, rows, notes)]


def plot(found, path):
    """Draw starts, and memory."""
    figure, axes = plots.panels(1, 2, "From the start of the process to the first step")
    cells = found["cells"]
    names = plots.names_in(cells)
    plots.bars(axes[0], group(cells), names, 1.0, "s")
    warm = [cell for cell in cells if cell["workload"].endswith(WARM) and cell["samples"]]
    for row, cell in enumerate(warm):
        axes[1].barh(-row, cell["seen"]["peak_bytes"] / 1e6, color=plots.colour(cell["contender"]))
    axes[1].set_yticks([-row for row in range(len(warm))],
                       [title_of(cell["contender"]) for cell in warm], fontsize=7)  # fmt: skip
    axes[1].set(xlabel="peak memory, warm, MB")
    axes[1].grid(False, axis="y")
    plots.save(figure, path)
