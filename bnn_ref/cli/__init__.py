"""The command line: parses, calls the library, prints; no arithmetic.

A command is a module here with ``add_arguments(parser)`` and ``run(args)``, which returns the exit
code (None counts as 0), and one line in `COMMANDS`. Only the command that is called is imported.
"""

import argparse
import importlib
import sys
import warnings

from .._version import __version__
from ..errors import ObjectiveWarning, expected
from . import faults
from .output import OutputError, guarded_streams
from .signals import ending_signals

COMMANDS = {
    "train": "train a network, on the bundled digits or on your own data",
    "evaluate": "score a trained run on its held-out and test rows, or on other data",
    "predict": "write a trained run's predictions for new rows to a file",
    "explain": "show how the KL, Flipout, a step, Adam or the ELBO works, in numbers",
    "report": "write a run's report: one page of figures that explain what was learned",
    "sweep": "train a grid of settings, seeds and splits on Dask, and go on where it was killed",
    "uci": "score the UCI regression sets on the standard splits, beside published figures",
    "vectors": "make a test vector, answer it with a framework, or copy the published ones",
    "check": "hold vector files against the truth, and say what is wrong with those that disagree",
    "verify": "hold this project and every installed framework against each other",
    "warmup": "compile the kernels ahead, for processes to come",
    "info": "show versions, BLAS, threads and the cache folder",
}
EMPTY = {
    "out": "a folder",
    "data": "'digits' or a path",
    "target": "a column's name or its index",
    "network": "a name or a file",
    "output": "a file",
    "plots": "a folder",
    "html": "a file",
    "vector": "a file",
}  # options that an empty text says nothing of, and what is wanted


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def make_parser(chosen=None):
    """Return the parser; of the commands only the chosen one has its arguments."""
    parser = _Parser(
        prog="bnn-ref",
        description="Bayesian neural networks of Flipout layers, every gradient derived by hand.",
        epilog=f"{faults.VARIABLE}=1 in the environment shows where an error arose.",
    )
    parser.add_argument("--version", action="version", version=f"bnn-ref {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:
            module = importlib.import_module(f".{name}", __name__)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def main(argv=None):
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : list of str, optional
        The arguments without the program's name; those of the process by default.

    Returns
    -------
    int
        0 for success; 2 for a request that cannot be served, after one line on standard error;
        1 where standard output cannot be written to; 70 for a fault of this program; 130 after
        Ctrl-C, SIGTERM or SIGHUP; else what the command documents.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    closed = sys.stdout is None
    with guarded_streams() as out, ending_signals(), warnings.catch_warnings():
        warnings.showwarning = faults.warn
        if not sys.warnoptions:  # `python -W` and PYTHONWARNINGS have the last word
            warnings.simplefilter("default", UserWarning)
        warnings.simplefilter("always", ObjectiveWarning)  # as a line, whatever the filters
        try:
            if closed:
                warnings.warn("standard output is closed: nothing is printed", stacklevel=1)
            code = _run(argv)
            out.flush()
            return code
        except OutputError as error:
            return faults.complain(f"{error.filename}: {error.strerror}", 1)
        except (KeyboardInterrupt, Exception) as error:
            return faults.tell(error)


def _run(argv):
    """Parse, run the command and return its exit code."""
    chosen = next((word for word in argv if not word.startswith("-")), None)
    try:
        parser = make_parser(chosen if chosen in COMMANDS else None)
        args, unknown = parser.parse_known_args(argv)
        if unknown:  # the command's help is the one that lists what it takes
            parser.prog += f" {chosen}"
            parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        for name, wanted in EMPTY.items():
            if getattr(args, name, None) == "":  # a variable that is not set, most often
                raise expected(f"--{name}", wanted, "''")
        return args.run(args) or 0
    except SystemExit as stop:  # argparse has printed what there is to say
        return stop.code if isinstance(stop.code, int) else 0
