"""`bnn-ref verify`: hold installed frameworks, or a person's own code, against this project."""

import importlib
import json
import os
import sys

from ..errors import expected


def add_arguments(parser):
    """Add the command's arguments."""
    parser.add_argument("--against", metavar="NAME,...",
                        help="numpy, numba, jax, torch, tfp, bayesian-torch (default: all but "
                        "numpy, which is what they are held against)")  # fmt: skip
    parser.add_argument("--mine", metavar="MODULE:FUNCTION",
                        help="test your own function instead (docs/verify.md): every question of "
                        "the suite goes through it")  # fmt: skip
    parser.add_argument("--vectors", type=int, default=1, choices=(1, 2), metavar="VERSION",
                        help="--mine: the suite's vectors up to this (default 1)")  # fmt: skip
    parser.add_argument("--random", type=int, default=0, metavar="N",
                        help="--mine: ask N random networks besides (default 0)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N",
                        help="--mine: of the random networks (default 0)")  # fmt: skip
    parser.add_argument("--within", nargs="+", default=[], metavar="OPTION=VALUE,...",
                        help="--mine: what random networks may have, for instance "
                        "biases=deterministic,none likelihoods=categorical locs=no layers=1,2 "
                        "(least,most); every option stands in docs/verify.md")  # fmt: skip
    parser.add_argument("--limit", type=float, metavar="X",
                        help="--mine: largest error of a tensor over its largest magnitude "
                        "(default 1e-10 for float64 questions, 1e-4 for float32)")  # fmt: skip
    parser.add_argument("--partial", action="store_true",
                        help="--mine: results may be missing")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON list instead")
    parser.epilog = "Exit code: 0 all agree, 1 some disagree, 2 none is installed."


def run(args):
    """Compare, print one table and return the exit code."""
    if args.mine:
        return _run_mine(args)
    from ..verification.live import exit_code, table, verify

    names = args.against.split(",") if args.against else None
    reports = verify(names)
    code = exit_code(reports)
    if args.json:
        print(json.dumps([{**vars(report), "agrees": report.agrees} for report in reports],
                         indent=2))  # fmt: skip
    else:
        print(
            "whose code is tested: each framework's own layers or its own differentiation, held "
            "against bnn_ref's NumPy reference; for your code: --mine MODULE:FUNCTION"
        )
        print(table(reports))
    if code == 2:
        print("bnn-ref: error: verify: none of these frameworks is installed", file=sys.stderr)
    return code


def _run_mine(args):
    """Test a person's own function and return the exit code: 0, 1, or 2 where none was answered."""
    from ..verification.implementations.checking import check_implementation

    if args.against:
        raise expected("verify", "--against or --mine", "both")
    if args.within and not args.random:
        raise expected("verify", "--random with --within", "none")
    function = _function(args.mine)
    report = check_implementation(function, random=args.random, seed=args.seed, limit=args.limit,
                                  partial=args.partial, name=args.mine,
                                  version=args.vectors,
                                  within=dict(map(_within, args.within)))  # fmt: skip
    if args.json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        print(report)
    return 2 if not report.checks else 0 if report.agrees else 1


def _within(word):
    """Return (option, value) of random networks that one OPTION=VALUE,... means."""
    option, equals, text = word.partition("=")
    if not (option and equals and text):
        raise expected("--within", "OPTION=VALUE,...", repr(word))
    values = text.split(",")
    try:
        if option in ("locs", "weighted"):
            return option, {"yes": True, "no": False}[text]
        if option in ("layers", "width", "rows"):
            least, most = (*map(int, values), *map(int, values))[:2]
            return option, (least, most)
        return option, [float(v) for v in values] if option == "scale_shifts" else values
    except (KeyError, ValueError):
        wanted = "yes or no" if option in ("locs", "weighted") else "numbers"
        raise expected(f"--within {option}", wanted, repr(text)) from None


def _function(name):
    """Return the function that MODULE:FUNCTION names; modules of the current folder are found."""
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise expected("--mine", "MODULE:FUNCTION", repr(name))
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        function = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        raise expected("--mine", f"a module {module}", f"none ({error})") from None
    if not callable(function):
        raise expected("--mine", f"a function {attribute} in {module}", "none")
    return function
