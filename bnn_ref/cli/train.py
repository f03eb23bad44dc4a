"""``bnn-ref train``."""

import time

from ..backends import name_of
from ..defaults import total_steps
from ..errors import expected
from . import settings as choices
from .printing import Printer, print_end, print_next, print_scores, say_long_scores
from .reading import given_reading

EPILOG = """\
PATH is a folder with MNIST's four IDX files (plain or gzipped) or with CIFAR-10's binary files, an
npz with x_train and y_train (and x_test and y_test), or a delimited text table, of which --target
names the column to predict.

Pixels are divided by 255 (digits: 16). Input columns of a text table are standardised by mean and
standard deviation of the training rows; so is a numeric target, whose scores are printed in its
own units. The loss, nll and kl of a line belong to the target as it is trained on; loss, nll and
score on the batches are means over the steps since the record before (RUN/history.json has every
one), kl is that of the last step.

A prior's options stand behind its name: laplace:loc=0.1, mixture:scales=1/0.002:weights=0.3/0.7,
learned_normal:learn=loc/scale (docs/priors.md).

A run in --out is never overwritten: go on with --resume, or say --overwrite.
"""


def add_arguments(parser):
    """Add the command's arguments to its parser."""
    parser.epilog = EPILOG
    choices.add_settings(parser)
    parser.add_argument("--out", metavar="RUN", help="folder to write the run to")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--overwrite", action="store_true", help="replace the run in --out")
    parser.add_argument("--checkpoint-every", type=int, default=500, metavar="N",
                        help="steps between two checkpoints (default 500)")  # fmt: skip
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the numba back end")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")


def run(args):
    """Train, print what happens, and return the exit code."""
    from ..border import check_size
    from ..runs.run import Run

    check_size(args.checkpoint_every, "--checkpoint-every")
    if (args.resume or args.overwrite) and not args.out:
        raise expected("--resume and --overwrite", "--out RUN with them", "none")
    if args.resume and args.overwrite:
        raise expected("--resume and --overwrite", "one of the two", "both")
    if not args.out:
        return _run(args, None)
    folder = Run(args.out)
    with folder.held():
        if not (args.resume or args.overwrite):
            folder.refuse_overwriting()
        return _run(args, folder)


def _run(args, folder):
    """Train, in a folder that is this process's alone where there is one."""
    from ..data import Reading, load
    from ..stacks import task_of

    config = folder.config() if args.resume and folder.has_begun else None
    resume = config is not None and folder.has_checkpoint
    settings = choices.resolve(args, config, args.out)
    given_reading(args, settings["data"])
    dataset = load(
        settings["data"],
        target=settings["target"],
        task=task_of(settings["likelihood"]),
        holdout=settings["holdout"],
        seed=settings["seed"] if settings["split"] is None else settings["split"],
        dtype=settings["dtype"],
        reading=Reading.from_settings(settings),
    )
    settings["holdout"] = dataset.holdout
    steps = total_steps(settings, len(dataset.train.x))
    network = None  # the checkpoint's, whatever has become of the file that described it
    if not resume or args.network is not None or settings["network"] is None:
        network = choices.make_network(settings, dataset)
    if config is not None:
        choices.refuse_other_data(config, dataset, args.out)
    if resume:
        trainer, history = _load(folder, network, settings, dataset, args.threads)
        if trainer.state.step >= steps:
            print(f"{args.out}: finished at step {trainer.state.step}, nothing to train")
            return _finish(args, settings, dataset, trainer, history, folder, 0.0)
    else:
        trainer, history = choices.make_trainer(settings, network, dataset, args.threads), None
    settings["backend"] = name_of(trainer.backend)
    choices.check_threads(args.threads, settings["backend"])
    if folder:
        write = folder.go_on if resume else folder.create
        write(_config(settings, dataset, trainer))
    return _train(args, settings, dataset, trainer, history, folder, steps)


def _config(settings, dataset, trainer):
    """Return what `Run.create` records."""
    network = {"inputs": trainer.network.inputs, **trainer.network.to_json(trainer.dtype)}
    return {"settings": settings, "data": dataset.to_json(), "network": network}


def _load(folder, network, settings, dataset, threads):
    """Return trainer and history of the run, and say where its libraries differ from today's."""
    from ..runs import environment

    checkpoint, history = folder.load(network)
    trainer = choices.make_trainer(settings, checkpoint.network, dataset, threads,
                                   checkpoint.state)  # fmt: skip
    now = environment.describe()
    for line in environment.differences(checkpoint.environment, now, settings["backend"]):
        print(f"note: {line}; the last bits may differ from an uninterrupted run's")
    return trainer, history


def _fit(args, settings, dataset, trainer, history, folder, steps, printed):
    """Return the `Fit`; what stops it half-way is told with what is left of the run."""
    import numpy as np

    from ..training import fit

    try:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # steps check it
            return fit(
                trainer.network,
                dataset,
                steps=steps,
                batch_size=settings["batch_size"],
                on_record=printed,
                checkpoint_every=args.checkpoint_every,
                on_checkpoint=folder.save if folder else None,
                progress=False,
                trainer=trainer,
                history=history,
            )
    except ValueError as error:
        if not (folder and folder.has_checkpoint):
            raise
        step = folder.load()[0].state.step
        raise ValueError(f"{error}; {args.out} keeps the state of step {step}") from None


def _train(args, settings, dataset, trainer, history, folder, steps):
    """Train up to that many steps in all, then print and record the scores."""
    printed = Printer(dataset, trainer, steps)
    printed.start(trainer)
    begin = time.perf_counter()
    trained = _fit(args, settings, dataset, trainer, history, folder, steps, printed)
    seconds = time.perf_counter() - begin
    kept = f"kept in {args.out}, --resume goes on" if folder else "nothing was written (no --out)"
    stopped = f"stopped at step {trainer.state.step}: {kept}"
    if printed.failed is not None:
        raise type(printed.failed)(
            printed.failed.errno, f"{printed.failed.strerror}; {stopped}", printed.failed.filename
        )
    if trained.stopped == "interrupted":
        print(stopped)
        return 130
    print_end(trained)
    return _finish(args, settings, dataset, trainer, trained.history, folder, seconds)


def _finish(args, settings, dataset, trainer, history, folder, seconds):
    """Score the held-out and test rows, once for a run on disk; print and return 0."""
    from ..runs.evaluation import one_line_json, score_parts

    last = history.records[-1] if history.records else {}
    results = {key: last.get(key) for key in ("loss", "nll", "kl")}
    results |= {"steps": trainer.state.step, "draws": settings["draws"]}
    recorded = folder.results() if folder else None
    if recorded is not None and results.items() <= recorded.items():
        results = recorded
    else:
        say_long_scores(settings["draws"], dataset)
        results |= score_parts(
            trainer.network,
            trainer.parameters,
            dataset,
            draws=settings["draws"],
            seed=settings["seed"],
            backend=trainer.backend,
            threads=args.threads,
        )
        if folder:
            folder.save_results(results)
    print_scores(results, dataset)
    print_next(args.out)
    if args.json:
        print(one_line_json({**results, "seconds": round(seconds, 3)}))
    return 0
