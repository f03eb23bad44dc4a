"""A training step's growth with width, depth and batch size, 1 to 4,096."""

from .. import plots
from ..comparison import group, medians, timed, title_of
from ..workloads import GROWN, GROWTH, growth_value, parse
from . import step

HELP = "a training step's growth with width, depth and batch, the best form of each peer"
WORKLOADS = GROWN
CONTENDERS = ["ours_numba", "jax_jit", "torch_manual", "torch_eager"]
ROUNDS = 2
run = step.run


def tables(measured):
    """Return the tables of `step`."""
    return step.tables(measured, "growth: one training step")


def plot(measured, path):
    """Draw the growth with width, depth and batch."""
    names, workloads = plots.names_in(measured["cells"]), group(measured["cells"])
    figure, axes = plots.panels(1, 3, "A training step: time against the network's size")
    for axis, (what, members) in zip(axes, GROWTH.items(), strict=True):
        members = [name for name in members if name in workloads]
        for name in names:
            cells = [(member, workloads[member].get(name)) for member in members]
            points = [(growth_value(what, parse(member)), medians(cell))
                      for member, cell in cells if cell and timed(cell)]  # fmt: skip
            if points:
                plots.line(axis, name, title_of(name), points)
        axis.set(xlabel={"width": "hidden width", "depth": "hidden layers",
                         "batch": "batch size"}[what], ylabel="a step, ms",
                 xscale="log", yscale="log")  # fmt: skip
        plots.plain_ticks(axis, sorted({growth_value(what, parse(member)) for member in members}))
    plots.legend(axes[0])
    plots.save(figure, path)
