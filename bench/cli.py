"""The command line of the bench: which benches, what on, and where the results go."""

import argparse
import sys
import tempfile
import time
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from . import results
from .benches import NAMES, get_bench
from .comparison import inconclusive
from .contenders import CONTENDERS, choose, entry, missing, versions
from .planted import split_name
from .workers import PACKAGE


class Settings(NamedTuple):
    """What a bench is told.

    Attributes
    ----------
    workloads, running : list of str
        Workload names; contenders that are here, planted ones among them.
    processes, rounds : int
        Fresh processes a contender, and samples of a cell in each.
    dtype : str
    threads : int
    burst : float
        Seconds a sample is to take.
    data : str
        "digits", a folder of IDX files or of a UCI set, separated by commas; for `fit` and
        `variance`.
    draws : int
        Noise draws a point, for `variance`.
    """

    workloads: list
    running: list
    processes: int
    rounds: int
    dtype: str
    threads: int
    burst: float
    data: str
    draws: int


def make_parser():
    """Return the parser of ``python -m bench``."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {PACKAGE}",
        description="This project beside other frameworks, on the same work, in one run.",
        epilog="Also: versus REV_A REV_B, compare OLD.json NEW.json, summary FILE.json ..., export "
        "FILE.json PYPERF.json, template; each has --help. Exit codes: 0; 1 slower (versus, "
        "compare); 2 a mistake in the command; 3 a contender was refused; 4 too noisy to tell.",
    )
    parser.add_argument("benches", nargs="*", metavar="BENCH", help=", ".join(NAMES))
    parser.add_argument("--list", action="store_true", help="what there is, and what is installed")
    parser.add_argument("--workloads", help="names as 784-128-128-10/128, separated by commas")
    parser.add_argument("--contenders", help="names, separated by commas (default: all)")
    parser.add_argument(
        "--contender",
        action="append",
        default=[],
        metavar="FILE.py:CLASS",
        help="add one of your own (docs/benchmarking.md); can be repeated",
    )
    parser.add_argument("--processes", type=int, help="fresh processes a contender (default: what "
                        "a verdict needs at 5 %% over all rows, at least 10)")  # fmt: skip
    parser.add_argument("--rounds", type=int, help="samples of a cell in a process")
    parser.add_argument("--quick", action="store_true",
                        help="two sizes, four contenders, under three minutes")  # fmt: skip
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--threads", type=int, help="for every contender (default: all processors)")
    parser.add_argument("--burst", type=float, default=0.1, help="seconds a sample takes")
    parser.add_argument(
        "--data",
        default="digits",
        help="digits, a folder of IDX files (MNIST) or of a UCI set, separated by commas",
    )
    parser.add_argument("--draws", type=int, default=1000, help="variance: noise draws a point")
    parser.add_argument("--plant", default="", help="add a dishonest contender: no-kl:ours_numpy")
    parser.add_argument("--json", metavar="FILE", help="write raw samples and all the rest")
    parser.add_argument("--out", metavar="DIR", help="write a Markdown table and a plot per bench")
    return parser


def say(line):
    """Print a line of progress to standard error."""
    print(line, file=sys.stderr, flush=True)


def listing():
    """Return what ``--list`` prints."""
    lines = ["benches:"]
    for name in NAMES:
        bench = get_bench(name)
        lines.append(f"  {name:10} {bench.HELP}")
    lines.append("contenders:")
    for name, one_entry in CONTENDERS.items():
        reason = missing(name)
        there = ", ".join(f"{one} {version}" for one, version in versions(name).items())
        lines.append(f"  {name:20} {one_entry.title:24} {'ABSENT: ' + reason if reason else there}")
        lines.append(
            f"  {'':20} {one_entry.form}{': ' + one_entry.tried if one_entry.tried else ''}"
        )
    lines.append("workloads (layer sizes/batch; any other of this form can be asked for):")
    for name in NAMES:
        if get_bench(name).WORKLOADS:
            lines.append(f"  {name:10} " + " ".join(get_bench(name).WORKLOADS))
    return "\n".join(lines)


def split(text):
    """Return the parts of a comma-separated text, empty ones left out."""
    return [part for part in (text or "").split(",") if part]


QUICK = {
    "workloads": ["13-50-2/32", "784-128-128-10/128"],
    "contenders": ["ours_numba", "ours_numpy", "jax_jit", "torch_eager"],
}
LEAST_PROCESSES = 10


def rows_of(bench, workloads, running):
    """Return how many rows of a bench get a verdict: all but this project's own."""
    return max(1, len(workloads) * getattr(bench, "ROWS_A_WORKLOAD", 1) * (len(running) - 1))


def settings_for(bench, options):
    """Return (Settings, {absent contender: reason}) of a bench.

    Raises
    ------
    ValueError
        For a name or a number that does not fit.
    """
    from .machine import available_cpus
    from .statistics import MOST, needed, share_level
    from .workloads import parse

    cpus = available_cpus()
    threads = cpus if options.threads is None else options.threads
    if not 1 <= threads <= cpus:
        raise ValueError(f"threads: expected 1 to {cpus}, found {threads}")
    rounds = getattr(bench, "ROUNDS", 1) if options.rounds is None else options.rounds
    if rounds < 1:
        raise ValueError(f"rounds: expected at least 1, found {rounds}")
    if not options.burst > 0:
        raise ValueError(f"burst: expected seconds above 0, found {options.burst}")
    if options.draws < 20:
        raise ValueError(f"draws: expected at least 20, found {options.draws}")
    quick = QUICK if options.quick else {}
    workloads = split(options.workloads) or [
        one for one in bench.WORKLOADS if not quick or one in quick["workloads"]
    ]
    for name in workloads:
        parse(name)
    wanted = split(options.contenders) or [
        one
        for one in getattr(bench, "CONTENDERS", CONTENDERS)
        if not quick or one in quick["contenders"]
    ]
    planted = split(options.plant)
    ours = next((one for one in ("ours_numba", "ours_numpy") if one in wanted), None)
    if ours and getattr(bench, "AGAIN", True) and not missing(ours):
        planted.insert(0, f"again:{ours}")
    absent, running = choose([*wanted, *options.contender], planted)
    processes = getattr(bench, "PROCESSES", 0) if options.processes is None else options.processes
    if options.processes is None and processes != 1:
        level = share_level(rows_of(bench, workloads, running))
        processes = max(LEAST_PROCESSES, needed(level))
    if not 1 <= processes <= MOST:
        raise ValueError(f"processes: expected 1 to {MOST}, found {processes}")
    return (
        Settings(workloads, running, processes, rounds, options.dtype, threads, options.burst,
                 options.data, options.draws),
        absent,
    )  # fmt: skip


