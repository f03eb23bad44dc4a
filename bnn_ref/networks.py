"""Networks that are asked for by name or by a file: LeNet-5, and JSON descriptions of any layers.

A description is what `Network.to_json` writes and checkpoints and vectors hold: ``{"layers": [...],
"likelihood": {...}}``. In a file an option of a layer may be left out, which is its default, and
so may the inputs and the likelihood, which are then the data's::

    {"layers": [
      {"type": "Conv2DFlipout", "filters": 8, "kernel_size": 3, "activation": "relu"},
      {"type": "MaxPool2D"},
      {"type": "DenseFlipout", "units": 10}
    ]}
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from .border.files import read_file
from .border.schema import parse_object
from .errors import expected
from .layers import LAYERS, Conv2DFlipout, DenseFlipout, Flatten, Layer, MaxPool2D, layers_from_json
from .likelihoods import Likelihood, likelihood_from_json
from .network import Network

MOST_BYTES = 1 << 20


def lenet5(image: Sequence[int], outputs: int, **options: Any) -> list[Layer]:
    """Return the layers of LeNet-5 as TensorFlow Probability's example has them.

    Convolutions of 6, 16 and 120 filters, 5x5 with padding "same", the first two followed by
    pooling of 2x2 by the maximum; dense layers of 84 units and of the outputs; ReLU.

    Parameters
    ----------
    image : (H, W, C)
    outputs : int
    options
        Of every layer with weights, as `DenseFlipout` takes them.

    Source: LeCun, Bottou, Bengio and Haffner (1998); ``bayesian_neural_network.py`` of TensorFlow
    Probability's examples.
    """
    height, width = (-(-side // 4) for side in image[:2])
    convolution = {"padding": "same", "activation": "relu", **options}
    return [
        Conv2DFlipout(6, 5, input_shape=tuple(image), **convolution),
        MaxPool2D(2, padding="same"),
        Conv2DFlipout(16, 5, **convolution),
        MaxPool2D(2, padding="same"),
        Conv2DFlipout(120, 5, **convolution),
        Flatten(),
        DenseFlipout(height * width * 120, 84, "relu", **options),
        DenseFlipout(84, outputs, **options),
    ]


NAMED: dict[str, Callable[..., list[Layer]]] = {"lenet5": lenet5}


def completed(layer: Any) -> Any:
    """Return a layer's description with the defaults of what it leaves out.

    Parameters
    ----------
    layer : dict
        What is none, or names no type of layers, comes back as it is.
    """
    if not isinstance(layer, dict) or layer.get("type") not in list(LAYERS):
        return layer
    own = fields(LAYERS.find(layer["type"]))
    defaults = {field.name: field.default for field in own if field.default is not MISSING}
    inner = layer.get("layers")
    inside = {"layers": [completed(layer) for layer in inner]} if isinstance(inner, list) else {}
    return {**defaults, **layer, **inside}


def from_description(
    description: Any, shape: Sequence[int], likelihood: Likelihood, thing: str = "network"
) -> Network:
    """Return the `Network` of a description, for inputs of that shape.

    Parameters
    ----------
    description : dict
    shape : (I,) or (H, W, C)
    likelihood : Likelihood
        Where the description has none.
    thing : str
        What messages call it.

    Raises
    ------
    ValueError
        For what describes no network; the message names the layer.
    """
    known = {"inputs", "layers", "likelihood"}
    if not isinstance(description, Mapping) or not {"layers"} <= set(description) <= known:
        raise expected(thing, "an object with layers, and inputs and likelihood if you like",
                       f"{description!r:.80}")  # fmt: skip
    try:
        layers = description["layers"]
        if isinstance(layers, list):
            layers = [completed(layer) for layer in layers]
        layers = layers_from_json(layers, tuple(shape))
        given = description.get("likelihood")
        network = Network(layers, likelihood if given is None else likelihood_from_json(given))
    except RecursionError:
        raise expected(
            f"{thing}: layers", "descriptions a few levels deep", "too many levels"
        ) from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{thing}: {error}") from None
    wanted = description.get("inputs", network.inputs)
    if wanted != network.inputs:
        raise expected(f"{thing}: inputs", f"{network.inputs}, as the data have", repr(wanted))
    return network


def read_network(
    source: str | os.PathLike[str],
    shape: Sequence[int],
    targets: int,
    likelihood: Likelihood,
    **options: Any,
) -> Network:
    """Return the `Network` of a name in `NAMED` or of a description's file.

    Parameters
    ----------
    source : str or path
    shape : (I,), or (H, W, C) of images
    targets : int
        Of a row: how many classes, or how many numbers.
    likelihood : Likelihood
    options
        Of every layer with weights; for a name alone.

    Raises
    ------
    ValueError
        For data that do not fit, or a file that describes no network.
    OSError
        Where the file cannot be read.
    """
    if str(source) in NAMED:
        if len(shape) != 3:
            raise expected(f"network {source}", "data that are images", f"rows of {shape[0]}")
        return Network(
            NAMED[str(source)](shape, likelihood.outputs_of(targets), **options), likelihood
        )
    described = parse_object(read_file(source, MOST_BYTES), source)
    network = from_description(described, shape, likelihood, str(source))
    if network.likelihood.task != likelihood.task:
        raise expected(f"{source}: likelihood", f"one for the data's targets ({likelihood.task})",
                       network.likelihood.type)  # fmt: skip
    wanted = network.likelihood.outputs_of(targets)
    if network.outputs != wanted:
        raise expected(f"{source}: the last layer's outputs", f"{wanted}, for the data's targets",
                       network.outputs)  # fmt: skip
    return network
