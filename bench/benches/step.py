"""A training step: noise, forward, KL, every gradient, Adam."""

import numpy as np

from ..bounds import bound_table, bounds_of
from ..comparison import group, step_table, timed, title_of
from ..crew import REFERENCE, Crew
from ..distance import distance_table, words
from ..results import cell_to_json
from ..tables import Table
from ..workloads import STEP

HELP = "a training step of every contender: small to wide, a regression, a Bernoulli network"
WORKLOADS = STEP
ROUNDS = 2


def run(settings, say):
    """Return {"cells", "yardsticks", "dtype", "shares"}: every contender on every workload."""
    with Crew(
        [*settings.running, REFERENCE], settings.dtype, settings.threads, say, settings.near
    ) as crew:
        crew.open(settings.workloads)
        crew.calibrate(settings.burst)
        say(f"timing {len(crew.running())} cells in {settings.processes} processes each")
        crew.repeat(settings.processes, settings.rounds, crew.time_steps)
        shares = crew.watch.shares()
    return {"cells": [cell_to_json(cell) for cell in crew.cells], "yardsticks": crew.yardsticks,
            "dtype": settings.dtype, "shares": shares}  # fmt: skip


def tables(measured, title="step: one training step"):
    """Return the table of times and that of the bound."""
    bounds = bounds_of(measured, measured["dtype"])
    table = step_table(title, measured["cells"], bounds)
    table.notes.append("first step: with every contender building and compiling at the same time; "
                       "`start` measures a start alone")  # fmt: skip
    if apart := words(measured["cells"]):
        table.notes.append(apart)
    more = [energy_table(measured), distance_table(measured["cells"])]
    return [table, bound_table(measured, measured["dtype"]), *filter(None, more)]


def energy_table(measured):
    """Return the joules of a step, or None where no counter could be read."""
    rows = [
        [cell["workload"], title_of(cell["contender"]), f"{1e3 * np.median(joules):.3g}"]
        for cell in measured["cells"]
        if timed(cell) and (joules := cell["seen"].get("joules"))
    ]
    notes = ["of the processor's packages, warm-up counted as steps, whatever else ran included"]
    header = ["workload", "contender", "mJ a step"]
    return Table("step: energy", header, rows, notes) if rows else None


def plot(measured, path):
    """Draw times by workload."""
    from .. import plots

    figure, axes = plots.panels(1, 1, "A training step", width=9, height=6)
    plots.dots(axes[0], group(measured["cells"]), plots.names_in(measured["cells"]))
    plots.save(figure, path)
