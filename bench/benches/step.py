"""A training step: noise, forward, KL, every gradient, Adam."""

from ..comparison import add_floor, group, step_table, title_of
from ..crew import Crew
from ..results import cell_to_json
from ..statistics import median_interval
from ..tables import Table
from ..workloads import GROWTH, STEP, growth_value, parse

HELP = "a training step at several widths, depths and batch sizes"
WORKLOADS = STEP
ROUNDS = 15


def run(settings, say):
    """Return {"cells", "yardsticks", "others"}: every contender on every workload."""
    with Crew([*settings.running, "floor"], settings.dtype, settings.threads, say) as crew:
        crew.open(settings.workloads)
        crew.calibrate(settings.burst)
        say(f"timing {len(crew.running())} cells, {settings.rounds} rounds")
        crew.interleave(settings.rounds, crew.time_steps)
        cells = [cell_to_json(cell) for cell in crew.cells]
        add_floor(cells, crew.yardsticks, settings.dtype)
        others = crew.watch.others()
    return {"cells": cells, "yardsticks": crew.yardsticks, "others": others}


def floor_table(found):
    """Return the machine's own limits, and what share of its peak the best contender reaches."""
    rows = []
    fma = median_interval([one["fma"] for one in found["yardsticks"]])
    bandwidth = median_interval([one["bandwidth"] for one in found["yardsticks"]])
    for workload, by_name in group(found["cells"]).items():
        floor = by_name.get("floor")
        if floor is None or not floor["samples"]:
            continue
        flops = parse(workload).flops
        products = median_interval(floor["products"]).median
        rows.append([
            workload,
            f"{flops / 1e6:.1f}",
            f"{1e3 * flops / fma.median:.3f} ms",
            f"{1e3 * products:.3f} ms",
            f"{flops / products / 1e9:.0f}",
            f"{1e3 * (median_interval(floor['samples']).median - products):.3f} ms",
            f"{1e3 * median_interval(floor['samples']).median:.3f} ms",
        ])  # fmt: skip
    header = [
        "workload",
        "MFLOP",
        "at the peak",
        "BLAS products",
        "GFLOP/s",
        "Adam's bytes",
        "floor",
    ]
    notes = [
        f"fused multiply-add peak {fma.median / 1e9:.0f} GFLOP/s [{fma.low / 1e9:.0f}, "
        f"{fma.high / 1e9:.0f}], copy bandwidth {bandwidth.median / 1e9:.1f} GB/s "
        f"[{bandwidth.low / 1e9:.1f}, {bandwidth.high / 1e9:.1f}], read and written",
        "the floor draws no noise: products through BLAS, plus Adam's bytes at the bandwidth",
    ]
    return Table("step: the floor", header, rows, notes)


def tables(found):
    """Return the table of times and that of the floor."""
    table = step_table("step: one training step", found["cells"])
    table.notes.append("first step: with every contender building and compiling at the same time; "
                       "`start` measures a start alone")  # fmt: skip
    return [table, floor_table(found)]


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
            points = [
                (growth_value(what, parse(one)), workloads[one][name]["samples"])
                for one in members
                if workloads[one].get(name, {"samples": []})["samples"]
            ]
            if points:
                plots.line(axis, name, title_of(name), points)
        axis.set(xlabel={"width": "hidden width", "depth": "hidden layers",
                         "batch": "batch size"}[what], ylabel="a step, ms",
                 xscale="log", yscale="log")  # fmt: skip
        plots.plain_ticks(axis, sorted({growth_value(what, parse(one)) for one in members}))
    plots.save(figure, path)
