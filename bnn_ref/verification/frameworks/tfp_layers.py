"""TFP's own Flipout convolutions and Keras' pooling, made of a vector's descriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .tensorflow import tf_keras, tfp

CONVOLUTIONS: dict[str, Any] = {
    "Conv2DFlipout": tfp.layers.Convolution2DFlipout,
    "Conv1DFlipout": tfp.layers.Convolution1DFlipout,
}


def convolution(description: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Return a convolution of TFP that is not built yet.

    Parameters
    ----------
    description : dict
    options : dict
        Every other argument by TFP's names.
    """
    sizes = (description[name] for name in ("filters", "kernel_size", "strides", "padding"))
    return CONVOLUTIONS[description["type"]](*sizes, **options)


def _pool(kind):
    def make(description, dtype):
        sizes = (description[name] for name in ("pool_size", "strides", "padding"))
        return kind(*sizes, dtype=dtype)

    return make


PLAIN: dict[str, Callable[[Mapping[str, Any], str], Any]] = {  # (description, dtype) to a layer
    "MaxPool2D": _pool(tf_keras.layers.MaxPooling2D),
    "AveragePool2D": _pool(tf_keras.layers.AveragePooling2D),
    "Flatten": lambda description, dtype: tf_keras.layers.Flatten(dtype=dtype),
}
