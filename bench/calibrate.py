"""``python -m bench calibrate``: the ruler itself measured, on this machine, by real runs.

In every run each workload has this library, the same once more (A/A), and three copies that were
slowed by a known factor, all in fresh processes side by side and judged as `step` judges them. Of
all runs: how often an A/A interval excludes 1, how often a planted slowdown is found where the run
said that it could, whether one was ever called faster, and how the yardstick varied.
"""

import argparse
from typing import NamedTuple

import numpy as np

from . import results
from .comparison import against_base, medians
from .crew import Crew
from .machine import available_cpus, noise_report
from .planted import split_name
from .statistics import LEVEL, compare, needed, share_level, spread
from .tables import Table, percent
from .workloads import parse

BASE = "ours_numba"
FACTORS = (1.03, 1.05, 1.10)
WORKLOADS = "13-50-2/32,784-128-128-10/128,784-512-512-10/128"
RUNS, ROUNDS, BURST = 14, 2, 0.05


class Judged(NamedTuple):
    """One row of one run.

    Attributes
    ----------
    run : int
    workload, kind : str
        "again", or "slow-1.05".
    ratio, low, high, shows : float
        As `statistics.Comparison` has them, at the level of a table of all this run's rows.
    verdict : str
    alone : bool
        At the level of a table of this row alone the interval excludes 1.
    """

    run: int
    workload: str
    kind: str
    ratio: float
    low: float
    high: float
    shows: float
    verdict: str
    alone: bool


def judge(cells, processes):
    """Return the `Judged` rows of runs of so many processes each.

    Parameters
    ----------
    cells : list of dict
        Those of all runs, one after the other, as `results.cell_to_json` gives them.
    processes : int
    """
    runs = min(len(cell["processes"]) for cell in cells) // processes
    judged = []
    for run in range(runs):
        part = slice(run * processes, (run + 1) * processes)
        mine = [{**cell, "processes": cell["processes"][part]} for cell in cells]
        times = {(cell["workload"], cell["contender"]): medians(cell) for cell in mine}
        for (workload, name), row in against_base(mine).items():
            alone = compare(times[workload, name], times[workload, BASE], LEVEL)
            judged.append(
                Judged(run, workload, split_name(name)[0], row.ratio, row.low, row.high, row.shows,
                       row.verdict, alone.verdict in ("slower", "faster"))
            )  # fmt: skip
    return judged


def summarize(judged):
    """Return the rows of the table: kind, rows, found, where it could, of those found, faster."""
    rows = []
    for kind in dict.fromkeys(row.kind for row in judged):
        mine = [row for row in judged if row.kind == kind]
        planted = 0.0 if kind == "again" else float(kind.removeprefix("slow-")) - 1
        could = [row for row in mine if row.shows <= planted]
        rows.append([
            "A/A" if kind == "again" else f"{planted:.0%} slower",
            str(len(mine)),
            str(sum(row.verdict in ("slower", "faster") for row in mine)),
            str(sum(row.alone for row in mine)),
            str(len(could)) if planted else "",
            str(sum(row.verdict == "slower" for row in could)) if planted else "",
            str(sum(row.verdict == "faster" for row in mine)),
        ])  # fmt: skip
    return rows


def variation(readings):
    """Return the standard deviation of readings over their mean."""
    return float(np.std(readings, ddof=1) / np.mean(readings)) if len(readings) > 1 else 0.0


def table(document):
    """Return the `Table` of a calibration."""
    judged = [Judged(**row) for row in document["judged"]]
    level = share_level(len({(row.workload, row.kind) for row in judged}))
    peaks, blas = document["peaks"], document["blas"]
    notes = [
        f"{document['runs']} runs of {document['processes']} processes a contender on "
        f"{', '.join(document['workloads'])}",
        f"excludes 1: at the level of a run, {LEVEL:.0%} over its rows, {level:.2%} each",
        "excludes 1 alone: at 5 % for the row by itself, where 1 of 20 A/A rows does so by chance",
        f"yardstick: {len(peaks)} readings of the peak, half the quartiles' distance "
        f"{percent(spread(peaks))} of the median, standard deviation {percent(variation(peaks))} "
        "of the mean; below BLAS's rate in "
        f"{sum(a < b for a, b in zip(peaks, blas, strict=True))}",
        document["noise"]["words"],
    ]
    header = ["planted", "rows", "excludes 1", "alone", "could show it", "of those found",
              "called faster"]  # fmt: skip
    return Table("calibrate: what the intervals say of what is known", header, summarize(judged),
                 notes)  # fmt: skip


def measure(options, say):
    """Return the document of a calibration: its judged rows, the yardstick's readings, the noise.

    Parameters
    ----------
    options : argparse.Namespace
        Of `make_parser`.
    say : function(str)
    """
    names = [BASE, f"again:{BASE}", *(f"slow-{factor:.2f}:{BASE}" for factor in FACTORS)]
    workloads = options.workloads.split(",")
    with Crew(names, "float32", options.threads, say) as crew:
        crew.open(workloads, check=False)
        crew.calibrate(options.burst)
        crew.repeat(options.runs * options.processes, options.rounds, crew.time_steps)
        shares = crew.watch.shares()
    cells = [results.cell_to_json(cell) for cell in crew.cells]
    if refused := [cell["refusal"] for cell in cells if cell["refusal"]]:
        raise ValueError(f"calibrate: {refused[0]}")
    return {
        "runs": options.runs,
        "processes": options.processes,
        "workloads": workloads,
        "judged": [row._asdict() for row in judge(cells, options.processes)],
        "peaks": [yardstick["fma"] for yardstick in crew.yardsticks],
        "blas": [yardstick["blas"] for yardstick in crew.yardsticks],
        "noise": noise_report(shares, crew.yardsticks),
    }


def make_parser():
    """Return the parser of ``python -m bench calibrate``."""
    parser = argparse.ArgumentParser(
        prog="python -m bench calibrate", description=__doc__.split("\n\n", 1)[1]
    )
    rows = (1 + len(FACTORS)) * len(WORKLOADS.split(","))
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--processes", type=int, default=max(10, needed(share_level(rows))),
                        help="fresh processes a contender in each run")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="samples in a process")
    parser.add_argument("--burst", type=float, default=BURST, help="seconds a sample takes")
    parser.add_argument("--workloads", default=WORKLOADS, help="names, separated by commas")
    parser.add_argument("--threads", type=int, default=available_cpus())
    parser.add_argument("--json", metavar="FILE", help="write every judged row")
    return parser


def main(arguments):
    """Run a calibration; return the exit code.

    Raises
    ------
    ValueError
        For a workload's name or a number that does not fit, or where a contender failed.
    OSError
        Where the file cannot be written.
    """
    from .cli import check_places, say

    options = make_parser().parse_args(arguments)
    options.out = None
    for name in ("runs", "processes", "rounds", "threads"):
        if getattr(options, name) < 1:
            raise ValueError(f"{name}: expected at least 1, found {getattr(options, name)}")
    least = needed(share_level(len(options.workloads.split(",")) * (1 + len(FACTORS))))
    if options.processes < least:
        raise ValueError(
            f"processes: expected at least {least}, or no row gets a verdict, found "
            f"{options.processes}"
        )
    if not options.burst > 0:
        raise ValueError(f"burst: expected seconds above 0, found {options.burst}")
    for name in options.workloads.split(","):
        parse(name)
    check_places(options)
    document = measure(options, say)
    print(table(document).text())
    if options.json:
        from .machine import describe

        results.write({**document, "machine": describe()}, options.json)
    return 0
