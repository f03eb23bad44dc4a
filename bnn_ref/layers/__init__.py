"""The layers, a file each, and the one list of them."""

from .base import (
    BLOCK_ROWS,
    LAYERS,
    Layer,
    LayerParameters,
    LayerTrace,
    in_blocks,
    layer_from_json,
    register,
    sigma,
)
from .dense_flipout import BIASES, INITIALIZERS, DenseFlipout

__all__ = [
    "BIASES",
    "BLOCK_ROWS",
    "INITIALIZERS",
    "LAYERS",
    "DenseFlipout",
    "Layer",
    "LayerParameters",
    "LayerTrace",
    "in_blocks",
    "layer_from_json",
    "register",
    "sigma",
]
