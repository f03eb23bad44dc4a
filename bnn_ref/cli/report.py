"""``bnn-ref report``."""

import os

from ..errors import expected
from .printing import say_long_scores, say_part
from .reading import add_reading, given_reading, reading_of

EPILOG = """\
The page is one file without scripts that asks the network for nothing. It is written to
RUN/report.html unless -o names another place; a page that is there is replaced.
"""


def add_arguments(parser):
    """Add the command's arguments to its parser."""
    parser.epilog = EPILOG
    parser.add_argument("run_folder", metavar="RUN", help="folder of a trained run")
    parser.add_argument("-o", "--output", metavar="FILE.html",
                        help="where to write the page (default RUN/report.html)")  # fmt: skip
    parser.add_argument("--plots", metavar="DIR", help="also write the figures as PNG files")
    parser.add_argument("--data", metavar="digits|PATH",
                        help="where the run's data are now, if they have moved")  # fmt: skip
    parser.add_argument("--draws", type=int, metavar="N",
                        help="of a prediction (default: as the run was trained)")  # fmt: skip
    add_reading(parser)


def run(args):
    """Write the page and, where asked for, the figures; return the exit code."""
    from ..border import check_size
    from ..report import make_report, save_plots, write_page
    from ..runs.opened import open_run
    from ..runs.run import Run

    draws = None if args.draws is None else check_size(args.draws, "--draws")
    reading = None
    if args.data is not None:
        settings = Run(args.run_folder).config()["settings"]
        reading = reading_of(args, args.data, settings, args.run_folder)
    else:
        given_reading(args, None)
    opened = open_run(args.run_folder, args.data, reading)
    path = args.output or os.path.join(args.run_folder, "report.html")
    _check_place(path, args.plots)
    say_long_scores(opened.settings["draws"] if draws is None else draws, opened.dataset)
    report = make_report(opened, draws, on_part=lambda words: say_part(f"report: {words}"))
    say_part(f"report: drawing {len(report.plots)} figures")
    if args.plots:
        print(f"wrote {len(save_plots(report, args.plots))} PNG files to {args.plots}")
    write_page(report, path)
    size = os.path.getsize(path) / 1e6
    print(f"wrote {path} ({len(report.plots)} figures, {size:.2f} MB)")
    return 0


def _check_place(path, plots):
    """Refuse places that no file can be written to, before there is any work done."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise expected("-o", "a file to write", f"the folder {path}")
    if not os.path.isdir(folder):
        raise expected("-o", f"an existing folder for {path}", f"none at {folder}")
    if plots and os.path.exists(plots) and not os.path.isdir(plots):
        raise expected("--plots", "a folder", f"the file {plots}")
