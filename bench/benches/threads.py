"""A training step on 1, 2, 4, ... threads, to the machine's processors."""

import numpy as np

from .. import plots
from ..comparison import could_show, medians, timed, title_of
from ..crew import Crew
from ..machine import available_cpus
from ..results import cell_to_json
from ..statistics import compare, needed, share_level
from ..tables import Table, ratio, seconds

HELP = "a training step on 1, 2, ... threads"
WORKLOADS = ["784-128-128-10/128", "784-512-512-10/128"]
CONTENDERS = ["ours_numba", "ours_numpy", "jax_jit", "torch_eager", "tfp"]
ROUNDS = 3
AGAIN = False  # its ratios are a contender's with itself


def counts(most):
    """Return 1, 2, 4, ... and `most` itself."""
    threads = [1]
    while 2 * threads[-1] <= most:
        threads.append(2 * threads[-1])
    return threads if threads[-1] == most else [*threads, most]


def run(settings, say):
    """Return {"cells", "yardsticks", "shares"}; workloads "784-128-128-10/128 2 threads"."""
    crews, cells = {}, []
    try:
        for threads in counts(min(settings.threads, available_cpus())):
            say(f"{threads} threads")
            crew = crews[threads] = Crew(
                settings.running, settings.dtype, threads, say, settings.near
            )
            crew.open(settings.workloads)
            crew.calibrate(settings.burst)
        for process in range(settings.processes):
            say(f"  process {process + 1} of {settings.processes}")
            for crew in crews.values():
                crew.take(process, settings.rounds, crew.time_steps)
        for threads, crew in crews.items():
            for cell in crew.cells:
                measured = cell_to_json(cell)
                cells.append({**measured, "workload": f"{cell.workload} {threads} threads",
                              "network": cell.workload, "threads": threads})  # fmt: skip
        shares = crews[1].watch.shares()
    finally:
        for crew in crews.values():
            crew.__exit__()
    return {"cells": cells, "yardsticks": crew.yardsticks, "shares": shares}


def speedups(measured):
    """Return {(network, contender, threads): Comparison of one thread's time with theirs}."""
    pairs = {}
    for network, cells in _by_network(measured):
        for name, by_threads in group_by_contender(cells).items():
            for threads, cell in by_threads.items():
                if threads > 1 and 1 in by_threads and timed(cell) and timed(by_threads[1]):
                    pairs[network, name, threads] = medians(by_threads[1]), medians(cell)
    level = share_level(len(pairs))
    return {
        key: compare(one[: len(many)], many[: len(one)], level)
        for key, (one, many) in pairs.items()
    }


def tables(measured):
    """Return the table of times by threads, and how many times as fast as on one thread."""
    rows, notes, faster = [], [], speedups(measured)
    for network, cells in _by_network(measured):
        for name, by_threads in group_by_contender(cells).items():
            for threads, cell in by_threads.items():
                if not timed(cell):
                    notes.append(f"refused, {title_of(name)} on {network}: {cell['refusal']}")
                    continue
                row = faster.get((network, name, threads))
                said = "" if row is None else could_show(row) if row.enough else row.verdict
                rows.append(
                    [
                        network,
                        title_of(name),
                        str(threads),
                        seconds(np.median(medians(cell))),
                        ratio(row) if row else "",
                        said,
                    ]
                )
    if faster:
        level = next(iter(faster.values())).level
        notes.append(f"intervals over processes, {level:.2%} a row, {needed(level)} processes at "
                     "least")  # fmt: skip
    header = ["workload", "contender", "threads", "a step", "x as fast as on one", "could show"]
    return [Table("threads: one training step", header, rows, notes)]


def _by_network(measured):
    networks = {}
    for cell in measured["cells"]:
        networks.setdefault(cell["network"], []).append(cell)
    return networks.items()


def group_by_contender(cells):
    """Return {contender: {threads: cell}}."""
    by_contender = {}
    for cell in cells:
        by_contender.setdefault(cell["contender"], {})[cell["threads"]] = cell
    return by_contender


def plot(measured, path):
    """Draw the time against the number of threads."""
    networks = list(_by_network(measured))
    figure, axes = plots.panels(1, len(networks), "A training step by threads")
    for axis, (network, cells) in zip(axes, networks, strict=True):
        for name, by_threads in group_by_contender(cells).items():
            points = [(n, medians(cell)) for n, cell in by_threads.items() if timed(cell)]
            if points:
                plots.line(axis, name, title_of(name), points)
        axis.set(title=network, xlabel="threads", ylabel="a step, ms", xscale="log", yscale="log")
        plots.plain_ticks(axis, sorted({cell["threads"] for cell in cells}))
        plots.legend(axis)
    plots.save(figure, path)
