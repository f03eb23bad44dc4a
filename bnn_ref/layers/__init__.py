"""The layers, a file each, and the one list of them."""

from .base import LAYERS, Layer, layer_from_json, register
from .batch_norm import BatchNorm
from .blocks import BLOCK_ROWS, in_blocks
from .chain import chain, layers_from_json
from .conv import Conv2D
from .conv1d_flipout import Conv1DFlipout
from .conv_flipout import Conv2DFlipout
from .dense import Dense
from .dense_flipout import DenseFlipout
from .dropout import Dropout
from .elementwise import Elementwise
from .layer_norm import LayerNorm
from .pool import AveragePool2D, Flatten, MaxPool2D
from .posterior import BIASES, FlipoutLayer
from .records import LayerParameters, LayerTrace
from .residual import Residual
from .sigmas import sigma
from .starting import INITIALIZERS

__all__ = [
    "BIASES",
    "BLOCK_ROWS",
    "INITIALIZERS",
    "LAYERS",
    "AveragePool2D",
    "BatchNorm",
    "Conv1DFlipout",
    "Conv2D",
    "Conv2DFlipout",
    "Dense",
    "DenseFlipout",
    "Dropout",
    "Elementwise",
    "Flatten",
    "FlipoutLayer",
    "Layer",
    "LayerNorm",
    "LayerParameters",
    "LayerTrace",
    "MaxPool2D",
    "Residual",
    "chain",
    "in_blocks",
    "layer_from_json",
    "layers_from_json",
    "register",
    "sigma",
]
