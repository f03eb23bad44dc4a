"""The layers, a file each, and the one list of them."""

from .base import (
    BLOCK_ROWS,
    LAYERS,
    Layer,
    LayerParameters,
    LayerTrace,
    chain,
    in_blocks,
    layer_from_json,
    layers_from_json,
    register,
    sigma,
)
from .batch_norm import BatchNorm
from .dense import Dense
from .dense_flipout import DenseFlipout
from .dropout import Dropout
from .elementwise import Elementwise
from .layer_norm import LayerNorm
from .posterior import BIASES, INITIALIZERS, FlipoutLayer
from .residual import Residual

__all__ = [
    "BIASES",
    "BLOCK_ROWS",
    "INITIALIZERS",
    "LAYERS",
    "BatchNorm",
    "Dense",
    "DenseFlipout",
    "Dropout",
    "Elementwise",
    "FlipoutLayer",
    "Layer",
    "LayerNorm",
    "LayerParameters",
    "LayerTrace",
    "Residual",
    "chain",
    "in_blocks",
    "layer_from_json",
    "layers_from_json",
    "register",
    "sigma",
]
