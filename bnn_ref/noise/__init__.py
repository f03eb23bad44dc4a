"""Noise: the generator, and the draws of a step as values."""

from .draws import ESTIMATORS, LayerNoise, Noise, check_estimator, draw_noise
from .generator import PURPOSES, TENSORS, box_muller, normals, permutation, philox, signs, words
from .local import LocalLayerNoise, LocalNoise

__all__ = [
    "ESTIMATORS",
    "PURPOSES",
    "TENSORS",
    "LayerNoise",
    "LocalLayerNoise",
    "LocalNoise",
    "Noise",
    "box_muller",
    "check_estimator",
    "draw_noise",
    "normals",
    "permutation",
    "philox",
    "signs",
    "words",
]