def write_reports(name, tables, bench, found, folder):
    """Write a bench's Markdown and plot into a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(table.markdown() for table in tables)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        say("no plot: matplotlib is not installed")
        return
    bench.plot(found, folder / f"{name}.png")


def without_folders(argument):
    """Return a word of the command as results keep it: of an absolute path the name alone.

    Results are shown to others; where somebody keeps files is nothing of theirs.
    """
    option, equals, value = argument.rpartition("=")
    return option + equals + (Path(value).name if Path(value).is_absolute() else value)


def check_places(options):
    """Raise where results could not be written: now, not after the minutes that they take.

    Raises
    ------
    OSError
        The message names the path.
    """
    places = [("--out", Path(options.out))] if options.out else []
    if options.json:
        if Path(options.json).is_dir():
            raise OSError(f"--json: expected a file, found the folder {options.json}")
        places.append(("--json", Path(options.json).parent))
    for option, folder in places:
        try:
            if option == "--out":
                folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise OSError(f"{option}: cannot write in {folder}: {error.strerror}") from None


def new_document(command, settings):
    """Return the document of a run that has not begun.

    Parameters
    ----------
    command : list of str
    settings : dict of bench to dict
    """
    from .machine import describe

    return {
        "format": results.FORMAT,
        "version": results.VERSION,
        "command": ["python", "-m", PACKAGE, *map(without_folders, command)],
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": 0.0,
        "machine": describe(),
        "contenders": {},
        "settings": settings,
        "noise": {},
        "benches": {},
    }


def add_bench(document, name, found, settings, absent):
    """Add what a bench found, who ran, and how quiet the machine was."""
    from .machine import noise_report

    for contender in [*settings["running"], *absent]:
        real = split_name(contender)[1]
        document["contenders"][contender] = {
            "title": entry(real).title,
            "form": entry(real).form,
            "versions": versions(real),
            "absent": absent.get(contender),
        }
    document["benches"][name] = found
    document["noise"][name] = noise_report(found["shares"], found.get("yardsticks", []))


def run(options):
    """Run the benches; return the exit code: 0, 3 (refused), or 4 (too noisy to tell)."""
    chosen = {name: get_bench(name) for name in options.benches}
    check_places(options)
    plans = {name: settings_for(bench, options) for name, bench in chosen.items()}
    start = time.monotonic()
    kept = {name: plan[0]._asdict() for name, plan in plans.items()}
    for one in kept.values():
        one["data"] = ",".join(map(without_folders, one["data"].split(",")))
    document = new_document(options.command, kept)
    for name, bench in chosen.items():
        settings, absent = plans[name]
        say(f"{name}: {bench.HELP}")
        found = bench.run(settings, say)
        add_bench(document, name, found, settings._asdict(), absent)
        tables = bench.tables(found)
        extra = [f"{contender}: {reason}" for contender, reason in absent.items()]
        extra.append(
            f"{settings.threads} threads, {settings.dtype}, {settings.processes} processes a "
            f"contender, {settings.rounds} samples in each"
        )
        extra.append(document["noise"][name]["words"])
        tables[0] = tables[0]._replace(notes=tables[0].notes + extra)
        print("\n".join(table.text() for table in tables), flush=True)
        if options.out:
            write_reports(name, tables, bench, found, options.out)
        document["seconds"] = time.monotonic() - start
        if options.json:
            results.write(document, options.json)
    say(f"done in {time.monotonic() - start:.0f} s")
    return exit_code(document)


def exit_code(document):
    """Return 3 where a contender was refused, 4 where a row cannot be told, else 0."""
    found = [found.get("cells", []) for found in document["benches"].values()]
    refusals = [cell["refusal"] for cells in found for cell in cells if cell["refusal"]]
    if not all(one.startswith("left out") for one in refusals):
        return 3
    return 4 if any(inconclusive(cells) for cells in found) else 0


COMMANDS = {  # module and function of each
    "versus": ("versus", "main"),
    "compare": ("compare", "main"),
    "summary": ("summary", "main"),
    "export": ("results", "export"),
    "template": ("template", "main"),
}


def main(arguments=None):
    """Run the command; return its exit code (2 for a mistake in the command)."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if arguments[:1] and arguments[0] in COMMANDS:
            module, function = COMMANDS[arguments[0]]
            command = getattr(import_module(f".{module}", __package__), function)
            return command(arguments[1:])
        options = make_parser().parse_args(arguments)
        options.command = arguments
        if options.list:
            print(listing())
            return 0
        if options.quick and not options.benches:
            options.benches = ["step"]
        if not options.benches:
            raise ValueError(f"bench: expected one or more of {', '.join(NAMES)}, found none")
        return run(options)
    except (ValueError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"bench: {error.name} is missing; pip install 'bnn_ref[bench]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
