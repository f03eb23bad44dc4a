"""The command line of the bench: which benches, what on, and where the results go."""

import argparse
import sys
import tempfile
import time
from datetime import datetime, timezone
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from . import results
from .benches import NAMES, get_bench
from .comparison import inconclusive
from .contenders import CONTENDERS, entry, missing, own_file, versions
from .planted import split_name
from .workers import PACKAGE

OTHERS = {
    "lenet": "LeNet-5 on MNIST, trained beside TFP: held-out nats, accuracy, memory",
    "lenet-steps": "a step of LeNet-5 beside PyTorch, JAX, TFP and Bayesian-Torch",
    "pieces": "a step of 784-128-128-10 with each piece, beside PyTorch and JAX",
}


def make_parser():
    """Return the parser of ``python -m bench``."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {PACKAGE}",
        description="This project beside other frameworks, on the same work, in one run.",
        epilog="Also: versus REV_A REV_B, compare OLD.json NEW.json, calibrate, lenet "
        "(trained), lenet-steps, pieces, summary FILE.json ..., export FILE.json PYPERF.json, "
        "template; each has --help. Exit codes: 0; 1 slower "
        "(versus, compare); 2 a mistake in the command; 3 a contender was refused; 4 too noisy to "
        "tell.",
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
    parser.add_argument("--near", type=float, metavar="NS", help="hold each sample of steps until "
                        "a word passes between two cores in so many nanoseconds")  # fmt: skip
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
    lines.append("others, with contenders of their own (docs/bench/lenet.md, docs/pieces.md):")
    for name, words in OTHERS.items():
        lines.append(f"  {name:11} {words}")
    lines.append("contenders:")
    for name, one_entry in CONTENDERS.items():
        reason = missing(name)
        there = ", ".join(f"{package} {version}" for package, version in versions(name).items())
        lines.append(f"  {name:20} {one_entry.title:24} {'ABSENT: ' + reason if reason else there}")
        lines.append(
            f"  {'':20} {one_entry.form}{': ' + one_entry.tried if one_entry.tried else ''}"
        )
    lines.append("workloads (layer sizes/batch; any other of this form can be asked for):")
    for name in NAMES:
        if get_bench(name).WORKLOADS:
            lines.append(f"  {name:10} " + " ".join(get_bench(name).WORKLOADS))
    return "\n".join(lines)


def write_reports(name, tables, bench, measured, folder):
    """Write a bench's page and plot into a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    plotted = find_spec("matplotlib") is not None
    if plotted:
        bench.plot(measured, folder / f"{name}.png")
    else:
        say("no plot: matplotlib is not installed")
    text = page(name, tables, plotted)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")


def page(name, tables, plotted):
    """Return a bench's tables as a page of Markdown, its plot under the title."""
    first, *others = (table.markdown() for table in tables)
    title, rest = first.removeprefix("### ").split("\n", 1)
    picture = [f"![{title}: what the table shows, as a plot]({name}.png)", ""] if plotted else []
    return "\n".join([f"# {title}", "", *picture, rest.lstrip("\n"), *others]).replace(
        "\n### ", "\n## "
    )


def without_folders(argument):
    """Return a word of the command as results keep it: of an absolute path the name alone.

    Results are shown to others; where somebody keeps files is nothing of theirs.
    """
    option, equals, value = argument.rpartition("=")
    own = own_file(value)
    short = without_its_folder(value) if own else Path(value).name
    absolute = Path(own.path if own else value).is_absolute()
    return option + equals + (short if absolute else value)


def without_its_folder(contender):
    """Return a contender's name as results keep it: of an own one's file the name alone."""
    kind, real = split_name(contender)
    own = own_file(real)
    name = f"{Path(own.path).name}:{own.kind}" if own else real
    return f"{kind}:{name}" if kind else name


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


def add_bench(document, name, measured, settings, absent):
    """Add what a bench found, who ran, and how quiet the machine was."""
    from .machine import noise_report

    for cell in measured.get("cells", []):
        cell["contender"] = without_its_folder(cell["contender"])
    for contender in [*settings["running"], *absent]:
        real = split_name(contender)[1]
        document["contenders"][without_its_folder(contender)] = {
            "title": entry(real).title,
            "form": entry(real).form,
            "versions": versions(real),
            "absent": absent.get(contender),
        }
    document["benches"][name] = measured
    document["noise"][name] = noise_report(measured["shares"], measured.get("yardsticks", []))


def run(options):
    """Run the benches; return the exit code: 0, 3 (refused), or 4 (too noisy to tell)."""
    from .settings import settings_for

    chosen = {name: get_bench(name) for name in options.benches}
    check_places(options)
    plans = {name: settings_for(bench, options) for name, bench in chosen.items()}
    start = time.monotonic()
    kept = {name: plan[0]._asdict() for name, plan in plans.items()}
    for setting in kept.values():
        setting["data"] = ",".join(map(without_folders, setting["data"].split(",")))
        setting["running"] = list(map(without_its_folder, setting["running"]))
    document = new_document(options.command, kept)
    for name, bench in chosen.items():
        settings, absent = plans[name]
        say(f"{name}: {bench.HELP}")
        measured = bench.run(settings, say)
        add_bench(document, name, measured, settings._asdict(), absent)
        tables = bench.tables(measured)
        extra = [f"{contender}: {reason}" for contender, reason in absent.items()]
        extra.append(
            f"{settings.threads} threads, {settings.dtype}, {settings.processes} processes a "
            f"contender, {settings.rounds} samples in each"
        )
        extra.append(document["noise"][name]["words"])
        tables[0] = tables[0]._replace(notes=tables[0].notes + extra)
        print("\n".join(table.text() for table in tables), flush=True)
        if options.out:
            write_reports(name, tables, bench, measured, options.out)
        document["seconds"] = time.monotonic() - start
        if options.json:
            results.write(document, options.json)
    say(f"done in {time.monotonic() - start:.0f} s")
    return exit_code(document)


def exit_code(document):
    """Return 3 where a contender was refused, 4 where a row cannot be told, else 0."""
    measured = [measured.get("cells", []) for measured in document["benches"].values()]
    refusals = [cell["refusal"] for cells in measured for cell in cells if cell["refusal"]]
    if not all(refusal.startswith("left out") for refusal in refusals):
        return 3
    return 4 if any(inconclusive(cells) for cells in measured) else 0


COMMANDS = {  # module and function of each
    "versus": ("versus", "main"),
    "compare": ("compare", "main"),
    "calibrate": ("calibrate", "main"),
    "lenet": ("lenet", "main"),
    "lenet-steps": ("lenet_steps", "main"),
    "pieces": ("pieces", "main"),
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
