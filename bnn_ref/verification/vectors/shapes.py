"""The network that a `meta` describes, and the shapes that follow: its owners are asked.

A layer, a prior and a likelihood are read by their own `from_json`; in version 2 they must be what
their `to_json` then writes. They say which arrays they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ...border.text import show
from ...network import Network
from ...noise import LayerNoise, LocalLayerNoise
from .refusal import VectorError
from .version_2 import array_shapes, lower


def network_of(
    meta: Mapping[str, Any], inputs: int, arrays: Mapping[str, NDArray[Any]] | None = None
) -> Network:
    """Return the `Network` of a checked `meta`; of version 2 it must be as its owners write it.

    Parameters
    ----------
    meta : dict
    inputs : int
    arrays : mapping, optional
        As for `lower`.

    Raises
    ------
    VectorError
        Where an owner refuses its description or would write another.
    """
    try:
        described = {"layers": lower(meta["layers"], arrays), "likelihood": meta["likelihood"]}
        network = Network.from_json(described, inputs)
        written = network.to_json(meta["dtype"])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        reason = error if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise VectorError(f"meta: {show(str(reason), 200)[1:-1]}") from None
    for key in ("layers", "likelihood") if meta["version"] == 2 else ():
        place = _difference(written[key], described[key], f"meta.{key}")
        if place:
            raise VectorError(f"{place}: expected it as bnn_ref writes it, found another")
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
    if meta.get("sample_weight"):
        shapes["sample_weight"] = ((rows,), floats)
    for name, shape in array_shapes(meta["layers"]).items():
        shapes[name] = (shape, ("float64",))
    for name, shape in network.parameter_shapes.items():
        shapes[name] = (tuple(shape), floats)
    blank = LocalLayerNoise(None) if meta.get("estimator") == "local" else LayerNoise(*[None] * 4)
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
    """Return name to (shape, admitted dtypes) of an answer's results, in the order computed."""
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
    """Return name to (shape, admitted dtypes) of results that an answer has all of, or none."""
    if meta["version"] == 1:
        return {}
    layers = network_of(meta, x_shape[1]).layers
    return {f"layers.{k}.pre_activation": ((x_shape[0], layer.outputs), (meta["dtype"],))
            for k, layer in enumerate(layers) if hasattr(layer, "activation")}  # fmt: skip
