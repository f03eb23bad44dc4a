"""From the start of the process to the end of the first step, and the memory it took."""

import random
import shutil
import tempfile
import time
from pathlib import Path

from .. import plots
from ..comparison import group, step_table, timed, title_of
from ..contenders import MAIN_FORMS
from ..crew import Cell
from ..machine import Watch
from ..results import cell_to_json
from ..tables import Table, megabytes
from ..workers import Worker, WorkerError, caches, last_line

HELP = "process start to the first step, with an empty and a filled cache; peak memory"
WORKLOADS = ["784-128-128-10/128"]
CONTENDERS = MAIN_FORMS
PROCESSES = 10
COLD, WARM = "cold, once", "warm"


def start(name, workload, settings, folder):
    """Return (seconds from before the process to the end of its first step, peak bytes)."""
    begin = time.perf_counter()
    with Worker(name, settings.dtype, settings.threads, **caches(folder)) as worker:
        peak = worker.call("first_step", workload=workload)
        return time.perf_counter() - begin, peak


def run(settings, say):
    """Return {"cells", "yardsticks", "shares"}: one cold start of each, then warm ones in turns."""
    watch, cells, yardsticks = Watch(), [], []
    root = Path(tempfile.mkdtemp(prefix="bench-start-"))
    try:
        chosen = []
        for workload in settings.workloads:
            for name in settings.running:
                cold = Cell(f"{workload} {COLD}", name, steps=1)
                warm = Cell(f"{workload} {WARM}", name, steps=1)
                cells += [cold, warm]
                folder = root / f"{len(cells)}"
                folder.mkdir()
                say(f"  cold start of {name}")
                if _sample(cold, name, workload, settings, folder):
                    chosen.append((warm, name, workload, folder))
        order = random.Random(0)
        with Worker("blas", settings.dtype, settings.threads) as yard:
            for turn in range(settings.processes):
                say(f"  warm starts, process {turn + 1} of {settings.processes}")
                yardsticks.append(yard.call("yardstick", working_sets=[]))
                order.shuffle(chosen)
                for warm, name, workload, folder in chosen:
                    if warm.refusal is None:
                        _sample(warm, name, workload, settings, folder)
            shares = watch.shares()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return {"cells": [cell_to_json(cell) for cell in cells], "yardsticks": yardsticks,
            "shares": shares}  # fmt: skip


def _sample(cell, name, workload, settings, folder):
    """Add one start to a cell; return whether it came to a first step."""
    try:
        elapsed, peak = start(name, workload, settings, folder)
    except WorkerError as error:
        cell.refusal = f"failed: {last_line(error)}"
        return False
    cell.processes.append([elapsed])
    cell.seen["peak_bytes"] = max(peak or 0, cell.seen.get("peak_bytes", 0))
    return True


def tables(measured):
    """Return the table of starts, and that of the memory they took."""
    table = step_table("start: process start to the end of the first step", measured["cells"],
                       first=False, per="to the first step")  # fmt: skip
    table.notes.extend([
        "every process also imports NumPy and makes its data, a few hundred ms in each",
        "cold: empty caches for Numba, JAX (its persistent cache is on) and Inductor; TensorFlow "
        "keeps none; files of the libraries themselves may be in memory. One start of each shows "
        "what happened once, no more",
    ])  # fmt: skip
    rows = [
        [workload, title_of(name), megabytes(cell["seen"]["peak_bytes"])]
        for workload, by_name in group(measured["cells"]).items()
        for name, cell in by_name.items()
        if timed(cell)
    ]
    return [table, Table("start: peak memory", ["workload", "contender", "peak"], rows, [])]


def plot(measured, path):
    """Draw starts, and memory."""
    figure, axes = plots.panels(1, 2, "From the start of the process to the first step")
    cells = measured["cells"]
    plots.dots(axes[0], group(cells), plots.names_in(cells), 1.0, "s")
    warm = [cell for cell in cells if cell["workload"].endswith(WARM) and timed(cell)]
    for row, cell in enumerate(warm):
        axes[1].barh(-row, cell["seen"]["peak_bytes"] / 1e6, color=plots.colour(cell["contender"]))
    axes[1].set_yticks([-row for row in range(len(warm))],
                       [title_of(cell["contender"]) for cell in warm], fontsize=7)  # fmt: skip
    axes[1].set(xlabel="peak memory, warm, MB")
    axes[1].grid(False, axis="y")
    plots.save(figure, path)
