"""Bayesian neural networks of Flipout dense layers, every gradient derived by hand.

Start with `Network`, `DenseFlipout` and a likelihood; train with `Trainer` or `fit`; average with
`predict`. The step itself is `loss_and_gradients`, in plain NumPy: `bnn_ref.reference`.
"""

from ._version import __version__
from .errors import NonFinite, ObjectiveWarning, PredictionWarning
from .layers import (
    AveragePool2D,
    BatchNorm,
    Conv1DFlipout,
    Conv2D,
    Conv2DFlipout,
    Dense,
    DenseFlipout,
    Dropout,
    Elementwise,
    Flatten,
    LayerNorm,
    MaxPool2D,
    Residual,
)
from .likelihoods import Bernoulli, Categorical, Custom, Normal, PredictedNormal
from .network import Network
from .noise import LayerNoise, Noise, draw_noise
from .parameters import Parameters
from .prediction import Prediction, predict
from .priors import NormalPrior
from .reference import forward, kl, kl_parts, loss_and_gradients
from .step import State
from .step.adam import Adam
from .training import Cosine, Fit, fit
from .training.trainer import Trainer

__all__ = [
    "Adam",
    "AveragePool2D",
    "BatchNorm",
    "Bernoulli",
    "Categorical",
    "Conv1DFlipout",
    "Conv2D",
    "Conv2DFlipout",
    "Cosine",
    "Custom",
    "Dense",
    "DenseFlipout",
    "Dropout",
    "Elementwise",
    "Fit",
    "Flatten",
    "LayerNoise",
    "LayerNorm",
    "MaxPool2D",
    "Network",
    "Noise",
    "NonFinite",
    "Normal",
    "NormalPrior",
    "ObjectiveWarning",
    "Parameters",
    "PredictedNormal",
    "Prediction",
    "PredictionWarning",
    "Residual",
    "State",
    "Trainer",
    "__version__",
    "draw_noise",
    "fit",
    "forward",
    "kl",
    "kl_parts",
    "loss_and_gradients",
    "predict",
]
