"""Training to a given held-out quality: seconds and steps."""

import numpy as np

from bnn_ref import predict

from .. import plots
from ..comparison import base_of, title_of
from ..crew import Crew
from ..fitting import read, training_problem, workload_of
from ..results import cell_to_json
from ..tables import Table, seconds

HELP = "training to a held-out quality: seconds and steps (--data mnist folder, or digits)"
WORKLOADS = []
ROUNDS = 24  # looks at the held-out rows, at most
TARGET = {"digits": -0.12, "idx": -0.15}  # mean log-probability of the held-out labels, nats
EVERY = {"digits": 20, "idx": 250}  # steps between two looks
LEARNING_RATE = {"digits": 0.005, "idx": 0.01}
DRAWS = 10


def quality(problem, held_out, values):
    """Return the held-out nats and accuracy of a contender's parameters, by this project."""
    parameters = problem.network.parameters(values, problem.parameters.dtype)
    found = predict(problem.network, parameters, held_out.x, held_out.y, draws=DRAWS,
                    backend="numpy")  # fmt: skip
    return found.nats, found.accuracy


def run(settings, say):
    """Return {"cells", "target", "others"}: training goes on, in turns, until all are there."""
    kind = "digits" if settings.data == "digits" else "idx"
    target, every = TARGET[kind], EVERY[kind]
    data = read(settings.data, settings.dtype)
    workload = workload_of(settings.data, settings.dtype).name
    problem = training_problem(settings.data, LEARNING_RATE[kind], settings.dtype)
    with Crew(settings.running, settings.dtype, settings.threads, say) as crew:
        crew.open([workload])
        for cell in crew.running():
            crew.call(cell, "use_data", data=settings.data, learning_rate=LEARNING_RATE[kind])
        say(f"training on {settings.data} to {target} nats, {every} steps at a time")

        def measure(cell):
            curve = cell.seen.setdefault("curve", [])
            if curve and curve[-1]["nats"] >= target:
                return None
            taken = crew.call(cell, "train", first=len(curve) * every, steps=every)
            if taken is None:
                return None
            nats, accuracy = quality(problem, data.validation, taken[1])
            before = curve[-1]["seconds"] if curve else 0.0
            curve.append({"steps": (len(curve) + 1) * every, "seconds": before + taken[0],
                          "nats": nats, "accuracy": accuracy})  # fmt: skip
            return taken[0]

        turns = 0
        while turns < settings.rounds and not all(_there(one, target) for one in crew.running()):
            crew.interleave(1, measure, seed=turns, quiet=True)
            turns += 1
            best = max((one.seen["curve"][-1]["nats"] for one in crew.running()), default=np.nan)
            say(f"  {turns * every} steps, the best at {best:.3f} nats")
        cells = [cell_to_json(cell) for cell in crew.cells]
        others = crew.watch.others()
    return {"cells": cells, "target": target, "others": others, "data": kind}


def _there(cell, target):
    curve = cell.seen.get("curve")
    return bool(curve) and curve[-1]["nats"] >= target


def tables(found):
    """Return the table of seconds and steps to the target."""
    rows, notes, target = [], [], found["target"]
    cells = {cell["contender"]: cell for cell in found["cells"]}
    base = cells.get(base_of(found["cells"]))
    for name, cell in cells.items():
        curve = cell["seen"].get("curve")
        if cell["refusal"] or not curve:
            notes.append(f"refused, {title_of(name)}: {cell['refusal']}")
            continue
        last = curve[-1]
        there = last["nats"] >= target
        same = min(len(cell["samples"]), len(base["samples"]))
        pace = sum(cell["samples"][:same]) / sum(base["samples"][:same])
        rows.append([title_of(name), seconds(last["seconds"]) if there else "not reached",
                     str(last["steps"]), f"{last['nats']:.3f}", f"{last['accuracy']:.3f}",
                     f"{1e3 * last['seconds'] / last['steps']:.3g} ms", f"{pace:.2f}"])  # fmt: skip
    header = ["contender", "seconds", "steps", "nats", "accuracy", "a step", "x ours a step"]
    notes.append(f"target {target} nats on held-out rows, averaged over {DRAWS} draws of weights; "
                 "looks at it are not counted, and neither is compilation")  # fmt: skip
    return [Table(f"fit: {found['data']} to a held-out quality", header, rows, notes)]


def plot(found, path):
    """Draw held-out nats against seconds and against steps."""
    figure, axes = plots.panels(1, 2, f"Training on {found['data']}: held-out log-probability")
    for cell in found["cells"]:
        curve = cell["seen"].get("curve") or []
        name = cell["contender"]
        for axis, x in zip(axes, ("seconds", "steps"), strict=True):
            axis.plot([one[x] for one in curve], [one["nats"] for one in curve],
                      label=title_of(name), **plots.style(name))  # fmt: skip
    for axis, x in zip(axes, ("seconds", "steps"), strict=True):
        axis.axhline(found["target"], color="#444444", linestyle=":", linewidth=1)
        axis.set(xlabel=x, ylabel="nats")
    axes[0].set(xscale="log")
    axes[1].legend(fontsize=7, frameon=False)
    plots.save(figure, path)
