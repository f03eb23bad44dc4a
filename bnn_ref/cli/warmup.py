"""``bnn-ref warmup``."""

import shlex
import time

from ..errors import expected


def add_arguments(parser):
    """Add the command's arguments to its parser."""
    parser.add_argument(
        "--dtype",
        choices=("float32", "float64", "both"),
        default="both",
        help="compile for this dtype alone (default: both)",
    )


def run(args):
    """Compile every kernel and keep it for later processes; return the exit code."""
    from ..backends import why_not_numba

    reason = why_not_numba()
    if reason is not None:
        raise expected("backend", "a working numba", reason)
    from ..fast.warming import is_closed, warm_up

    for dtype in ("float32", "float64") if args.dtype == "both" else (args.dtype,):
        start = time.perf_counter()
        folder = warm_up(dtype)
        print(f"{dtype}: ready after {time.perf_counter() - start:.1f} s")
    print(f"kept in {folder}" if folder else "not kept: no folder can be written to by us alone")
    if is_closed(folder):
        print(f"note: other users may not enter it, and compile for themselves; chmod go+rx "
              f"{shlex.quote(folder)} lets them in")  # fmt: skip
    return 0
