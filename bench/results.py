"""A run as JSON: raw samples, machine, versions, command; reading it back, and giving it away."""

import json
from dataclasses import asdict
from pathlib import Path

from bnn_ref.storage.wholefile import whole_file

from .schema import complaint, schema

FORMAT, VERSION = "bnn-ref-bench", 2
RENAMED = {"torch_compiled": "torch_compiled_plain"}  # since version 1


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
    with whole_file(path) as file:
        file.write((json.dumps(document, indent=1, allow_nan=False) + "\n").encode())


def read(path):
    """Return a run's document; one of version 1 as this version has it (`from_version_1`).

    Raises
    ------
    BadResults
        Where the file is no JSON, of another format or version, or breaks `schema.json`; the
        message names the place.
    OSError
        Where the file cannot be read.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BadResults(f"{path}: expected the JSON of a bench, found {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadResults(f"{path}: expected format {FORMAT!r}, found another")
    if document.get("version") == 1:
        document = from_version_1(document, path)
    if document.get("version") != VERSION:
        raise BadResults(f"{path}: expected version {VERSION}, found {document.get('version')!r}")
    if words := complaint(document, schema()):
        raise BadResults(f"{path}: {words}")
    return document


def from_version_1(document, path):
    """Return a document of version 1, one process a contender, as this version has it.

    Its rows of a floor are left out: that was none. Its vectors' width is that of its BLAS kernel.
    """
    try:
        for measured in document["benches"].values():
            cells = [cell for cell in measured.get("cells", []) if cell["contender"] != "floor"]
            for cell in cells:
                cell["contender"] = RENAMED.get(cell["contender"], cell["contender"])
                samples = cell.pop("samples")
                cell["processes"] = [samples] if samples else []
                cell["first_seconds"] = [cell.get("first_seconds", 0.0)]
            if "cells" in measured:
                measured["cells"] = cells
            measured.pop("yardsticks", None)
        document["contenders"] = {
            RENAMED.get(name, name): version for name, version in document["contenders"].items()
        }
        kernels = " ".join(document["machine"].get("blas", ()))
        wide = "SkylakeX" in kernels or "Sapphire" in kernels
        document["machine"]["vector_bits"] = 512 if wide else 256 if kernels else None
    except (KeyError, TypeError, AttributeError) as error:
        raise BadResults(f"{path}: expected results of version 1, found {error!r}") from None
    return {**document, "version": VERSION}


def to_pyperf(document):
    """Return the cells of a document as a `pyperf.BenchmarkSuite`: a run for each process.

    Parameters
    ----------
    document : dict
        As `read` returns it.

    Raises
    ------
    ValueError
        Where no cell was timed.
    """
    import pyperf

    benchmarks = []
    for bench, measured in document["benches"].items():
        for cell in measured.get("cells", []):
            name = f"{bench} {cell['workload']} {cell['contender']}"
            shared = {"name": name, "unit": "second"}
            if cell["steps"]:
                shared["inner_loops"] = cell["steps"]
            runs = [
                pyperf.Run(process, metadata=shared, collect_metadata=False)
                for process in cell["processes"]
                if process
            ]
            if runs and not cell["refusal"]:
                benchmarks.append(pyperf.Benchmark(runs))
    if not benchmarks:
        raise ValueError("export: expected cells with times, found none")
    return pyperf.BenchmarkSuite(benchmarks)


def export(arguments):
    """``python -m bench export FILE.json PYPERF.json``; return the exit code."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m bench export", description=to_pyperf.__doc__)
    parser.add_argument("file", metavar="FILE.json")
    parser.add_argument("target", metavar="PYPERF.json")
    options = parser.parse_args(arguments)
    to_pyperf(read(options.file)).dump(options.target, replace=True)
    return 0
