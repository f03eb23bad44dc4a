"""`bnn-ref check`: hold vector files against the truth and say what is wrong with them."""

import json
import sys

from ..errors import expected
from ..storage.archive import LIMIT


def add_arguments(parser):
    """Add the command's arguments."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="answers (docs/vectors.md)")
    parser.add_argument("--limit", type=float, metavar="X",
                        help="largest error of a tensor over its largest magnitude "
                        "(default 1e-10 for float64 files, 1e-4 for float32)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON list instead")
    parser.add_argument("--max-bytes", type=int, default=LIMIT, metavar="N",
                        help=f"refuse files that unpack to more (default {LIMIT})")  # fmt: skip
    parser.add_argument("--question", metavar="FILE",
                        help="refuse an answer to another question than this file's")  # fmt: skip
    parser.add_argument("--mistakes", action="store_true",
                        help="list the known mistakes and the pairs that are tried")  # fmt: skip
    parser.epilog = "Exit code: 0 all agree, 1 some disagree, 2 some file was refused."


def run(args):
    """Check every file and return the exit code."""
    if args.mistakes:
        from ..verification.vectors.diagnosis import FORMATS, PRODUCTS
        from ..verification.vectors.image_mistakes import IMAGE_MISTAKES
        from ..verification.vectors.mistakes import MISTAKES, PAIRS

        known = (*MISTAKES.values(), *IMAGE_MISTAKES.values(), *FORMATS, *PRODUCTS)
        for mistake in known:
            print(f"{mistake.key}: {mistake.what}")
        print("pairs: " + "; ".join(" + ".join(pair) for pair in PAIRS))
        return 0
    if not args.files:
        raise expected("check", "at least one file", "none")
    from ..verification.vectors.checking import compare_file

    checks = []
    for path in args.files:
        check = compare_file(path, args.limit, args.max_bytes, args.question)
        place = sys.stderr if check.refused else sys.stdout
        if check.head() and not args.json:
            print(check.head(), flush=True)  # before the diagnosis, which takes its time
        checks.append(check.diagnosed())
        if not args.json:
            print(checks[-1].tail(), file=place, flush=True)
    if args.json:
        print(json.dumps([check.to_json() for check in checks], indent=2))
    return max(check.code for check in checks)
