"""Version 2 of a test vector's `meta`, and the shapes that follow: every layer, prior, likelihood.

What version 1 writes down key by key is asked of the owners here: a layer, a prior and a likelihood
are read by their own `from_json`, must be what their `to_json` then writes, and say which arrays
they have. An array inside a description (a prior's loc of every weight) is an array of the file;
``{"array": [shape]}`` stands in its place, its name is the path to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...border.text import show
from ...network import Network
from ...noise import LayerNoise, LocalLayerNoise

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
    ValueError
        For a description nested too deeply, and a shape that is none.
    """
    shapes = {}

    def walk(value, path, depth):
        if depth > _DEPTH:
            raise ValueError(f"meta.{path[:60]}: expected at most {_DEPTH} levels")
        if isinstance(value, dict) and set(value) == {"array"}:
            shape = value["array"]
            sound = isinstance(shape, list) and 1 <= len(shape) <= 8
            if not (sound and all(type(size) is int and 0 < size < 2**31 for size in shape)):
                raise ValueError(f"meta.{path[:60]}.array: expected a shape, found {show(shape)}")
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


def network_of(
    meta: Mapping[str, Any], inputs: int, arrays: Mapping[str, NDArray[Any]] | None = None
) -> Network:
    """Return the `Network` of a `meta`; it must be described as its owners describe it.

    Parameters
    ----------
    meta : dict
    inputs : int
    arrays : mapping, optional
        As for `lower`.

    Raises
    ------
    ValueError
        Where an owner refuses its description or would write another; one line.
    """
    try:
        described = {"layers": lower(meta["layers"], arrays), "likelihood": meta["likelihood"]}
        network = Network.from_json(described, inputs)
        written = network.to_json(meta["dtype"])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        reason = error if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(f"meta: {show(str(reason), 200)[1:-1]}") from None
    for key in ("layers", "likelihood"):
        place = _difference(written[key], described[key], f"meta.{key}")
        if place:
            raise ValueError(f"{place}: expected it as bnn_ref writes it, found another")
    return network


def _difference(written, found, path):
    """Return the path to the first place where two JSON values differ, None where they do not."""
    if isinstance(written, dict) and isinstance(found, dict):
        if set(written) != set(found):
            return f"{path}.{show(min(set(written) ^ set(found)))[1:-1]}"
        parts = ((written[key], found[key], f"{path}.{key}") for key in written)
    elif isinstance(written, list | tuple) and isinstance(found, list):
        if len(written) != len(found):
            return path
        parts = (
            (a, b, f"{path}[{k}]") for k, (a, b) in enumerate(zip(written, found, strict=True))
        )
    else:
        same = written == found and isinstance(written, bool) == isinstance(found, bool)
        return None if same else path
    return next((place for a, b, p in parts if (place := _difference(a, b, p))), None)


def input_shapes(
    meta: Mapping[str, Any], x_shape: tuple[int, ...]
) -> dict[str, tuple[tuple[int, ...], tuple[str, ...]]]:
    """Return name to (shape, admitted dtypes) of a question's arrays, x (B, I) among them."""
    rows, inputs = x_shape
    floats, network = (meta["dtype"],), network_of(meta, inputs)
    shapes = {"x": ((rows, inputs), floats), "y": _targets(meta, network, rows)}
    if meta["sample_weight"]:
        shapes["sample_weight"] = ((rows,), floats)
    for name, shape in array_shapes(meta["layers"]).items():
        shapes[name] = (shape, ("float64",))
    for name, shape in network.parameter_shapes.items():
        shapes[name] = (tuple(shape), floats)
    blank = LocalLayerNoise(None) if meta["estimator"] == "local" else LayerNoise(*[None] * 4)
    for k, layer in enumerate(network.layers):
        for name, shape in _noise_shapes(layer, blank, rows).items():
            shapes[f"layers.{k}.{name}"] = (shape, floats)
    return shapes


def _noise_shapes(layer, blank, rows):
    """Return name to shape of a layer's noise, that of layers inside it by nested names."""
    shapes = {name: tuple(shape) for name, shape in layer.noise_shapes(blank, rows).items()
             if shape is not None}  # fmt: skip
    for j, inner in enumerate(getattr(layer, "layers", ())):
        nested = _noise_shapes(inner, blank, rows)
        shapes |= {f"layers.{j}.{name}": shape for name, shape in nested.items()}
    return shapes


def _targets(meta, network, rows):
    """Return (shape, admitted dtypes) of y."""
    kind = meta["likelihood"]["type"]
    if kind == "categorical":
        return (rows,), ("integer",)
    shape = (rows, network.likelihood.targets_of(network.outputs))
    return shape, ((meta["dtype"], "integer") if kind == "bernoulli" else (meta["dtype"],))


def result_shapes(
    meta: Mapping[str, Any], x_shape: tuple[int, ...]
) -> dict[str, tuple[tuple[int, ...], tuple[str, ...]]]:
    """Return name to (shape, admitted dtypes) of the results that an answer must hold."""
    network = network_of(meta, x_shape[1])
    shapes = {"outputs": (x_shape[0], network.outputs), "nll": ()}
    shapes |= {f"layers.{k}.kl": () for k in range(len(network.layers))}
    shapes |= {"kl": (), "loss": ()}
    shapes |= {f"grad.{name}": shape for name, shape in network.parameter_shapes.items()}
    shapes["grad.x"] = x_shape
    return {name: (tuple(shape), (meta["dtype"],)) for name, shape in shapes.items()}


def optional_shapes(
    meta: Mapping[str, Any], x_shape: tuple[int, ...]
) -> dict[str, tuple[tuple[int, ...], tuple[str, ...]]]:
    """Return name to (shape, admitted dtypes) of the results that an answer may hold, or not."""
    layers = network_of(meta, x_shape[1]).layers
    return {f"layers.{k}.pre_activation": ((x_shape[0], layer.outputs), (meta["dtype"],))
            for k, layer in enumerate(layers) if hasattr(layer, "activation")}  # fmt: skip


def estimator_fault(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str | None:
    """Return what the noise has, or a prior needs, that the estimator has not; None where none."""
    if meta["estimator"] == "local":
        layers = network_of(meta, np.shape(arrays["x"])[1]).layers
        sampled = [f"layers[{k}].{tensor}_prior" for k, layer in enumerate(layers)
                   for tensor, prior in getattr(layer, "priors", {}).items()
                   if prior.is_sampled]  # fmt: skip
        return f'{sampled[0]}: "local" draws no weights for its KL' if sampled else None
    if meta["estimator"] != "shared":
        return None
    for name, array in arrays.items():
        if name.rpartition(".")[2].startswith("sign_") and np.any(np.asarray(array) != 1):
            return f'{name}: expected +1 for the estimator "shared", found -1'
    return None


def weight_fault(arrays: Mapping[str, NDArray[Any]]) -> str | None:
    """Return what is wrong with the sample weights, None where nothing is."""
    weights = arrays.get("sample_weight")
    if weights is None or (np.all(np.asarray(weights) >= 0) and math.fsum(np.ravel(weights)) > 0):
        return None
    return "sample_weight: expected numbers of at least 0, one above"
