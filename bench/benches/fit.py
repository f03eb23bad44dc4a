"""Training to a given held-out quality: seconds from the start of the process, and steps."""

import random
import time

import numpy as np

from bnn_ref import predict

from .. import plots
from ..comparison import group, step_table, timed, title_of
from ..contenders import MAIN_FORMS
from ..crew import Crew
from ..fitting import read, training_problem
from ..results import cell_to_json
from ..workers import Worker, WorkerError, last_line

HELP = "seconds to a held-out quality, start included (--data digits, MNIST's or a UCI folder, ...)"
WORKLOADS = []
CONTENDERS = MAIN_FORMS
PROCESSES = 10  # each has a seed of its own
LOOKS = 60  # at the held-out rows, at most
DRAWS = 10


def quality(problem, task, values):
    """Return the held-out nats of a contender's parameters, by this project."""
    parameters = problem.network.parameters(values, problem.parameters.dtype)
    return predict(problem.network, parameters, task.held_x, task.held_y, draws=DRAWS,
                   backend="numpy").nats  # fmt: skip


def train(name, settings, data, seed):
    """Return (seconds, steps or None, curve) of one process: to the target, looks not counted."""
    task = read(data, settings.dtype)
    workload = task.workload.name
    problem = training_problem(task, seed)
    begin = time.perf_counter()
    with Worker(name, settings.dtype, settings.threads) as worker:
        worker.call("start_training", workload=workload, data=data, seed=seed)
        spent, curve = time.perf_counter() - begin, []
        for look in range(LOOKS):
            begin = time.perf_counter()
            taken = worker.call("train", workload=workload, first=look * task.every,
                                steps=task.every)  # fmt: skip
            spent += time.perf_counter() - begin
            curve.append([spent, quality(problem, task, taken[1])])
            if curve[-1][1] >= task.target:
                return spent, (look + 1) * task.every, curve
    return spent, None, curve


def run(settings, say):
    """Return {"cells", "targets", "yardsticks", "shares"}: a process is a seed, trained alone."""
    run_cells, targets = [], {}
    with Crew(settings.running, settings.dtype, settings.threads, say) as crew:
        for data in settings.data.split(","):
            task = read(data, settings.dtype)
            targets[task.name] = task.target
            cells = crew.open([task.workload.name])
            run_cells += [(data, task.name, cell) for cell in cells]
    names = [run_cell for run_cell in run_cells if run_cell[2].refusal is None]
    yardsticks, order = [], random.Random(0)
    with Worker("blas", settings.dtype, settings.threads) as yard:
        for seed in range(settings.processes):
            yardsticks.append(yard.call("yardstick", working_sets=[]))
            order.shuffle(names)
            for data, _, cell in names:
                _train_into(cell, settings, data, seed)
            say(f"  seed {seed + 1} of {settings.processes}")
    cells = [{**cell_to_json(cell), "workload": name} for _, name, cell in run_cells]
    return {"cells": cells, "targets": targets, "yardsticks": yardsticks,
            "shares": crew.watch.shares()}  # fmt: skip


def _train_into(cell, settings, data, seed):
    """Add one training to a cell; one that does not reach the target ends it."""
    if cell.refusal:
        return
    try:
        seconds, steps, curve = train(cell.contender, settings, data, seed)
    except WorkerError as error:
        cell.refusal = f"failed: {last_line(error)}"
        return
    cell.seen.setdefault("curves", []).append(curve)
    if steps is None:
        cell.refusal = f"seed {seed} was at {curve[-1][1]:.3f} nats after {seconds:.1f} s"
        return
    cell.seen.setdefault("target_steps", []).append(steps)
    cell.processes.append([seconds])


def tables(measured):
    """Return the table of seconds to the target, and the steps that it took."""
    table = step_table("fit: seconds from the process's start to a held-out quality",
                       measured["cells"], first=False, per="to the target")  # fmt: skip
    for workload, by_name in group(measured["cells"]).items():
        steps = ", ".join(
            f"{title_of(name)} {int(np.median(cell['seen']['target_steps']))}"
            for name, cell in by_name.items() if timed(cell)
        )  # fmt: skip
        table.notes.append(
            f"{workload}: target {measured['targets'][workload]} nats on held-out rows "
            f"over {DRAWS} draws of weights; steps, median over seeds: {steps}"
        )
    table.notes.append("import, building and compilation count, looks at the held-out rows do not; "
                       "compiled code that a library keeps on disk was there")  # fmt: skip
    return [table]


def plot(measured, path):
    """Draw held-out nats against seconds, a line for each contender's first seed."""
    sets = group(measured["cells"])
    figure, axes = plots.panels(1, len(sets), "Held-out log-probability from the start")
    for axis, (workload, by_name) in zip(axes, sets.items(), strict=True):
        for name, cell in by_name.items():
            if cell["seen"].get("curves"):
                seconds, nats = np.array(cell["seen"]["curves"][0]).T
                axis.plot(seconds, nats, label=title_of(name), **plots.style(name))
        axis.axhline(measured["targets"][workload], color="#444444", linestyle=":", linewidth=1)
        axis.set(title=workload, xlabel="seconds", ylabel="nats", xscale="log")
        plots.plain_numbers(axis.xaxis)
        plots.legend(axis)
    plots.save(figure, path)
