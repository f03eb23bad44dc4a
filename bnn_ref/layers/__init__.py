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
from .dense_flipout import DenseFlipout
from .posterior import BIASES, INITIALIZERS, FlipoutLayer

__all__ = [
    "BIASES",
    "BLOCK_ROWS",
    "INITIALIZERS",
    "LAYERS",
    "DenseFlipout",
    "FlipoutLayer",
    "Layer",
    "LayerParameters",
    "LayerTrace",
    "in_blocks",
    "layer_from_json",
    "register",
    "sigma",
]
