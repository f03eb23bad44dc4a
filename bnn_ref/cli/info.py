"""``bnn-ref info``."""

import json


def add_arguments(parser):
    """Add the command's arguments to its parser."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args):
    """Print versions, BLAS, threads and folders; return the exit code."""
    from ..fast.threads import available_cores
    from ..runs import environment

    facts = environment.describe()
    facts["cores"] = available_cores()
    facts["optional"] = environment.optional_versions()
    facts["back_end"], facts["cache_folder"] = environment.default_backend()
    if args.json:
        print(json.dumps(facts))
        return 0
    optional = facts.pop("optional")
    for name, value in facts.items():
        print(f"{name.replace('_', ' '):<14}{value}")
    installed = [f"{name} {version}" for name, version in optional.items() if version]
    print(f"{'also here':<14}{', '.join(installed) or 'nothing optional'}")
    absent = [name for name, version in optional.items() if not version]
    if absent:
        print(f"{'not here':<14}{', '.join(absent)}")
    return 0
