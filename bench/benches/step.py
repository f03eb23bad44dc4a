"""A training step: noise, forward, KL, every gradient, Adam."""

from ..bounds import bound_table, bounds_of
from ..comparison import group, medians, step_table, timed, title_of
from ..crew import REFERENCE, Crew
from ..results import cell_to_json
from ..workloads import GROWTH, STEP, growth_value, parse

HELP = "a training step at several widths, depths and batch sizes"
WORKLOADS = STEP
ROUNDS = 3


def run(settings, say):
    """Return {"cells", "yardsticks", "dtype", "shares"}: every contender on every workload."""
    with Crew([*settings.running, REFERENCE], settings.dtype, settings.threads, say) as crew:
        crew.open(settings.workloads)
        crew.calibrate(settings.burst)
        say(f"timing {len(crew.running())} cells in {settings.processes} processes each")
        crew.repeat(settings.processes, settings.rounds, crew.time_steps)
        shares = crew.watch.shares()
    return {"cells": [cell_to_json(cell) for cell in crew.cells], "yardsticks": crew.yardsticks,
            "dtype": settings.dtype, "shares": shares}  # fmt: skip


def tables(found):
    """Return the table of times and that of the bound."""
    bounds = bounds_of(found, found["dtype"])
    table = step_table("step: one training step", found["cells"], bounds)
    table.notes.append("first step: with every contender building and compiling at the same time; "
                       "`start` measures a start alone")  # fmt: skip
    return [table, bound_table(found, found["dtype"])]


def plot(found, path):
    """Draw times by workload, and the growth with width, depth and batch."""
    from .. import plots

    names = plots.names_in(found["cells"])
    figure, axes = plots.panels(2, 2, "A training step: time against the network's size")
    workloads = group(found["cells"])
    plots.bars(axes[0], workloads, names)
    for axis, (what, members) in zip(axes[1:], GROWTH.items(), strict=True):
        members = [name for name in members if name in workloads]
        for name in names:
            cells = [(one, workloads[one].get(name)) for one in members]
            points = [(growth_value(what, parse(one)), medians(cell))
                      for one, cell in cells if cell and timed(cell)]  # fmt: skip
            if points:
                plots.line(axis, name, title_of(name), points)
        axis.set(xlabel={"width": "hidden width", "depth": "hidden layers",
                         "batch": "batch size"}[what], ylabel="a step, ms",
                 xscale="log", yscale="log")  # fmt: skip
        plots.plain_ticks(axis, sorted({growth_value(what, parse(one)) for one in members}))
    plots.save(figure, path)
