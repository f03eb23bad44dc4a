"""``bnn-ref evaluate``."""

from ..errors import expected
from .printing import print_notes, print_scores, say_long_scores
from .reading import add_reading, reading_of
from .settings import check_threads

EPILOG = """\
Without --data the run's own held-out and test rows are scored. With --data PATH: where PATH holds
the rows that the run was trained on, the same; else the test part of IDX files and of an npz, and
every row of a text table or of the digits, all counted as test.
"""


def add_arguments(parser):
    """Add the command's arguments to its parser."""
    parser.epilog = EPILOG
    parser.add_argument("run_folder", metavar="RUN", help="folder of a trained run")
    parser.add_argument("--data", metavar="digits|PATH", help="other data than the run's own")
    parser.add_argument("--target", metavar="COLUMN", help="of a text table (default: the run's)")
    add_prediction_options(parser)
    add_reading(parser)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")


def add_prediction_options(parser):
    """Add the options of a prediction."""
    parser.add_argument("--draws", type=int, metavar="N", help="default: as the run was trained")
    parser.add_argument("--seed", type=int, metavar="N", help="default: as the run was trained")
    parser.add_argument("--kind", choices=("weights", "flipout", "mean"), default="weights",
                        help="draws of whole weights (default), of Flipout, or the posterior "
                        "mean")  # fmt: skip
    parser.add_argument("--backend", choices=("numba", "numpy"),
                        help="default: as the run was trained")  # fmt: skip
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the numba back end")


def open_run(folder):
    """Return (config, Checkpoint, Encoding) of a trained run.

    Raises
    ------
    ValueError
        Where the folder holds none.
    """
    from ..data import Encoding
    from ..runs.run import trained_run

    _, config, checkpoint, _ = trained_run(folder)
    return config, checkpoint, Encoding.from_json(config["data"]["encoding"])


def prediction_options(args, settings):
    """Return the options of `predict`: as given, or as the run recorded them.

    Raises
    ------
    ValueError
        For draws of the posterior mean, which has none.
    """
    options = {"kind": args.kind, "threads": args.threads}
    for name in ("draws", "seed", "backend"):
        given = getattr(args, name)
        options[name] = settings[name] if given is None else given
    check_threads(args.threads, options["backend"])
    if args.kind == "mean":
        if args.draws not in (None, 1):
            raise expected("--draws", "none with --kind mean", args.draws)
        options["draws"] = 1
    return options


def run(args):
    """Score a run, print, and return the exit code."""
    from ..runs.evaluation import one_line_json, score_parts

    config, checkpoint, encoding = open_run(args.run_folder)
    options = prediction_options(args, config["settings"])
    dataset = _dataset(args, config, checkpoint, encoding)
    results = {"steps": checkpoint.state.step, "draws": options["draws"]}
    say_long_scores(options["draws"], dataset)
    results |= score_parts(checkpoint.network, checkpoint.state.parameters, dataset, **options)
    if args.data is not None:
        print_notes(dataset.notes)
    print_scores(results, dataset)
    if args.json:
        print(one_line_json(results))
    return 0


def _dataset(args, config, checkpoint, encoding):
    """Return the data to score, encoded as the run's training rows were."""
    from ..data import load, only_test
    from ..stacks import task_of

    settings = config["settings"]
    source = settings["data"] if args.data is None else args.data
    options = {
        "target": args.target,
        "task": task_of(settings["likelihood"]),
        "seed": config["data"]["seed"],
        "dtype": checkpoint.dtype,
        "encoding": encoding,
        "reading": reading_of(args, source, settings, args.run_folder),
    }
    dataset = load(source, holdout=0, **options)
    if dataset.checksum != config["data"]["checksum"]:
        return only_test(dataset)
    return load(source, holdout=settings["holdout"], **options)
