"""Predictions: S draws for many rows, averaged; whole weights and Flipout draws."""

import numpy as np

from bnn_ref import predict as predict_by

from .. import plots
from ..comparison import group, step_table
from ..crew import Cell, Crew
from ..results import cell_to_json
from ..workloads import make_problem, make_rows, parse

HELP = "50 draws for 10,000 rows, of whole weights and of Flipout's noise"
WORKLOADS = ["784-128-128-10/128"]
ROUNDS = 7
ROWS, DRAWS, KEPT = 10_000, 50, 64
WIDE = 6.0  # standard errors of a mean over draws


def expected_means(workload, dtype):
    """Return (mean, standard error) of the first rows' class probabilities over `DRAWS` draws.

    Both kinds of draw have the same distribution for each row. Measured by the NumPy back end.
    """
    problem = make_problem(parse(workload), dtype)
    x = make_rows(problem.workload, ROWS, dtype)[:KEPT]
    found = predict_by(problem.network, problem.parameters, x, draws=200, seed=3,
                              backend="numpy")  # fmt: skip
    error = np.sqrt(found.epistemic * (1 / DRAWS + 1 / 200))
    return found.probabilities, error


def check(expected, first, second):
    """Return what is wrong with two predictions of the same rows, in words, or None.

    Each mean is within `WIDE` standard errors of the reference's and one draw's worth, for a
    saturated probability may jump from 0 to 1 in a draw that the reference did not see; and the
    two differ: noise was drawn anew.
    """
    mean, error = expected
    if first.shape != mean.shape or not np.allclose(first.sum(-1), 1, atol=1e-4):
        return "the probabilities of a row do not add up to 1"
    gap = np.abs(first - mean)
    excess = gap - WIDE * error - 1 / DRAWS
    if not np.max(excess) <= 0:
        place = np.unravel_index(np.argmax(excess), gap.shape)
        return (
            f"a mean probability {gap[place]:.4f} from the reference's, whose standard error is "
            f"{error[place]:.4f}"
        )
    moved = np.sqrt(np.mean((first - second) ** 2)) / np.sqrt(np.mean(2 * error**2))
    if not moved > 0.3:
        return "two predictions have the same noise"
    return None


def run(settings, say):
    """Return {"cells", "others"}: a sample is the seconds of a whole prediction."""
    with Crew(settings.running, settings.dtype, settings.threads, say) as crew:
        crew.open(settings.workloads)
        cells = []
        for opened in crew.running():
            expected = expected_means(opened.workload, settings.dtype)
            for kind in crew.workers[opened.contender].call("kinds"):
                cell = Cell(opened.workload, opened.contender, kind=kind)
                cells.append(cell)
                ask = {"rows": ROWS, "draws": DRAWS, "kind": kind, "keep": KEPT}
                crew.call(opened, "losses_at_rest", steps=1)  # back to the initial values
                taken = [crew.call(opened, "predict", **ask) for _ in range(2)]
                if None in taken:
                    cell.refusal = opened.refusal
                    break
                cell.first_seconds = taken[0][0]
                cell.refusal = check(expected, taken[0][1], taken[1][1])
                if cell.refusal:
                    say(f"  REFUSED {cell.contender}, {kind}: {cell.refusal}")
        crew.cells = [*[cell for cell in crew.cells if cell.refusal], *cells]
        say(f"timing {len(crew.running())} cells, {settings.rounds} rounds")

        def measure(cell):
            taken = crew.call(cell, "predict", rows=ROWS, draws=DRAWS, kind=cell.kind, keep=0)
            return None if taken is None else taken[0]

        crew.interleave(settings.rounds, measure)
        found = [cell_to_json(cell) for cell in crew.cells]
        others = crew.watch.others()
    for cell in found:
        if cell["kind"]:
            cell["workload"] += f" {cell['kind']}"
    return {"cells": found, "others": others}


def tables(found):
    """Return the table of times, a row for each contender and kind of draw."""
    title = f"predict: {DRAWS} draws for {ROWS:,} rows, averaged"
    return [step_table(title, found["cells"], per="in all")]


def plot(found, path):
    """Draw the times by kind of draw."""
    figure, axes = plots.panels(1, 1, f"{DRAWS} draws for {ROWS:,} rows", width=8)
    plots.bars(axes[0], group(found["cells"]), plots.names_in(found["cells"]), 1.0, "s")
    plots.save(figure, path)
