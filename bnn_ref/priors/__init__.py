"""The priors, a file each."""

from .normal import KLParts, NormalPrior, kl, kl_gradient, kl_parts, make_prior

__all__ = ["KLParts", "NormalPrior", "kl", "kl_gradient", "kl_parts", "make_prior"]
