"""The likelihoods, a file each, and the one list of them."""

from .base import LIKELIHOODS, NOTHING, Likelihood, likelihood_from_json, register
from .bernoulli import Bernoulli
from .categorical import Categorical
from .custom import Custom
from .normal import Normal
from .predicted_normal import PredictedNormal

__all__ = [
    "LIKELIHOODS",
    "NOTHING",
    "Bernoulli",
    "Categorical",
    "Custom",
    "Likelihood",
    "Normal",
    "PredictedNormal",
    "likelihood_from_json",
    "register",
]
