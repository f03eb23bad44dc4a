"""A training step's growth with width, depth and batch size, 1 to 4,096."""

from .. import plots
from ..comparison import against_base, base_of, group, medians, timed, title_of
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
    """Draw a step's time against width, depth and batch, and below it each peer's over ours."""
    cells = measured["cells"]
    names, workloads = plots.names_in(cells), group(cells)
    over_ours = against_base(cells)
    figure, axes = plots.panels(2, 3, "A training step: time against the network's size")
    for (what, members), axis, below in zip(GROWTH.items(), axes[:3], axes[3:], strict=True):
        places = {name: growth_value(what, parse(name)) for name in members if name in workloads}
        for name in names:
            shown = [member for member in places
                     if name in workloads[member] and timed(workloads[member][name])]  # fmt: skip
            if shown:
                points = [(places[member], medians(workloads[member][name])) for member in shown]
                plots.line(axis, name, title_of(name), points)
            compared = [(places[member], over_ours[member, name]) for member in shown
                        if (member, name) in over_ours]  # fmt: skip
            if compared:
                plots.ratios(below, name, title_of(name), compared)
        if over_ours:
            below.axhline(1, **plots.style(base_of(cells)) | {"marker": ""})
        for each, label in ((axis, "a step, ms"), (below, "a peer's time over ours")):
            each.set(xlabel={"width": "hidden width", "depth": "hidden layers",
                             "batch": "batch size"}[what], ylabel=label,
                     xscale="log", yscale="log")  # fmt: skip
            plots.plain_ticks(each, sorted(set(places.values())))
            plots.plain_numbers(each.yaxis)
    plots.legend(axes[0])
    plots.save(figure, path)
