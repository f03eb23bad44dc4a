"""The likelihoods, a file each, and the one list of them."""

from .base import LIKELIHOODS, NOTHING, Likelihood, likelihood_from_json, register, tasks
from .bernoulli import Bernoulli
from .categorical import Categorical
from .custom import Custom
from .normal import Normal
from .predicted_normal import PredictedNormal
from .targets import Targets

__all__ = [
    "LIKELIHOODS",
    "NOTHING",
    "Bernoulli",
    "Categorical",
    "Custom",
    "Likelihood",
    "Normal",
    "PredictedNormal",
    "Targets",
    "likelihood_from_json",
    "register",
    "tasks",
]
