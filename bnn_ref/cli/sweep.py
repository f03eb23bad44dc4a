"""``bnn-ref sweep``."""

import os
import sys

from ..errors import expected
from ..networks import NAMED
from .printing import print_notes
from .reading import add_reading, given_reading
from .settings import parse_sigma

EPILOG = """\
A setting is NAME=VALUE, or NAME=VALUE,VALUE,... for each of several: a cell is trained for every
combination. Names: network (a name or a file, in place of layers), layers (50, or 128x128),
activation, prior, prior_scale, bias, initializer, initial_sigma, likelihood, steps, epochs,
batch_size, learning_rate (a number, cosine or cosine:PEAK), kl_weight, temperature, kl_warm_up,
adam, estimator, freeze (layers.0 or layers.0+layers.1), holdout, draws, draws_per_step, backend,
dtype, seed (initial values, noise, order) and split (which rows are held out). seed and split may
be a range: seed=0-4. `bnn-ref train` takes the same ones as options: --learning-rate and so on.
The command that trains the cell of the best held-out log-probability is printed at the end.

Each finished cell is kept in SWEEP/cells at once: the same command goes on where a killed one was.
SWEEP/table.csv has a line a cell; SWEEP/plot.png shows the scores (with matplotlib). Exit code 1
where a cell failed; the next sweep tries it again.

  bnn-ref sweep --out lr-by-width learning_rate=0.001,0.01 layers=50,128x128 seed=0-2

On a cluster: start `dask scheduler` and, on each machine, `dask worker ADDRESS --nthreads 1
--nworkers CORES`, then give --scheduler ADDRESS. The data's path must be valid there.
"""


def add_arguments(parser):
    """Add the command's arguments to its parser."""
    parser.epilog = EPILOG
    add = parser.add_argument
    add("settings", nargs="*", metavar="NAME=VALUES", help="the grid, see below")
    add("--out", metavar="SWEEP", required=True, help="folder of cells, table and plot")
    add("--data", default="digits", metavar="digits|PATH", help="as `bnn-ref train` takes it")
    add("--target", metavar="COLUMN", help="a text table's column to predict")
    add("--metric", metavar="NAME", help="the table's column to plot (default heldout_nats)")
    add_cluster_arguments(parser)
    add_reading(parser)


def add_cluster_arguments(parser):
    """Add the arguments of every command that runs cells on Dask."""
    add = parser.add_argument
    add("--scheduler", metavar="ADDRESS", help="of a Dask cluster, such as tcp://host:8786; by "
        "default one is started on this machine")  # fmt: skip
    add("--workers", type=int, metavar="N", help="processes to start on this machine (default: "
        "one a core, over --threads)")  # fmt: skip
    add("--threads", type=int, default=1, metavar="N", help="threads of a cell (default 1)")


def run(args):
    """Run the missing cells, write table and plot, and return the exit code."""
    from functools import partial
    from pathlib import Path

    from ..data import Reading
    from ..sweep import fit, grid, sweep, write_table

    choices = parse_settings(args.settings)
    source = args.data if args.data == "digits" else os.path.abspath(args.data)
    cells = grid(choices)
    whole = {**fit.DEFAULTS, **cells[0]}
    given = given_reading(args, source)
    reading = Reading.from_settings(given)
    dataset = fit.load_split(whole, source, args.target, reading)
    if len(choices.get("split", [0])) > 1 and dataset.test is not None:
        raise ValueError(f"split: expected one (the first rows of {args.data} are held out)")
    content = fit.content_of(whole, source, args.target, reading)
    task = partial(fit.train_cell, source=source, target=args.target, reading=reading)
    print_notes(dataset.notes)
    print(f"{len(cells)} cells on {args.data}", flush=True)
    outcomes = sweep(
        task,
        cells,
        args.out,
        identity=lambda cell: fit.identity_of(cell, content),
        scheduler=args.scheduler,
        workers=args.workers,
        threads=args.threads,
        on_outcome=Progress("heldout_nats"),
    )
    path = Path(args.out) / "table.csv"
    write_table(path, outcomes)
    print(f"table: {path}")
    if any(outcome.error is None for outcome in outcomes):
        draw(outcomes, Path(args.out) / "plot.png", args.metric)
    print_winner(outcomes, {"data": source, "target": args.target, **given})
    return report_failures(outcomes)


