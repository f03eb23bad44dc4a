"""Parts of the Numba back end's step, each beside what its products and bytes cost."""

import numpy as np

from .. import plots
from ..comparison import could_show, group, medians, timed
from ..crew import REFERENCE, Crew
from ..results import cell_to_json
from ..statistics import compare, share_level
from ..tables import Table, ratio, seconds
from ..workloads import MAIN, parse

HELP = "parts of the compiled step beside their products through BLAS and their bytes"
WORKLOADS = MAIN
CONTENDERS = ["ours_numba"]
ROUNDS = 3
AGAIN = False
PARTS = {"noise": "noise", "gradients": "gradients, noise given", "ours_numba": "a whole step"}


def run(settings, say):
    """Return {"cells", "references", "yardsticks", "shares"}.

    A reference is the time of a part's products through BLAS and of its bytes at the bandwidth of
    the level where Adam's live, in seconds for each process: part to workload to times.
    """
    if "ours_numba" not in settings.running:
        raise ValueError("kernels: expected the contender ours_numba, found it absent")
    with Crew([*PARTS, REFERENCE], settings.dtype, settings.threads, say, settings.near) as crew:
        crew.open(settings.workloads, check=False)
        crew.calibrate(settings.burst / 2)
        say(f"timing {len(crew.running())} cells in {settings.processes} processes each")
        crew.repeat(settings.processes, settings.rounds, crew.time_steps)
        shares = crew.watch.shares()
    cells = [cell_to_json(cell) for cell in crew.cells]
    references = {part: {} for part in PARTS}
    for workload, by_name in group(cells).items():
        work = parse(workload)
        size = work.adam_working_set(settings.dtype)
        rates = [yardstick["bandwidth"][str(size)] for yardstick in crew.yardsticks]
        products = medians(by_name[REFERENCE])
        noise = work.noise_bytes(np.dtype(settings.dtype).itemsize)
        references["noise"][workload] = [noise / rate for rate in rates]
        references["gradients"][workload] = products
        references["ours_numba"][workload] = [
            product + 2 * size / rate for product, rate in zip(products, rates, strict=False)
        ]
    return {"cells": cells, "references": references, "yardsticks": crew.yardsticks,
            "shares": shares}  # fmt: skip


def compared(measured):
    """Return {(workload, part): Comparison of a part with its reference}."""
    pairs = {}
    for workload, by_name in group(measured["cells"]).items():
        for part in PARTS:
            times, reference = medians(by_name[part]), measured["references"][part][workload]
            n = min(len(times), len(reference))
            if timed(by_name[part]) and n:
                pairs[workload, part] = times[:n], reference[:n]
    level = share_level(len(pairs))
    return {key: compare(*both, level) for key, both in pairs.items()}


def tables(measured):
    """Return the table of parts."""
    rows, notes, against = [], [], compared(measured)
    for workload, by_name in group(measured["cells"]).items():
        for part, words in PARTS.items():
            cell, row = by_name[part], against.get((workload, part))
            if row is None:
                notes.append(f"{words} on {workload}: {cell['refusal'] or 'no reference'}")
                continue
            reference = np.median(measured["references"][part][workload])
            rows.append([workload, words, seconds(np.median(medians(cell))), seconds(reference),
                         ratio(row), could_show(row) if row.enough else row.verdict])  # fmt: skip
    header = ["workload", "part", "time", "reference", "x reference", "could show"]
    notes.append("reference: noise, its bytes written at the copy bandwidth (no random number is "
                 "free); gradients, the products through BLAS; a step, both those products and "
                 "Adam's bytes. A step draws its noise as it goes and keeps no gradient, so it is "
                 "not the sum of its parts")  # fmt: skip
    return [Table("kernels: parts of a step", header, rows, notes)]


def plot(measured, path):
    """Draw each part beside its reference."""
    workloads = group(measured["cells"])
    figure, axes = plots.panels(1, len(workloads), "Parts of a step", 3.6, 3.6)
    for axis, (workload, by_name) in zip(axes, workloads.items(), strict=True):
        for place, part in enumerate(PARTS):
            reference = measured["references"][part][workload]
            if timed(by_name[part]) and reference:
                label = {0: ("part", "reference")}.get(place, (None, None))
                axis.bar(place, 1e3 * np.median(medians(by_name[part])), 0.6, label=label[0],
                         color=plots.colour("ours_numba"))  # fmt: skip
                axis.bar(place, 1e3 * np.median(reference), 0.6, color="none", edgecolor="black",
                         linestyle=":", linewidth=1.5, label=label[1])  # fmt: skip
        axis.set_xticks(range(len(PARTS)), ["noise", "gradients", "step"])
        axis.set(title=workload, ylabel="ms")
        axis.grid(False, axis="x")
    plots.legend(axes[0])
    plots.save(figure, path)
