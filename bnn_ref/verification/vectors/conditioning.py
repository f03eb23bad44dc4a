"""How exact a KL and its gradients can be where the textbook form subtracts equal numbers.

log(s / sigma) + (sigma^2 + (mu - m)^2) / (2 s^2) - 1/2 loses digits near the prior: with sigma
within 4e-4 of s its terms are a million times the result. An answer computed so is right, and its
limit follows from the size of the terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...priors import NormalPrior
from .variants import prior_of

if TYPE_CHECKING:
    from .variants import Problem

ROUNDINGS = 8  # units in the last place of the terms that a textbook form may be off


def _terms(mu, sigma, chain, prior):
    """Return the size of one tensor's KL terms, summed, and the largest of each gradient's."""
    if not isinstance(prior, NormalPrior):
        return 0.0, 0.0, 0.0
    scale, loc = prior.scale, prior.loc
    size = np.abs(np.log(scale / sigma)) + (sigma**2 + (mu - loc) ** 2) / (2 * scale**2) + 0.5
    by_mu = np.max((np.abs(mu) + abs(loc)) / scale**2)
    by_rho = np.max((sigma / scale**2 + 1 / sigma) * np.abs(chain))
    return float(np.sum(size)), float(by_mu), float(by_rho)


def attainable(problem: Problem, traces: Sequence[SimpleNamespace], dtype: str) -> dict[str, Any]:
    """Return result name to the absolute error that a textbook KL in a dtype may have.

    Parameters
    ----------
    problem : Problem
    traces : list
        Of `variants.forward`.
    dtype : "float64" or "float32"
    """
    unit = ROUNDINGS * float(np.finfo(dtype).eps)
    allowed, total = {}, 0.0
    for k, t in enumerate(traces):
        parts = {"kernel": (t.mu, t.sigma, t.chain, prior_of(t, "kernel"))}
        if t.layer.bias_is_random:
            parts["bias"] = (t.p.bias_mu, t.bias_sigma, t.bias_chain, prior_of(t, "bias"))
        layer = 0.0
        for part, tensors in parts.items():
            size, by_mu, by_rho = _terms(*tensors)
            allowed[f"grad.layers.{k}.{part}_mu"] = unit * problem.kl_weight * by_mu
            allowed[f"grad.layers.{k}.{part}_rho"] = unit * problem.kl_weight * by_rho
            layer += size
        allowed[f"layers.{k}.kl"] = unit * layer
        total += layer
    return allowed | {"kl": unit * total, "loss": unit * problem.kl_weight * total}
