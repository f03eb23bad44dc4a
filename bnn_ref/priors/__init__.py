"""The priors, a file each, and the one list of them."""

from .base import PRIORS, KLParts, Prior, make_prior, register
from .normal import NormalPrior

__all__ = ["PRIORS", "KLParts", "NormalPrior", "Prior", "make_prior", "register"]
