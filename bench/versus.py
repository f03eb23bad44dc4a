"""``python -m bench versus A B``: two revisions, or two environments, timed side by side.

A side is a revision of this checkout (a commit, branch or tag), or the path of an interpreter in
whose environment a bnn_ref is installed. A revision's files are unpacked into a folder of its own,
and both sides are driven by this bench: its own checks hold for both.
"""

import argparse
import configparser
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from . import results
from .cli import add_bench, new_document, say, without_folders
from .comparison import could_show, group, medians, timed
from .contenders import entry
from .crew import Crew
from .distance import words
from .machine import available_cpus
from .planted import split_name
from .results import cell_to_json
from .settings import check_near
from .statistics import MOST, compare, needed, share_level
from .tables import Table, ratio, seconds
from .workers import Launch
from .workloads import MAIN, parse

HERE = Path(__file__).resolve().parent
SIDES = ("A", "B")


def git(*words):
    """Return what git prints, as bytes.

    Raises
    ------
    ValueError
        Where git fails; the message is its last line.
    """
    done = subprocess.run(["git", "-C", str(HERE.parent), *words], capture_output=True)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ValueError(f"versus: git {words[0]}: {''.join(last)}")
    return done.stdout


def unpack(revision, folder):
    """Put a revision's package into a folder, each of its packages where imports find it.

    Raises
    ------
    ValueError
        Where git knows no such revision, or it holds no package that setup.cfg maps.
    """
    commit = git("rev-parse", "--verify", "--end-of-options", revision + "^{commit}")
    archive = git("archive", "--format=tar", commit.decode().strip())
    source = folder / "source"
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        # the filter is there from 3.10.12 on; git writes no archive that needs it
        tar.extractall(source, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    settings = configparser.ConfigParser()
    settings.read(source / "setup.cfg")
    try:
        places = settings["options"]["package_dir"]
    except KeyError:
        raise ValueError(f"versus: expected setup.cfg's package_dir in {revision}") from None
    pairs = [line.split("=") for line in places.splitlines() if "=" in line]
    for name, place in sorted((name.strip(), place.strip()) for name, place in pairs):
        if not name.endswith(".bench"):
            shutil.copytree(source / place, folder.joinpath(*name.split(".")), dirs_exist_ok=True)
    shutil.rmtree(source)
    return commit.decode().strip()


def launch(side, contender, folder):
    """Return (`Launch`, what the side is) of a revision or an interpreter."""
    folder.mkdir(parents=True)
    shutil.copytree(HERE, folder / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    if Path(side).is_file() and os.access(side, os.X_OK):
        return Launch(contender, os.path.abspath(side), str(folder)), "an environment"
    return Launch(contender, None, str(folder)), unpack(side, folder)


def make_parser():
    """Return the parser of ``versus``."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m bench versus", description=__doc__, formatter_class=raw,
        epilog="Exit codes: 0, 1 (B is slower than A), 2, 3 (refused), 4 (too noisy to tell).",
    )  # fmt: skip
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument("--contender", default="ours_numba")
    parser.add_argument("--workloads", default=",".join(MAIN[:2]))
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--threads", type=int, default=available_cpus())
    parser.add_argument("--burst", type=float, default=0.1)
    parser.add_argument("--near", type=float, metavar="NS", help="as of the benches")
    parser.add_argument("--plant", metavar="KIND", help="change B in this way: slow-1.05")
    parser.add_argument(
        "--instructions",
        action="store_true",
        help="count instructions of a step instead (valgrind; one thread)",
    )
    parser.add_argument("--json", metavar="FILE")
    return parser


def compared(cells):
    """Return {workload: Comparison of B over A}."""
    pairs = {
        workload: (medians(sides["B"]), medians(sides["A"]))
        for workload, sides in group(cells).items()
        if timed(sides["A"]) and timed(sides["B"])
    }
    level = share_level(len(pairs))
    return {
        workload: compare(b[: len(a)], a[: len(b)], level) for workload, (b, a) in pairs.items()
    }


def tables(cells, names):
    """Return the table: B over A."""
    rows, comparisons = [], compared(cells)
    notes = [f"refused, {cell['contender']} on {cell['workload']}: {cell['refusal']}"
             for cell in cells if cell["refusal"]]  # fmt: skip
    for workload, sides in group(cells).items():
        if workload in comparisons:
            row = comparisons[workload]
            rows.append([workload, *(seconds(np.median(medians(sides[s]))) for s in SIDES),
                         ratio(row), could_show(row), row.verdict])  # fmt: skip
    notes += [f"{side}: {name}" for side, name in zip(SIDES, names, strict=True)]
    if comparisons:
        level = next(iter(comparisons.values())).level
        notes.append(f"level 5% over {len(comparisons)} rows; fewer than {needed(level)} processes "
                     "give no verdict")  # fmt: skip
    header = ["workload", "A", "B", "B / A", "could show", "B is"]
    return Table("versus: a training step", header, rows, notes)


def exit_code(cells):
    """Return 3 (refused), 1 (B is slower), 4 (no telling) or 0."""
    verdicts = [row.verdict for row in compared(cells).values()]
    if any(cell["refusal"] for cell in cells) or not verdicts:
        return 3
    if "slower" in verdicts:
        return 1
    return 4 if any(word.startswith(("too noisy", "no verdict")) for word in verdicts) else 0


def main(arguments):
    """Print the table; return the exit code."""
    options = make_parser().parse_args(arguments)
    workloads = [workload for workload in options.workloads.split(",") if workload]
    for name in workloads:
        parse(name)
    if not 1 <= options.processes <= MOST or options.rounds < 1 or not options.burst > 0:
        raise ValueError(f"versus: expected 1 to {MOST} processes, at least 1 round and a burst "
                         "above 0 seconds")  # fmt: skip
    entry(split_name(options.contender)[1])
    planted = f"{options.plant}:{options.contender}" if options.plant else options.contender
    if options.plant and not split_name(planted)[0]:
        raise ValueError(f"plant: expected slow-FACTOR or another kind, found {options.plant!r}")
    folder = Path(tempfile.mkdtemp(prefix="bench-versus-"))
    try:
        sides, names = {}, []
        for side, given, contender in zip(SIDES, (options.a, options.b),
                                          (options.contender, planted), strict=True):  # fmt: skip
            sides[side], what = launch(given, contender, folder / side)
            names.append(f"{given} ({what})")
        if options.instructions:
            from .instructions import versus

            return versus(sides, names, workloads, options)
        near = check_near(options.near)
        with Crew(sides, options.dtype, options.threads, say, near) as crew:
            crew.open(workloads)
            crew.calibrate(options.burst)
            crew.repeat(options.processes, options.rounds, crew.time_steps)
            shares = crew.watch.shares()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    cells = [cell_to_json(cell) for cell in crew.cells]
    settings = {"dtype": options.dtype, "threads": options.threads, "running": [options.contender],
                "sides": [*map(without_folders, (options.a, options.b))]}  # fmt: skip
    document = new_document(["versus", *arguments], {"versus": settings})
    measured = {"cells": cells, "yardsticks": crew.yardsticks, "shares": shares}
    add_bench(document, "versus", measured, settings, {})
    table = tables(cells, names)
    notes = [*filter(None, [words(cells)]), document["noise"]["versus"]["words"]]
    print(table._replace(notes=[*table.notes, *notes]).text())
    if options.json:
        results.write(document, options.json)
    return exit_code(cells)
