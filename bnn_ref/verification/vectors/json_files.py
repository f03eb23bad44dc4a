"""Vectors as JSON, for languages that have no reader of `.npz`: every number to the last bit.

One object: ``meta`` as in `docs/vectors.md`, ``arrays`` and, in an answer, ``results``, each by
name to ``{"shape": [...], "data": [...]}``, row by row. A number is the shortest decimal that gives
the same float64 (a float32 is widened, which loses nothing); null stands for a result that is not
finite. Other keys at the top (``id``, ``comment``) are read past.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path

import numpy as np

from ...border.files import open_file
from ...border.text import show
from ...storage.archive import LIMIT
from ...storage.wholefile import whole_file
from .files import Vector, read, write
from .meta import check_meta
from .refusal import VectorError
from .shapes import input_shapes, optional_shapes, result_shapes


def to_json(vector: Vector, key: str | None = None) -> str:
    """Return a vector as JSON text.

    Parameters
    ----------
    vector : Vector
    key : str, optional
        Written as ``id``.
    """
    document = {} if key is None else {"id": key}
    document |= {"meta": vector.meta, "arrays": _arrays(vector.arrays)}
    if vector.results is not None:
        document["results"] = _arrays(vector.results)
    return json.dumps(document, allow_nan=False)


def _arrays(arrays):
    return {
        name: {"shape": list(np.shape(value)),
               "data": [_number(v) for v in np.ravel(value).tolist()]}
        for name, value in arrays.items()
    }  # fmt: skip


def _number(value):
    return value if np.isfinite(value) else None


def from_json(text: str | bytes) -> Vector:
    """Return the `Vector` of JSON text.

    Raises
    ------
    VectorError
        For what `docs/vectors.md` would refuse in a file, and for text that is no such object.
    """
    try:
        document = json.loads(text)
        meta = check_meta(document["meta"])
        x_shape = tuple(document["arrays"]["x"]["shape"])
        if len(x_shape) != 2 or not all(type(size) is int and size > 0 for size in x_shape):
            raise VectorError(f"x: expected shape (B, I), found {show(x_shape)}")
        arrays = _taken(document["arrays"], input_shapes(meta, x_shape), "arrays")
        results = document.get("results")
        if results is not None:
            shapes = result_shapes(meta, x_shape) | optional_shapes(meta, x_shape)
            results = _taken(results, shapes, "results")
    except VectorError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise VectorError(f"expected a vector as JSON, found none ({show(what)})") from None
    return Vector(meta, arrays, results)


def _taken(parts, shapes, where):
    """Return arrays of the dtypes that are due; `Vector` checks the rest."""
    arrays = {}
    for name, part in parts.items():
        if name not in shapes:
            raise VectorError(f"{where}.{show(name)}: expected no such array")
        kind = shapes[name][1][0]
        dtype = np.int64 if kind == "integer" else np.dtype(kind)
        flat = np.array([np.nan if v is None else v for v in part["data"]], np.float64)
        if len(part["data"]) != int(np.prod(part["shape"], dtype=np.int64)):
            raise VectorError(f"{name}: expected {part['shape']} numbers, found {len(flat)}")
        if dtype == np.int64 and not np.all(flat == np.floor(flat)):
            raise VectorError(f"{name}: expected whole numbers, found others")
        with np.errstate(over="ignore"):
            arrays[name] = flat.astype(dtype).reshape(part["shape"])
    return arrays


def read_any(path: str | PathLike[str], limit: int = LIMIT) -> Vector:
    """Return the `Vector` in a file, JSON where its name ends so; parameters as of `files.read`."""
    if Path(path).suffix != ".json":
        return read(path, limit)
    try:
        with open_file(path, limit) as file:
            text = file.read()
    except (ValueError, OSError) as error:
        raise VectorError(f"{path}: {error}") from None
    try:
        return from_json(text)
    except VectorError as error:
        raise VectorError(f"{path}: {error}") from None


def write_any(path: str | PathLike[str], vector: Vector, key: str | None = None) -> None:
    """Write a vector to a file, as JSON where its name ends so; parameters as of `files.write`."""
    if Path(path).suffix != ".json":
        write(path, vector)
    else:
        with whole_file(path) as file:
            file.write(to_json(vector, key).encode())
