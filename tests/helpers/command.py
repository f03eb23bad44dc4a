"""The command line called in the test's own process."""

import json
import os
from typing import NamedTuple

from bnn_ref.cli import main
from bnn_ref.storage.jsonfile import write_json

SMALL = (
    "--backend",
    "numpy",
    "--layers",
    "8",
    "--draws",
    "3",
)  # for a quick train


class Called(NamedTuple):
    """Exit code, standard output and standard error of a call."""

    code: int
    out: str
    err: str


def call(capsys, *words):
    """Run ``bnn-ref`` with these words and return what came of it."""
    capsys.readouterr()
    code = main([os.fspath(word) if hasattr(word, "__fspath__") else str(word) for word in words])
    return Called(code, *capsys.readouterr())


def contents(folder):
    """Return name to bytes of every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def edit_json(path, change):
    """Change a JSON file's object by a function, as its own program would have written it."""
    value = json.loads(path.read_text())
    value.pop("checksum", None)
    write_json(path, change(value))
