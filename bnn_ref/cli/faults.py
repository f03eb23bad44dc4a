"""What went wrong, told on one line: what a person can mend, and what is a fault of this program.

With BNN_REF_TRACEBACK set in the environment the whole traceback precedes the line.
"""

import os
import sys
import traceback
from importlib import metadata
from pathlib import Path

from ..border.text import one_line

VARIABLE = "BNN_REF_TRACEBACK"
INTERRUPTED, FAULT = 130, 70  # exit codes; 70 is sysexits' EX_SOFTWARE


def complain(message, code=2):
    """Print one line on standard error and return the exit code.

    Parameters
    ----------
    message : str
    code : int
    """
    _say("error", message)
    return code


def warn(message, *place, **options):
    """Print a warning on one line, without its place in the source: a `warnings.showwarning`."""
    _say("warning", message)


def _say(kind, message):
    try:
        print(f"bnn-ref: {kind}:", one_line(message, 2000), file=sys.stderr, flush=True)
    except OSError:
        return  # nobody can be told


def tell(error):
    """Print what an exception means on one line and return the exit code.

    Parameters
    ----------
    error : BaseException
    """
    if os.environ.get(VARIABLE):
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, KeyboardInterrupt):
        return complain("interrupted", INTERRUPTED)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename is not None else ""
        return complain(f"{where}{error.strerror or error}")
    if isinstance(error, (ValueError, TypeError, MemoryError, ImportError)):
        return complain(str(error) or type(error).__name__)
    return _tell_fault(error)


def _tell_fault(error):
    """Print that the program is at fault, where, and where to report it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "unknown"
    _say(
        "fault",
        f"{type(error).__name__}: {error} ({place}). This is a fault of bnn-ref, not yours. Please "
        f"report it to {_tracker()}, with what {VARIABLE}=1 in the environment shows",
    )
    return FAULT


def _tracker():
    """Return where faults are reported, as the package's metadata say."""
    try:
        urls = metadata.metadata("bnn_ref").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        urls = []
    named = dict(url.split(", ", 1) for url in urls if ", " in url)
    return named.get("Issues") or named.get("Tracker") or "the project's issues"
