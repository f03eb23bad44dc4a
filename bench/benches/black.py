"""A long training run on inputs of which half turn black: does a step get slower?

A gradient that is exactly 0 for long lets Adam's moments decay into the subnormal numbers, on
which processors are many times as slow. Two runs of the same network take turns: one keeps its
inputs, the other's have every second one 0 from the second step on. The KL has weight 0, or it
would keep the gradients from being 0.
"""

import time

import numpy as np

from bnn_ref import Adam, State, Trainer

from .. import plots
from ..crew import Cell
from ..machine import Watch
from ..results import cell_to_json
from ..statistics import median_interval
from ..tables import Table, seconds
from ..workloads import make_problem, parse

HELP = "5,000 steps with half of the inputs 0 from the second step on (subnormal numbers)"
WORKLOADS = ["784-128-128-10/128"]
CONTENDERS = ["ours_numba"]
ROUNDS = 100  # of STRETCH steps for each of the two
PROCESSES = 1  # two runs take turns in one process: what is told is how their ratio moves
AGAIN = False
STRETCH = 50
PARTS = 5  # rows of the table


def start(problem, settings):
    """Return a trainer of the problem's network at its initial values, KL weight 0."""
    return Trainer(problem.network, num_examples=1, kl_weight=0.0, dtype=settings.dtype,
                   adam=Adam(problem.learning_rate), threads=settings.threads,
                   state=State.start(problem.parameters.copy()))  # fmt: skip


def run(settings, say):
    """Return {"cells", "shares"}: a sample is the seconds a step of `STRETCH` steps in a row."""
    cells, watch = [], Watch()
    for name in settings.workloads:
        problem = make_problem(parse(name), settings.dtype)
        x, y = problem.batches[0]
        dark = x.copy()
        dark[:, ::2] = 0
        runs = [(kind, start(problem, settings), inputs, Cell(f"{name} {kind}", "ours_numba"))
                for kind, inputs in (("plain", x), ("black", dark))]  # fmt: skip
        for _, trainer, _, cell in runs:
            before = time.perf_counter()
            trainer.step(x, y)
            cell.first_seconds.append(time.perf_counter() - before)
            cell.steps = STRETCH
            cell.processes.append([])
        say(f"{name}: {settings.rounds * STRETCH} steps")
        for turn in range(settings.rounds):
            for _, trainer, inputs, cell in runs if turn % 2 else runs[::-1]:
                before = time.perf_counter()
                for _ in range(STRETCH):
                    trainer.step(inputs, y)
                cell.processes[0].append((time.perf_counter() - before) / STRETCH)
        for kind, trainer, _, cell in runs:
            moments = trainer.state.moment_1.flat
            tiny = np.finfo(moments.dtype).tiny
            cell.seen = {
                "zero_moments": int(np.sum(moments == 0)),
                "subnormal_moments": int(np.sum((moments != 0) & (np.abs(moments) < tiny))),
            }
            cell.kind = kind
        cells += [cell_to_json(cell) for *_, cell in runs]
    return {"cells": cells, "shares": watch.shares()}


def pairs(measured):
    """Yield (workload, plain cell, black cell)."""
    cells = measured["cells"]
    for plain, black in zip(cells[::2], cells[1::2], strict=True):
        yield plain["workload"].removesuffix(" plain"), plain, black


def tables(measured):
    """Return the table: the two runs' times and their ratio, part by part of the run."""
    rows, notes = [], []
    for name, plain, black in pairs(measured):
        both = np.array([plain["processes"][0], black["processes"][0]])
        for part in np.array_split(np.arange(both.shape[1]), min(PARTS, both.shape[1])):
            plain_time, other = both[0, part], both[1, part]
            found_ratio = median_interval(other / plain_time)
            steps = f"{part[0] * STRETCH + 1:,} to {(part[-1] + 1) * STRETCH:,}"
            rows.append([name, steps, seconds(median_interval(plain_time).median),
                         seconds(median_interval(other).median),
                         f"{found_ratio.median:.2f} [{found_ratio.low:.2f}, "
                         f"{found_ratio.high:.2f}]"])  # fmt: skip
        seen = black["seen"]
        notes.append(f"{name}: at the end {seen['zero_moments']:,} first moments of the black run "
                     f"are 0, {seen['subnormal_moments']:,} subnormal")  # fmt: skip
    notes.append("intervals over rounds of one process: they tell a trend in it, not another one")
    header = ["workload", "steps", "plain", "half black", "black / plain"]
    return [Table("black: a step's time as gradients stay 0", header, rows, notes)]


def plot(measured, path):
    """Draw the ratio over the steps."""
    figure, axes = plots.panels(1, len(measured["cells"]) // 2, "Half of the inputs black")
    for axis, (name, plain, black) in zip(axes, pairs(measured), strict=True):
        ratios = np.array(black["processes"][0]) / np.array(plain["processes"][0])
        axis.plot((np.arange(len(ratios)) + 1) * STRETCH, ratios, ".", color="#0072b2")
        axis.axhline(1, color="0.5", lw=1)
        axis.set(title=name, xlabel="training step", ylabel="time of a step, black / plain")
    plots.save(figure, path)
