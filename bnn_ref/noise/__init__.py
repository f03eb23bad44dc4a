"""Noise: the generator, and the draws of a step as values."""

from .draws import (
    ESTIMATORS,
    LayerNoise,
    LocalLayerNoise,
    LocalNoise,
    Noise,
    Stream,
    check_estimator,
    draw_noise,
)
from .generator import PURPOSES, TENSORS, box_muller, normals, permutation, philox, signs, words

__all__ = [
    "ESTIMATORS",
    "PURPOSES",
    "TENSORS",
    "LayerNoise",
    "LocalLayerNoise",
    "LocalNoise",
    "Noise",
    "Stream",
    "box_muller",
    "check_estimator",
    "draw_noise",
    "normals",
    "permutation",
    "philox",
    "signs",
    "words",
]
