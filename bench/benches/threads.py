"""A training step on 1, 2, 4, ... threads, to the machine's processors."""

from .. import plots
from ..comparison import title_of
from ..crew import Crew
from ..machine import available_cpus
from ..results import cell_to_json
from ..statistics import median_interval, ratio_interval
from ..tables import Table, ratio, seconds

HELP = "a training step on 1, 2, ... threads"
WORKLOADS = ["784-128-128-10/128", "784-512-512-10/128"]
CONTENDERS = ["ours_numba", "ours_numpy", "jax_jit", "torch_eager", "tfp"]
ROUNDS = 9


def counts(most):
    """Return 1, 2, 4, ... and `most` itself."""
    found = [1]
    while 2 * found[-1] <= most:
        found.append(2 * found[-1])
    return found if found[-1] == most else [*found, most]


def run(settings, say):
    """Return {"cells", "others"}: workloads are named "784-128-128-10/128 2 threads"."""
    crews, cells = {}, []
    try:
        for threads in counts(min(settings.threads, available_cpus())):
            say(f"{threads} threads")
            crew = crews[threads] = Crew(settings.running, settings.dtype, threads, say)
            crew.open(settings.workloads)
            crew.calibrate(settings.burst)
        say(f"timing, {settings.rounds} rounds")
        for turn in range(settings.rounds):
            for crew in crews.values():
                crew.interleave(1, crew.time_steps, seed=turn, quiet=True)
        for threads, crew in crews.items():
            for cell in crew.cells:
                found = cell_to_json(cell)
                cells.append({**found, "workload": f"{cell.workload} {threads} threads",
                              "network": cell.workload, "threads": threads})  # fmt: skip
        others = crews[1].watch.others()
    finally:
        for crew in crews.values():
            crew.__exit__()
    return {"cells": cells, "others": others}


def tables(found):
    """Return the table of times by threads, and how many times as fast as on one thread."""
    rows, notes = [], []
    for network, cells in _by_network(found):
        for name, by_threads in group_by_contender(cells).items():
            one = by_threads.get(1)
            for threads, cell in by_threads.items():
                if cell["refusal"] or not cell["samples"]:
                    notes.append(f"refused, {title_of(name)} on {network}: {cell['refusal']}")
                    continue
                faster = ""
                if threads > 1 and one and one["samples"]:
                    faster = ratio(ratio_interval(one["samples"], cell["samples"]))
                rows.append([network, title_of(name), str(threads),
                             seconds(median_interval(cell["samples"]).median), faster])  # fmt: skip
    header = ["workload", "contender", "threads", "a step", "x as fast as on one"]
    return [Table("threads: one training step", header, rows, notes)]


def _by_network(found):
    networks = {}
    for cell in found["cells"]:
        networks.setdefault(cell["network"], []).append(cell)
    return networks.items()


def group_by_contender(cells):
    """Return {contender: {threads: cell}}."""
    found = {}
    for cell in cells:
        found.setdefault(cell["contender"], {})[cell["threads"]] = cell
    return found


def plot(found, path):
    """Draw the time against the number of threads."""
    networks = list(_by_network(found))
    figure, axes = plots.panels(1, len(networks), "A training step by threads")
    for axis, (network, cells) in zip(axes, networks, strict=True):
        for name, by_threads in group_by_contender(cells).items():
            points = [(n, cell["samples"]) for n, cell in by_threads.items() if cell["samples"]]
            if points:
                plots.line(axis, name, title_of(name), points)
        axis.set(title=network, xlabel="threads", ylabel="a step, ms", xscale="log", yscale="log")
        plots.plain_ticks(axis, sorted({cell["threads"] for cell in cells}))
        axis.legend(fontsize=7, frameon=False)
    plots.save(figure, path)
