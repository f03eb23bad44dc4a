"""`bnn-ref verify`: hold every installed framework against this project, live."""

import json
import sys


def add_arguments(parser):
    """Add the command's arguments."""
    parser.add_argument("--against", metavar="NAME,...",
                        help="numpy, numba, jax, torch, tfp, bayesian-torch (default: all but "
                        "numpy, which is what they are held against)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON list instead")
    parser.epilog = "Exit code: 0 all agree, 1 some disagree, 2 none is installed."


def run(args):
    """Compare, print one table and return the exit code."""
    from ..verification.live import exit_code, table, verify

    names = args.against.split(",") if args.against else None
    reports = verify(names)
    code = exit_code(reports)
    if args.json:
        print(json.dumps([{**vars(report), "agrees": report.agrees} for report in reports],
                         indent=2))  # fmt: skip
    else:
        print(table(reports))
    if code == 2:
        print("bnn-ref: error: verify: none of these frameworks is installed", file=sys.stderr)
    return code
