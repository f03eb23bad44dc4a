"""``python -m bench template [numpy|jax]``: a contender of one's own, to be changed."""

import argparse
from pathlib import Path

FOLDER = Path(__file__).parent / "examples"
NAMES = ("numpy", "jax")


def main(arguments):
    """Print a template; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench template", description=__doc__)
    parser.add_argument("kind", nargs="?", choices=NAMES, default="numpy")
    options = parser.parse_args(arguments)
    print((FOLDER / f"own_{options.kind}.py").read_text("utf-8"), end="")
    return 0
