"""What version 2 of a test vector's `meta` has of its own: texts, estimators, arrays in priors.

An array inside a description (a prior's loc of every weight) is an array of the file; ``{"array":
[shape]}`` stands in its place, its name is the path to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...border.text import show
from .refusal import VectorError

KEYS = {"format", "version", "source", "dtype", "layers", "likelihood", "kl_weight", "estimator",
        "sample_weight"}  # fmt: skip
TOLD = {"id": 200, "comment": 10_000}  # texts that may be absent, and their longest
ESTIMATORS = ("flipout", "shared", "local")
LIFTED = ("loc", "scale")  # a prior's keys that may hold an array
_DEPTH = 12  # of objects in a layer's description
_CATCHES = 100


def texts_fault(meta: Mapping[str, Any]) -> str | None:
    """Return what is wrong with ``id``, ``comment`` and ``catches``, None where nothing is."""
    for key, longest in TOLD.items():
        if key in meta and not (isinstance(meta[key], str) and len(meta[key]) <= longest):
            return f"meta.{key}: expected a text of at most {longest} characters"
    caught = meta.get("catches", [])
    sound = isinstance(caught, list) and len(caught) <= _CATCHES
    if not (sound and all(isinstance(id_, str) and len(id_) <= TOLD["id"] for id_ in caught)):
        return f"meta.catches: expected a list of at most {_CATCHES} short texts"
    return None


def lift(layers: Any) -> tuple[list[dict[str, Any]], dict[str, NDArray[np.float64]]]:
    """Return layers' descriptions with their priors' arrays lifted out, and those by name.

    Parameters
    ----------
    layers : list of dict
        As `to_json` writes them: arrays are nested lists.

    Returns
    -------
    (list of dict, dict of str to float64 array)
    """
    arrays = {}

    def walk(value, path, inside):
        if inside and isinstance(value, list) and path.rpartition(".")[2] in LIFTED:
            arrays[path] = np.array(value, np.float64)
            return {"array": list(arrays[path].shape)}
        if isinstance(value, dict):
            return {key: walk(part, f"{path}.{key}", inside or key.endswith("_prior"))
                    for key, part in value.items()}  # fmt: skip
        if isinstance(value, list):
            return [walk(part, f"{path}.{k}", inside) for k, part in enumerate(value)]
        return value

    return walk(layers, "layers", False), arrays


def array_shapes(layers: Any) -> dict[str, tuple[int, ...]]:
    """Return name to shape of every array that stands in layers' descriptions.

    Raises
    ------
    VectorError
        For a description nested too deeply, and a shape that is none.
    """
    shapes = {}

    def walk(value, path, depth):
        if depth > _DEPTH:
            raise VectorError(f"meta.{path[:60]}: expected at most {_DEPTH} levels")
        if isinstance(value, dict) and set(value) == {"array"}:
            shape = value["array"]
            sound = isinstance(shape, list) and 1 <= len(shape) <= 8
            if not (sound and all(type(size) is int and 0 < size < 2**31 for size in shape)):
                raise VectorError(f"meta.{path[:60]}.array: expected a shape, found {show(shape)}")
            shapes[path] = tuple(shape)
        elif isinstance(value, dict):
            for key, part in value.items():
                walk(part, f"{path}.{key}", depth + 1)
        elif isinstance(value, list):
            for k, part in enumerate(value):
                walk(part, f"{path}.{k}", depth + 1)

    walk(layers, "layers", 0)
    return shapes


def lower(layers: Any, arrays: Mapping[str, NDArray[Any]] | None = None) -> list[dict[str, Any]]:
    """Return layers' descriptions with the arrays in their places as nested lists.

    Parameters
    ----------
    layers : list of dict
    arrays : mapping of str to array, optional
        By their names; the number 1 stands for each where they are not read yet.
    """

    def walk(value, path):
        if isinstance(value, dict) and set(value) == {"array"}:
            return 1.0 if arrays is None else np.asarray(arrays[path]).tolist()
        if isinstance(value, dict):
            return {key: walk(part, f"{path}.{key}") for key, part in value.items()}
        if isinstance(value, list):
            return [walk(part, f"{path}.{k}") for k, part in enumerate(value)]
        return value

    return walk(layers, "layers")
