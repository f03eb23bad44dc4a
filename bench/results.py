"""A run as JSON: raw samples, machine, versions, command; and reading it back."""

import json
import math
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

FORMAT, VERSION = "bnn-ref-bench", 1
KEYS = {"format", "version", "command", "started", "seconds", "machine", "settings", "contenders",
        "noise", "benches"}  # fmt: skip


class BadResults(ValueError):
    """A file that is not a bench's results."""


def cell_to_json(cell):
    """Return a `Cell` as JSON can hold it."""
    return asdict(cell)


def write(document, path):
    """Write a run's document, whole or not at all.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(document, stream, indent=1, allow_nan=False)
            stream.write("\n")
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read(path):
    """Return a run's document.

    Raises
    ------
    BadResults
        Where the file is no JSON, of another format or version, lacks a key, or a sample is no
        positive number; the message names it.
    OSError
        Where the file cannot be read.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadResults(f"{path}: expected the JSON of a bench, found {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadResults(f"{path}: expected format {FORMAT!r}, found another")
    if document.get("version") != VERSION:
        raise BadResults(f"{path}: expected version {VERSION}, found {document.get('version')!r}")
    missing = KEYS - set(document)
    if missing:
        raise BadResults(f"{path}: expected the keys {sorted(KEYS)}, missing {sorted(missing)}")
    for bench, found in document["benches"].items():
        for cell in found.get("cells", []):
            for sample in cell["samples"]:
                if not (isinstance(sample, (int, float)) and 0 < sample < math.inf):
                    raise BadResults(
                        f"{path}: {bench}, {cell['contender']} on {cell['workload']}: expected "
                        f"seconds above 0, found {sample!r}"
                    )
    return document
