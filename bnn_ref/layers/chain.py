"""Layers one behind the other: whether neighbours fit, and a list of them from JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from ..errors import expected
from .base import Layer, layer_from_json


def chain(
    layers: Sequence[Layer], before: tuple[int, ...] | None = None, thing: str = "layers"
) -> tuple[Layer, ...]:
    """Return layers that fit each other, those that take any shape settled at their neighbour's.

    Parameters
    ----------
    layers : sequence of Layer, at least one
    before : tuple of int, optional
        The shape of what the first one takes.
    thing : str
        What messages call them.

    Raises
    ------
    ValueError
        For no layer, what is none, or two that do not fit; the message names the layer.
    """
    fitted = []
    for k, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise expected(f"{thing}[{k}]", "a layer", type(layer).__name__)
        if before is not None:
            layer = layer.after(before, f"{thing}[{k}]")
        if layer.inputs is None:
            raise expected(f"{thing}[{k}].inputs", "how many, for there is no layer before it",
                           "none")  # fmt: skip
        if before is not None and layer.inputs != prod(before):
            neighbour = f", the outputs of {thing}[{k - 1}]" if k else ""
            raise expected(f"{thing}[{k}].inputs", f"{prod(before)}{neighbour}", layer.inputs)
        before = layer.output_shape
        fitted.append(layer)
    if not fitted:
        raise expected(thing, "at least one layer", "none")
    return tuple(fitted)


def layers_from_json(
    descriptions: Sequence[Mapping[str, Any]], inputs: int | None, thing: str = "layers"
) -> list[Layer]:
    """Return the layers of a list of descriptions, one behind the other.

    Parameters
    ----------
    descriptions : list of dict
    inputs : int or tuple of int
        Of the first: how many, or the shape (H, W, C).
    thing : str
        What messages call them.

    Raises
    ------
    ValueError
        For what is no list, or a description that `layer_from_json` refuses.
    """
    if not isinstance(descriptions, list):
        raise expected(thing, "a list of objects", repr(descriptions))
    layers = []
    before = None if inputs is None else tuple(int(size) for size in np.atleast_1d(inputs))
    for k, description in enumerate(descriptions):
        try:
            layer = layer_from_json(description, before)
        except ValueError as error:
            raise ValueError(f"{thing}[{k}]: {error}") from None
        if before is not None:
            layer = layer.after(before, f"{thing}[{k}]")
        before = layer.output_shape
        layers.append(layer)
    return layers
