"""Each sweep of the Numba back end's step against its own floor."""

from .. import plots
from ..comparison import group
from ..crew import Crew
from ..results import cell_to_json
from ..statistics import median_interval, ratio_interval, spread
from ..tables import Table, percent, ratio, seconds
from ..workloads import MAIN, parse

HELP = "each sweep of the compiled step against its floor"
WORKLOADS = MAIN
CONTENDERS = ["ours_numba"]
ROUNDS = 15
SWEEPS = {"sample": None, "propagate": "floor_propagate", "update": "floor_update"}


def moved(sweep, workload, itemsize):
    """Return the bytes that a sweep must move, products apart."""
    if sweep == "sample":
        return workload.sample_bytes(itemsize)
    return workload.adam_bytes(itemsize) if sweep == "update" else 0


def run(settings, say):
    """Return {"cells", "floors", "yardsticks", "others"}; floors: sweep to workload to samples."""
    if "ours_numba" not in settings.running:
        raise ValueError("kernels: expected the contender ours_numba, found it absent")
    products = [name for name in SWEEPS.values() if name]
    with Crew(["ours_numba", *SWEEPS, *products, "floor"], settings.dtype, settings.threads,
              say) as crew:  # fmt: skip
        crew.open(settings.workloads, check=False)
        crew.calibrate(settings.burst / 2)
        say(f"timing {len(crew.running())} cells, {settings.rounds} rounds")
        crew.interleave(settings.rounds, crew.time_steps)
        cells = [cell_to_json(cell) for cell in crew.cells]
        others = crew.watch.others()
    rates = [one["bandwidth"] for one in crew.yardsticks]
    by_workload, floors = group(cells), {}
    itemsize = 8 if settings.dtype == "float64" else 4
    for sweep, name in SWEEPS.items():
        for workload, by_name in by_workload.items():
            bytes_moved = moved(sweep, parse(workload), itemsize)
            done = by_name[name]["samples"] if name else [0.0] * len(rates)
            floors.setdefault(sweep, {})[workload] = [
                product + bytes_moved / rate for product, rate in zip(done, rates, strict=True)
            ]
    return {"cells": cells, "floors": floors, "yardsticks": crew.yardsticks, "others": others}


def tables(found):
    """Return the table of sweeps."""
    rows, notes = [], []
    for workload, by_name in group(found["cells"]).items():
        whole = by_name["ours_numba"]["samples"]
        for sweep in SWEEPS:
            cell = by_name[sweep]
            if cell["refusal"]:
                notes.append(f"{sweep} on {workload}: {cell['refusal']}")
                continue
            floor = found["floors"][sweep][workload]
            share = ratio_interval(cell["samples"], whole).median
            rows.append([workload, sweep, seconds(median_interval(cell["samples"]).median),
                         f"{spread(cell['samples']):.1%}", percent(share),
                         seconds(median_interval(floor).median),
                         ratio(ratio_interval(cell["samples"], floor))])  # fmt: skip
        rows.append([workload, "whole step", seconds(median_interval(whole).median),
                     f"{spread(whole):.1%}", "", "", ""])  # fmt: skip
    header = ["workload", "sweep", "time", "spread", "of the step", "floor", "x floor"]
    notes.append("floors: sample, the bytes it reads and writes at the copy bandwidth (no random "
                 "number is free); propagate, its products through BLAS; update, its products "
                 "through BLAS and Adam's bytes")  # fmt: skip
    return [Table("kernels: the sweeps of a step", header, rows, notes)]


def plot(found, path):
    """Draw each sweep beside its floor."""
    workloads = group(found["cells"])
    figure, axes = plots.panels(
        1, len(workloads), "The sweeps of a step and their floors", 3.6, 3.6
    )
    for axis, (workload, by_name) in zip(axes, workloads.items(), strict=True):
        for place, sweep in enumerate(SWEEPS):
            if not by_name[sweep]["samples"]:
                continue
            time = 1e3 * median_interval(by_name[sweep]["samples"]).median
            floor = 1e3 * median_interval(found["floors"][sweep][workload]).median
            axis.bar(place, time, 0.6, color=plots.colour("ours_numba"), label="sweep"
                     if place == 0 else None)  # fmt: skip
            axis.bar(place, floor, 0.6, color="none", edgecolor="black", linestyle=":",
                     linewidth=1.5, label="floor" if place == 0 else None)  # fmt: skip
        axis.set_xticks(range(len(SWEEPS)), list(SWEEPS))
        axis.set(title=workload, ylabel="ms")
        axis.grid(False, axis="x")
    axes[0].legend(fontsize=8, frameon=False)
    plots.save(figure, path)
