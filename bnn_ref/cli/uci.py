"""``bnn-ref uci``."""

from ..errors import expected

EPILOG = """\
FOLDER holds bostonHousing, concrete, energy, power-plant, wine-quality-red and yacht, each with
data.txt, index_features.txt, index_target.txt and the rows of its splits, index_train_K.txt and
index_test_K.txt: the layout of Hernandez-Lobato and Adams (2015). Nothing is split anew, and
nothing is learned from test rows.

With --out each finished split is kept at once and the same command goes on where a killed one was;
OUT/table.csv has a line a split, OUT/summary.md the table that is printed.

--validation scores rows held out of the training rows instead of the test rows, with the general
setting instead of the set's own: how that was chosen (docs/uci.md). --set then tries another:
bnn-ref uci FOLDER --validation --splits 5 --set learning_rate=0.003
"""


def add_arguments(parser):
    """Add the command's arguments to its parser."""
    from ..sweep.uci import FOLDERS, SPLITS
    from .sweep import add_cluster_arguments

    parser.epilog = EPILOG
    add = parser.add_argument
    add("folder", metavar="FOLDER", help="of the sets, see below")
    add("--sets", default=",".join(FOLDERS), metavar="NAME,NAME", help="default: %(default)s")
    add("--splits", type=int, default=SPLITS, metavar="N", help="how many of the 20 splits")
    add("--scale", default="learned", metavar="KIND,KIND", help="of the noise, a column of the "
        "table for each: learned (one for all rows), predicted (one for every row) or a number, in "
        "the target's deviations (default %(default)s)")  # fmt: skip
    add("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
        help="a setting instead of the documented one, for every set; repeatable")  # fmt: skip
    add("--validation", action="store_true", help="score rows held out of the training rows")
    add("--seed", type=int, default=0, metavar="N", help="of initial values, noise and order")
    add("--backend", default="numba", choices=("numba", "numpy"), help="default: numba")
    add("--out", metavar="OUT", help="folder to keep finished splits in")
    add("--json", action="store_true", help="end with one line of JSON")
    add_cluster_arguments(parser)


def run(args):
    """Score the sets, print the table, and return the exit code."""
    import time
    from functools import partial
    from pathlib import Path

    from ..runs.evaluation import one_line_json
    from ..stacks import likelihood_named
    from ..storage.wholefile import whole_file
    from ..sweep import sweep, uci, write_table
    from .sweep import Progress, report_failures

    names = args.sets.split(",")
    settings = dict(map(parse_setting, args.settings))
    scales = args.scale.split(",")
    for scale in scales:
        likelihood_named(f"normal:{scale}")
    if not 1 <= args.splits <= uci.SPLITS:
        raise expected("--splits", f"1 to {uci.SPLITS}", args.splits)
    for name in names:
        uci.read_split(args.folder, name, 0)
    splits = range(args.splits)
    sums = {(name, k): uci.checksum(args.folder, name, k) for name in names for k in splits}
    part = "validation" if args.validation else "test"
    cells = [
        uci.make_cell(name, split, args.seed, args.backend, part, **{"scale": scale, **settings})
        for scale in scales
        for name in names
        for split in splits
    ]
    begin = time.perf_counter()
    outcomes = sweep(
        partial(uci.score_split, folder=str(Path(args.folder).resolve())),
        cells,
        args.out,
        identity=lambda cell: {"checksum": sums[cell["set"], cell["split"]]},
        scheduler=args.scheduler,
        workers=args.workers,
        threads=args.threads,
        on_outcome=Progress("rmse", "log_likelihood", show=("scale", "set", "split")),
    )
    summaries = {
        scale: uci.summarise([each for each in outcomes if each.cell["scale"] == scale])
        for scale in scales
    }
    text = uci.summary_markdown({f"{scale} scale": summary for scale, summary in summaries.items()})
    print("\n" + text)
    if args.out:
        write_table(Path(args.out) / "table.csv", outcomes)
        with whole_file(Path(args.out) / "summary.md") as file:
            file.write(text.encode(errors="backslashreplace"))
        print(f"kept in {args.out}: table.csv, summary.md, cells")
    seconds = time.perf_counter() - begin
    print(f"{seconds / 60:.1f} minutes")
    if args.json:
        flat = {
            ("" if scale == scales[0] else f"{scale}_") + f"{name}_{key}": value
            for scale, summary in summaries.items()
            for name, scores in summary.items()
            for key, value in scores.items()
        }
        print(one_line_json({**flat, "seconds": round(seconds, 1)}))
    return report_failures(outcomes)


def parse_setting(word):
    """Return "steps=8000" as ("steps", 8000), of the kind that the default has.

    Raises
    ------
    ValueError
        For an unknown name or a value of another kind.
    """
    from ..sweep.uci import SETTINGS

    name, equals, text = word.partition("=")
    known = [setting for setting in SETTINGS if setting != "scale"]  # which has its own option
    if name not in known or not equals:
        raise expected("--set", f"NAME=VALUE of {', '.join(known)}", repr(word))
    kind = type(SETTINGS[name])
    try:
        return name, kind(text)
    except ValueError:
        raise expected(f"--set {name}", "a number", repr(text)) from None
