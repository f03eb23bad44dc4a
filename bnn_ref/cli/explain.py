"""``bnn-ref explain``."""

from ..errors import expected
from . import objective

EPILOG = """\
Without --run a network small enough to print is explained; with it the run's own layers, and the
step that it would take next. Every result stands beside the same number computed in another way;
the exit code is 1 where one of them disagrees.
"""


def add_arguments(parser):
    """Add the command's arguments to its parser."""
    from ..explain import TOPICS

    known = {**TOPICS, "objective": "what your loss is: the KL's weight, the temperature"}
    topics = "".join(f"  {name:<11}{summary}\n" for name, summary in known.items())
    parser.epilog = "topics:\n" + topics + "\n" + EPILOG
    parser.add_argument("topic", choices=tuple(known), metavar="TOPIC",
                        help="one of " + ", ".join(known))  # fmt: skip
    parser.add_argument("--run", dest="run_folder", metavar="RUN", help="folder of a trained run")
    parser.add_argument("--data", metavar="digits|PATH",
                        help="where the run's data are now, if they have moved")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N",
                        help="of small network and Monte Carlo checks (default 0)")  # fmt: skip
    parser.add_argument("--vector", metavar="FILE.npz",
                        help="step: also write the step as a test vector")  # fmt: skip
    parser.add_argument("--html", metavar="FILE.html",
                        help="also write it as a page with pictures; flipout: with a part to "
                        "move sigma, the batch and the signs in")  # fmt: skip

    objective.add_arguments(parser)


def run(args):
    """Print a topic's sheet; return 0, or 1 where a check disagrees."""
    from ..border import check_word
    from ..explain import explain, small_subject

    if args.topic == "objective":
        return objective.run(args)
    check_word(args.seed, "--seed", 64)
    if args.vector and args.topic != "step":
        raise expected("--vector", "the topic step with it", args.topic)
    if args.run_folder is None:
        if args.data:
            raise expected("--data", "--run RUN with it", "none")
        subject = small_subject(args.seed)
    else:
        from ..explain import run_subject
        from ..runs.opened import open_run

        subject = run_subject(open_run(args.run_folder, args.data))
    if args.vector:
        from ..explain.step import vector_of
        from ..verification.vectors import write

        write(args.vector, vector_of(subject))
    sheet = explain(args.topic, subject, args.seed)
    print(sheet.text())
    if args.vector:
        print(f"wrote {args.vector}")
    if args.html:
        from ..report.lesson import write_lesson

        write_lesson(sheet, args.html, moving=args.topic == "flipout", seed=args.seed)
        print(f"wrote {args.html}")
    return 0 if sheet.agrees else 1
