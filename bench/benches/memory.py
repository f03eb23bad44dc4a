"""Peak memory of a process that trains, by width and by batch."""

from .. import plots
from ..comparison import group, title_of
from ..contenders import MAIN_FORMS
from ..crew import Cell
from ..machine import Watch
from ..results import cell_to_json
from ..tables import Table, megabytes
from ..workers import Worker, WorkerError, last_line
from ..workloads import GROWTH, growth_value, parse

HELP = "peak memory of a process, by width and by batch"
WORKLOADS = list(dict.fromkeys([*GROWTH["width"], *GROWTH["batch"]]))
CONTENDERS = MAIN_FORMS
PROCESSES = 1
STEPS = 3


def run(settings, say):
    """Return {"cells", "shares"}: a process for each, whose peak is in what was seen."""
    watch, cells = Watch(), []
    for workload in settings.workloads:
        for name in settings.running:
            cell = Cell(workload, name, seen={"peak_bytes": []})
            cells.append(cell)
            for _ in range(settings.processes):
                _sample(cell, settings)
        say(f"  {workload}")
    return {"cells": [cell_to_json(cell) for cell in cells], "shares": watch.shares()}


def _sample(cell, settings):
    """Add the peak of one process to a cell."""
    try:
        with Worker(cell.contender, settings.dtype, settings.threads) as worker:
            peak = worker.call("peak", workload=cell.workload, steps=STEPS)
            cell.seen["peak_bytes"].append(peak)
    except WorkerError as error:
        cell.refusal = f"failed: {last_line(error)}"


def tables(measured):
    """Return the peaks: a row a workload, a column a contender."""
    names = list(dict.fromkeys(cell["contender"] for cell in measured["cells"]))
    rows, notes = [], []
    for workload, by_name in group(measured["cells"]).items():
        row = [workload]
        for name in names:
            cell = by_name[name]
            peaks = [peak for peak in cell["seen"]["peak_bytes"] if peak]
            row.append(megabytes(max(peaks)) if peaks and not cell["refusal"] else "")
            if cell["refusal"]:
                notes.append(f"refused, {title_of(name)} on {workload}: {cell['refusal']}")
        rows.append(row)
    notes.append(f"the interpreter, the libraries and {STEPS} steps; of several processes the most")
    return [Table("memory: peak of a process", ["workload", *map(title_of, names)], rows, notes)]


def plot(measured, path):
    """Draw the peaks by width and by batch."""
    figure, axes = plots.panels(1, 2, "Peak memory of a process that trains")
    for axis, what in zip(axes, ("width", "batch"), strict=True):
        for name in plots.names_in(measured["cells"], times=False):
            points = sorted(
                (growth_value(what, parse(cell["workload"])), max(cell["seen"]["peak_bytes"]) / 1e6)
                for cell in measured["cells"]
                if cell["contender"] == name and cell["workload"] in GROWTH[what]
                and not cell["refusal"]
            )  # fmt: skip
            if points:
                axis.plot(*zip(*points, strict=True), label=title_of(name), **plots.style(name))
        axis.set(xlabel={"width": "hidden width", "batch": "batch size"}[what], ylabel="MB",
                 xscale="log", yscale="log")  # fmt: skip
        plots.plain_ticks(axis, sorted({growth_value(what, parse(name)) for name in GROWTH[what]}))
        plots.plain_numbers(axis.yaxis)
    plots.legend(axes[-1], loc="upper left", bbox_to_anchor=(1.01, 1.0))
    plots.save(figure, path)
