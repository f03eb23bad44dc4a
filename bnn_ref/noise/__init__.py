"""Noise: the generator, and the draws of a step as values."""

from .draws import (
    ESTIMATORS,
    DropoutNoise,
    LayerNoise,
    LocalLayerNoise,
    LocalNoise,
    NestedNoise,
    Noise,
    Stream,
    check_estimator,
    draw_noise,
)
from .generator import (
    PURPOSES,
    TENSORS,
    box_muller,
    keeps,
    normals,
    permutation,
    philox,
    signs,
    words,
)

__all__ = [
    "ESTIMATORS",
    "PURPOSES",
    "TENSORS",
    "DropoutNoise",
    "LayerNoise",
    "LocalLayerNoise",
    "LocalNoise",
    "NestedNoise",
    "Noise",
    "Stream",
    "box_muller",
    "check_estimator",
    "draw_noise",
    "keeps",
    "normals",
    "permutation",
    "philox",
    "signs",
    "words",
]
