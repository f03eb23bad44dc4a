"""Whole models from and to other libraries: a network and its parameters, layer by layer."""

from .building import Converted
from .from_keras import from_keras
from .from_torch import from_torch
from .outward import posterior_mean, to_keras, to_sklearn, to_torch

__all__ = [
    "Converted",
    "from_keras",
    "from_torch",
    "posterior_mean",
    "to_keras",
    "to_sklearn",
    "to_torch",
]
