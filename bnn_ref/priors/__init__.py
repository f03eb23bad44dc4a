"""The priors, a file each, and the one list of them."""

from .base import PRIORS, KLParts, Prior, make_prior, prior_named, prior_names, register
from .laplace import LaplacePrior
from .learned import LearnedNormalPrior
from .mixture import MixturePrior
from .none import NoPrior
from .normal import NormalPrior
from .scaled import ScaledPrior

__all__ = [
    "PRIORS",
    "KLParts",
    "LaplacePrior",
    "LearnedNormalPrior",
    "MixturePrior",
    "NoPrior",
    "NormalPrior",
    "Prior",
    "ScaledPrior",
    "make_prior",
    "prior_named",
    "prior_names",
    "register",
]
