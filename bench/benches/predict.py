"""Predictions: S draws for many rows, averaged; whole weights and Flipout draws."""

import numpy as np

from bnn_ref import predict as predict_by

from .. import plots
from ..comparison import group, step_table
from ..contenders import MAIN_FORMS
from ..crew import Cell, Crew
from ..results import cell_to_json
from ..workloads import make_problem, make_rows, parse

HELP = "50 draws for one row and for 1,000, of whole weights and of Flipout's noise"
WORKLOADS = ["784-128-128-10/128"]
CONTENDERS = MAIN_FORMS
ROUNDS = 2
ROWS_A_WORKLOAD = 4  # two kinds of draw, two numbers of rows
ROWS, DRAWS, KEPT = (1, 1_000), 50, 64
BURST = 0.2  # seconds that a sample of a short prediction fills
WIDE = 6.0  # standard errors of a mean over draws


def expected_means(workload, dtype):
    """Return (mean, standard error) of the first rows' class probabilities over `DRAWS` draws.

    Both kinds of draw have the same distribution for each row. Measured by the NumPy back end.
    """
    problem = make_problem(parse(workload), dtype)
    x = make_rows(problem.workload, KEPT, dtype)
    prediction = predict_by(problem.network, problem.parameters, x, draws=200, seed=3,
                              backend="numpy")  # fmt: skip
    error = np.sqrt(prediction.epistemic * (1 / DRAWS + 1 / 200))
    return prediction.probabilities, error


def check(expected, first, second):
    """Return what is wrong with two predictions of the same rows, in words, or None.

    Each mean is within `WIDE` standard errors of the reference's and one draw's worth, for a
    saturated probability may jump from 0 to 1 in a draw that the reference did not see; and the
    two differ: noise was drawn anew.
    """
    mean, error = (values[: len(first)] for values in expected)
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
    least = 0.3 if len(first) >= KEPT else 0.0  # a single row may move little by chance
    if not moved > least:
        return "two predictions have the same noise"
    return None


def run(settings, say):
    """Return {"cells", "yardsticks", "shares"}: a sample is the seconds of a whole prediction."""
    with Crew(settings.running, settings.dtype, settings.threads, say) as crew:
        opened = crew.open(settings.workloads)
        cells = [cell for problem in opened if problem.refusal is None
                 for cell in check_cells(crew, problem, settings.dtype)]  # fmt: skip
        crew.cells = [*[cell for cell in opened if cell.refusal], *cells]
        say(f"timing {len(crew.running())} cells in {settings.processes} processes each")

        def measure(cell):
            rows, repeats = cell.seen["rows"], cell.steps
            taken = [
                crew.call(cell, "predict", rows=rows, draws=DRAWS, kind=cell.kind, keep=0)
                for _ in range(repeats)
            ]
            return None if None in taken else sum(time[0] for time in taken) / repeats

        crew.repeat(settings.processes, settings.rounds, measure, lambda: to_initial_values(crew))
        shares = crew.watch.shares()
    told = [cell_to_json(cell) for cell in crew.cells]
    for cell in told:
        if cell["kind"]:
            cell["workload"] += f" {cell['kind']}, {words_of(cell['seen']['rows'])}"
    return {"cells": told, "yardsticks": crew.yardsticks, "shares": shares}


def words_of(rows):
    """Return a number of rows in words: "1 row", "1,000 rows"."""
    return f"{rows:,} row" + "s" * (rows != 1)


def to_initial_values(crew):
    """Set every network to its initial values: those that the check knows."""
    for name, workload in dict.fromkeys((cell.contender, cell.workload) for cell in crew.running()):
        cell = Cell(workload, name)
        crew.call(cell, "losses_at_rest", steps=1)


def check_cells(crew, opened, dtype):
    """Return a cell for each kind of draw and number of rows, checked on its first rows."""
    cells = []
    expected = expected_means(opened.workload, dtype)
    crew.call(opened, "losses_at_rest", steps=1)
    for kind in crew.workers[opened.contender].call("kinds"):
        for rows in ROWS:
            cell = Cell(opened.workload, opened.contender, kind=kind, seen={"rows": rows})
            cells.append(cell)
            ask = {"rows": rows, "draws": DRAWS, "kind": kind, "keep": KEPT}
            taken = [crew.call(cell, "predict", **ask) for _ in range(2)]
            if None in taken:
                continue
            cell.first_seconds = [taken[0][0]]
            cell.steps = max(1, min(20, int(BURST / taken[1][0])))
            cell.refusal = check(expected, taken[0][1], taken[1][1])
            if cell.refusal:
                crew.say(f"  REFUSED {cell.contender}, {kind}: {cell.refusal}")
    return cells


def tables(measured):
    """Return the table of times, a row for each contender and kind of draw."""
    return [step_table(f"predict: {DRAWS} draws, averaged", measured["cells"], per="in all")]


def plot(measured, path):
    """Draw the times by kind of draw."""
    figure, axes = plots.panels(1, 1, f"{DRAWS} draws of the network", width=8)
    plots.dots(axes[0], group(measured["cells"]), plots.names_in(measured["cells"]), 1e3, "ms")
    plots.save(figure, path)