def print_winner(outcomes, data):
    """Say which cell has the best held-out log-probability, and the command that trains it."""
    from ..runs.opened import train_command
    from ..sweep import fit, name_of

    scored = [
        outcome
        for outcome in outcomes
        if outcome.result and outcome.result.get("heldout_nats") is not None
    ]
    if not scored:
        return
    best = max(scored, key=lambda outcome: outcome.result["heldout_nats"])
    settings = {**data, **fit.DEFAULTS, **best.cell}
    if settings["epochs"] is not None:
        settings["steps"] = None
    print(f"best heldout_nats {best.result['heldout_nats']:.4f}: {name_of(best.cell)}")
    print(f"next: {train_command(settings)}")


def draw(outcomes, path, metric):
    """Draw the plot where matplotlib is installed, else say that it is not."""
    from ..report.sweep import plot_sweep

    try:
        plot_sweep(outcomes, path, metric)
    except ImportError:
        print("plot: none, for matplotlib is not installed (pip install 'bnn_ref[plot]')")
    else:
        print(f"plot: {path}")


def report_failures(outcomes):
    """Say on standard error how many cells failed, and return the exit code."""
    failed = sum(outcome.error is not None for outcome in outcomes)
    if failed:
        print(f"{failed} of {len(outcomes)} cells failed, see the column error", file=sys.stderr)
    return 1 if failed else 0


class Progress:
    """Prints a line for each cell as it is finished: to be given as ``on_outcome``.

    Parameters
    ----------
    *metrics : str
        What to print of a result, as far as it is there.
    show : sequence of str, optional
        What to print of a cell; all of it unless given.
    """

    def __init__(self, *metrics, show=None):
        self.metrics, self.show = metrics, show

    def __call__(self, outcome, done, total, kept):
        from ..sweep import name_of

        shown = outcome.cell if self.show is None else {k: outcome.cell[k] for k in self.show}
        place = f"[{done:>{len(str(total))}}/{total}] {name_of(shown)}"
        if outcome.error is not None:
            print(f"{place}: failed: {outcome.error}", file=sys.stderr, flush=True)
            return
        values = [
            f"{name} {outcome.result[name]:.4f}"
            for name in self.metrics
            if outcome.result.get(name) is not None
        ]
        tail = "kept" if kept else f"{outcome.seconds:.1f} s"
        print(f"{place}: {', '.join([*values, tail])}", flush=True)


def parse_settings(words):
    """Return ["seed=0-2", "layers=50,128x128"] as {"seed": [0, 1, 2], "layers": [[50], ...]}.

    Raises
    ------
    ValueError
        For an unknown name, one given twice, or a value that is not of its kind.
    """
    from ..sweep.fit import DEFAULTS

    choices = {}
    for word in words:
        name, equals, text = word.partition("=")
        if name not in DEFAULTS or not equals:
            known = ", ".join(DEFAULTS)
            raise expected("setting", f"NAME=VALUES of {known}", repr(word))
        if name in choices:
            raise expected(f"setting {name}", "once", "twice")
        choices[name] = [value for part in text.split(",") for value in parse_value(name, part)]
    if "steps" in choices and "epochs" in choices:
        raise expected("settings steps and epochs", "one of the two", "both")
    return choices


WHOLE = ("steps", "epochs", "batch_size", "holdout", "draws", "draws_per_step", "seed", "split")
MOST_CELLS = 100_000  # of one range, before a list of them is made
REAL = ("kl_weight", "temperature", "kl_warm_up", "prior_scale")


def parse_value(name, text):
    """Return the list of values that the text of one stands for: one, or those of a range."""
    from ..training.schedules import Cosine, parse_rate

    kinds = {"layers": "sizes like 128x128", "initial_sigma": "a number or prior"}
    try:
        if name in ("seed", "split") and "-" in text.strip("-"):
            first, last = map(int, text.split("-"))
            if last < first:
                raise ValueError
            if last - first < MOST_CELLS:
                return list(range(first, last + 1))
            kinds[name] = f"a number, or a range of at most {MOST_CELLS} of them"
            raise ValueError
        if name in WHOLE:
            return [int(text)]
        if name in REAL:
            return [float(text)]
        if name == "learning_rate":
            rate = parse_rate(text)
            return [str(rate) if isinstance(rate, Cosine) else rate]
        if name == "initial_sigma":
            return [parse_sigma(text, name)]
        if name == "layers":
            return [[int(size) for size in text.split("x")] if text else []]
        if name == "freeze":
            return [text.split("+") if text else None]
        if name == "network" and text not in NAMED:
            return [os.path.abspath(text)]
    except ValueError:
        kind = kinds.get(name, "a number")
        if name == "learning_rate":
            kind = "a number, cosine or cosine:PEAK:FLOOR:WARM_UP"
        raise expected(f"setting {name}", kind, repr(text)) from None
    return [text]
