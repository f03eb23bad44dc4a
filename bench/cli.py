"""The command line of the bench: which benches, what on, and where the results go."""

import argparse
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from . import results
from .benches import NAMES, get_bench
from .contenders import CONTENDERS, missing, versions


class Settings(NamedTuple):
    """What a bench is told.

    Attributes
    ----------
    workloads, running : list of str
        Workload names; contenders that are here, planted ones among them.
    rounds : int
    dtype : str
    threads : int
    burst : float
        Seconds a sample is to take.
    data : str
        "digits" or a folder of IDX files, for `fit` and `variance`.
    draws : int
        Noise draws a point, for `variance`.
    """

    workloads: list
    running: list
    rounds: int
    dtype: str
    threads: int
    burst: float
    data: str
    draws: int


def make_parser():
    """Return the parser of ``python -m bench``."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="This project beside other frameworks, on the same work, in one run.",
        epilog="python -m bench compare OLD.json NEW.json [--fail-above 1.10] compares two runs; "
        "python -m bench summary FILE.json prints the short table of one.",
    )
    parser.add_argument("benches", nargs="*", metavar="BENCH", help=", ".join(NAMES))
    parser.add_argument("--list", action="store_true", help="what there is, and what is installed")
    parser.add_argument("--workloads", help="names as 784-128-128-10/128, separated by commas")
    parser.add_argument("--contenders", help="names, separated by commas (default: all)")
    parser.add_argument("--rounds", type=int, help="samples for each cell")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--threads", type=int, help="for every contender (default: all processors)")
    parser.add_argument("--burst", type=float, default=0.1, help="seconds a sample takes")
    parser.add_argument("--data", default="digits", help="digits, or a folder of IDX files (MNIST)")
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
    for name, entry in CONTENDERS.items():
        reason = missing(name)
        there = ", ".join(f"{one} {version}" for one, version in versions(name).items())
        lines.append(f"  {name:15} {entry.title:18} {'ABSENT: ' + reason if reason else there}")
    lines.append("workloads (layer sizes/batch; any other of this form can be asked for):")
    for name in NAMES:
        if get_bench(name).WORKLOADS:
            lines.append(f"  {name:10} " + " ".join(get_bench(name).WORKLOADS))
    return "\n".join(lines)


def split(text):
    """Return the parts of a comma-separated text, empty ones left out."""
    return [part for part in (text or "").split(",") if part]


def settings_for(bench, options):
    """Return (Settings, {absent contender: reason}) of a bench.

    Raises
    ------
    ValueError
        For a name or a number that does not fit.
    """
    from .crew import choose
    from .machine import available_cpus
    from .workloads import parse

    cpus = available_cpus()
    threads = cpus if options.threads is None else options.threads
    if not 1 <= threads <= cpus:
        raise ValueError(f"threads: expected 1 to {cpus}, found {threads}")
    rounds = bench.ROUNDS if options.rounds is None else options.rounds
    if rounds < 1:
        raise ValueError(f"rounds: expected at least 1, found {rounds}")
    if not options.burst > 0:
        raise ValueError(f"burst: expected seconds above 0, found {options.burst}")
    if options.draws < 20:
        raise ValueError(f"draws: expected at least 20, found {options.draws}")
    workloads = split(options.workloads) or list(bench.WORKLOADS)
    for name in workloads:
        parse(name)
    wanted = split(options.contenders) or list(getattr(bench, "CONTENDERS", CONTENDERS))
    absent, running = choose(wanted, split(options.plant))
    return (
        Settings(workloads, running, rounds, options.dtype, threads, options.burst, options.data,
                 options.draws),
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


def run(options):
    """Run the benches and return the exit code: 0, or 3 where a contender was refused."""
    from .machine import blas, describe, noise_report

    chosen = {name: get_bench(name) for name in options.benches}
    check_places(options)
    plans = {name: settings_for(bench, options) for name, bench in chosen.items()}
    start = time.monotonic()
    document = {
        "format": results.FORMAT,
        "version": results.VERSION,
        "command": ["python", "-m", "bench", *map(without_folders, options.command)],
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {**describe(), "blas": blas()},
        "contenders": {},
        "settings": {name: plan[0]._asdict() for name, plan in plans.items()},
        "noise": {},
        "benches": {},
    }
    for name, bench in chosen.items():
        settings, absent = plans[name]
        for contender in [*settings.running, *absent]:
            real = contender.rpartition(":")[2]
            document["contenders"][contender] = {
                "title": CONTENDERS[real].title,
                "versions": versions(real),
                "absent": absent.get(contender),
            }
        say(f"{name}: {bench.HELP}")
        found = document["benches"][name] = bench.run(settings, say)
        rates = [one["fma"] for one in found.get("yardsticks", [])]
        noise = document["noise"][name] = noise_report(found.get("others", 0.0), rates)
        tables = bench.tables(found)
        extra = [f"{contender}: {reason}" for contender, reason in absent.items()]
        extra.append(f"{settings.threads} threads, {settings.dtype}, {settings.rounds} rounds")
        extra.append(noise["words"])
        tables[0] = tables[0]._replace(notes=tables[0].notes + extra)
        print("\n".join(table.text() for table in tables), flush=True)
        if options.out:
            write_reports(name, tables, bench, found, options.out)
        document["seconds"] = time.monotonic() - start
        if options.json:
            results.write(document, options.json)
    say(f"done in {time.monotonic() - start:.0f} s")
    cells = [cell for found in document["benches"].values() for cell in found.get("cells", [])]
    return 3 if any(cell["refusal"] for cell in cells) else 0


def main(arguments=None):
    """Run the command; return its exit code (2 for a mistake in the command)."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if arguments[:1] == ["compare"]:
            from .compare import main as compare

            return compare(arguments[1:])
        if arguments[:1] == ["summary"]:
            from .summary import main as summary

            return summary(arguments[1:])
        options = make_parser().parse_args(arguments)
        options.command = arguments
        if options.list:
            print(listing())
            return 0
        if not options.benches:
            raise ValueError(f"bench: expected one or more of {', '.join(NAMES)}, found none")
        return run(options)
    except (ValueError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"bench: {error.name} is missing; pip install -e '.[bench]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
