"""Each gradient of an answer fitted by the parts it should be made of: what is missing or foreign.

Where no mistake of the catalogue explains an answer whose forward pass is right, each gradient that
disagrees is taken for a sum of parts with unknown coefficients: the nll's, through the means of the
layers behind and through their perturbations; the KL's mean, location, variance and entropy parts;
and parts that do not belong there, the parameter itself and its sign. The fewest coefficients that
must change are changed; a fit must give every entry within the limit and have more entries than
coefficients. A tensor that no such sum gives gets no explanation.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...activations import get_activation
from ...priors import NormalPrior
from .comparison import error_of
from .variants import Problem, Variant, forward, is_known, noise_backward, prior_of

if TYPE_CHECKING:
    from .comparison import Comparison
    from .files import Vector

ENTRIES = 2000  # of a tensor, that coefficients are fitted to
MOST = 3  # coefficients that may change in one tensor
WORDS = {0.0: "is missing", 2.0: "is doubled", -1.0: "is negated"}
THROUGH_MEANS = "the nll's part through the means behind"
THROUGH_NOISE = "the nll's part through the perturbations behind"


class Part(NamedTuple):
    """A part of a gradient.

    Attributes
    ----------
    name : str
    right : float
        The coefficient it should have: 1, or 0 where it does not belong there.
    values : array
    scale : float
        What the parameter itself is multiplied by, in the KL's mean part.
    """

    name: str
    right: float
    values: NDArray[Any]
    scale: float = 0.0


def _digits(factor):
    """Return a factor with four digits, of one beside 1 those of what it is off by."""
    off = factor - 1
    return f"1 {'+' if off > 0 else '-'} {abs(off):.2g}" if abs(off) < 1e-3 else f"{factor:.4g}"


class Change(NamedTuple):
    """A part of one tensor whose coefficient is not what it should be."""

    tensor: str
    part: Part
    found: float

    def text(self) -> str:
        """Return what became of the part, in words, without the tensor's name."""
        if self.part.right == 0:
            return f"has {self.found:.3g} of {self.part.name} too much"
        word = next((word for value, word in WORDS.items() if abs(self.found - value) < 1e-4), None)
        text = f"{self.part.name} {word or f'has the factor {_digits(self.found)}'}"
        if self.part.scale and not word:
            extra, own = (self.found - 1) * self.part.scale, self.tensor.rpartition(".")[2]
            text += f" ({extra:.3g} of {own} too much: weight decay?)"
        return text


def _backward(problem, traces):
    """Return gradients of the nll by name, whole and through the means of later layers alone.

    For the inputs a third, "first": through the means of later layers, whole through the first.
    """
    likelihood, own = problem.network.likelihood, problem.parameters.likelihood
    _, slope, by_own = likelihood.nll_and_gradient(traces[-1].h, problem.y, problem.sample_weight,
                                                   own)  # fmt: skip
    flows = [slope, slope]
    whole = {f"grad.likelihood.{name}": value for name, value in by_own.items()}
    means = dict(whole)
    for k in reversed(range(len(traces))):
        t, key = traces[k], f"grad.layers.{k}."
        activation = get_activation(t.layer.activation)
        derivative = activation.derivative(t.a, activation.function(t.a))
        for flow, named in enumerate((whole, means)):
            grad_a = flows[flow] * derivative
            noise, by_sigma, by_bias_sigma = noise_backward(t, grad_a)
            named[key + "kernel_mu"] = t.x.T @ grad_a
            named[key + "kernel_rho"] = by_sigma * t.chain
            if t.layer.bias != "none":
                named[key + "bias_mu"] = np.sum(grad_a, axis=0)
            if t.layer.bias_is_random:
                named[key + "bias_rho"] = by_bias_sigma * t.bias_chain
            flows[flow] = grad_a @ t.mu.T + (noise if flow == 0 else 0.0)
    whole["grad.x"], means["grad.x"] = flows
    return whole, means, flows[1] + noise


def parts_of(problem: Problem, traces: Sequence[SimpleNamespace]) -> dict[str, list[Part]]:
    """Return result name to the list of `Part` of every gradient.

    Parameters
    ----------
    problem : Problem
    traces : list
        Of `variants.forward`.
    """
    whole, means, first = _backward(problem, traces)
    parts = {}
    for name, value in whole.items():
        through = means[name]
        parts[name] = [Part("the nll's part", 1.0, value)]
        if not np.array_equal(through, value):
            parts[name] = [Part(THROUGH_MEANS, 1.0, through),
                           Part(THROUGH_NOISE, 1.0, value - through)]  # fmt: skip
    parts["grad.x"] = [
        Part("the part through every layer's mean", 1.0, means["grad.x"]),
        Part("the part through the first layer's perturbation", 1.0, first - means["grad.x"]),
        Part(THROUGH_NOISE, 1.0, whole["grad.x"] - first),
    ]
    for k, t in enumerate(traces):
        kernel = (t.mu, t.p.kernel_rho, t.sigma, t.chain, prior_of(t, "kernel"))
        _add_kl(parts, f"grad.layers.{k}.kernel", problem.kl_weight, *kernel)
        if t.layer.bias_is_random:
            bias = (t.p.bias_mu, t.p.bias_rho, t.bias_sigma, t.bias_chain, prior_of(t, "bias"))
            _add_kl(parts, f"grad.layers.{k}.bias", problem.kl_weight, *bias)
        elif t.layer.bias != "none":
            parts[f"grad.layers.{k}.bias_mu"].append(Part("bias_mu", 0.0, t.p.bias_mu))
            for prior in t.layer.point_priors.values():
                by_mu = problem.kl_weight * prior.penalty_gradient(t.p.bias_mu)
                parts[f"grad.layers.{k}.bias_mu"].append(Part("the prior's part", 1.0, by_mu))
    return parts


def _add_kl(parts, key, weight, mu, rho, sigma, chain, prior):
    """Add the KL's parts of a tensor with a posterior, and those that do not belong there."""
    name = key.rpartition(".")[2]
    if not isinstance(prior, NormalPrior):
        by_mu, by_sigma = prior.kl_gradient(mu, sigma)
        parts[key + "_mu"].append(Part("the KL's part", 1.0, weight * by_mu))
        parts[key + "_rho"].append(Part("the KL's part", 1.0, weight * by_sigma * chain))
        return
    for own, value in prior.kl_gradient_own(mu, sigma).items():
        parts[f"{key}_prior_{own}"] = [Part("the KL's part", 1.0, weight * value)]
    precision = 1 / prior.scale**2
    single = weight * precision if np.ndim(precision) == 0 else 0.0
    parts[key + "_mu"] += [Part("the KL's mean part", 1.0, weight * precision * mu, single)]
    if np.any(prior.loc):
        loc = np.broadcast_to(-weight * precision * prior.loc, mu.shape)
        parts[key + "_mu"] += [Part("the KL's prior-location part", 1.0, loc)]
    parts[key + "_mu"] += [Part(f"{name}_mu's sign", 0.0, np.sign(mu))]
    parts[key + "_rho"] += [
        Part("the KL's variance part", 1.0, weight * precision * sigma * chain),
        Part("the KL's entropy part", 1.0, -weight * chain / sigma),
        Part(f"{name}_rho", 0.0, rho),
        Part(f"{name}_rho's sign", 0.0, np.sign(rho)),
    ]


def fit_parts(
    parts: Sequence[Part], found: NDArray[Any], limit: float
) -> list[tuple[Part, float]] | None:
    """Return the fewest (`Part`, coefficient) that must change to give a tensor; None for no fit.

    Parameters
    ----------
    parts : list of Part
    found : array
    limit : float
        Of the largest difference over the largest magnitude of the answer's tensor.
    """
    right = sum(part.right * part.values for part in parts)
    size = np.max(np.abs(found))
    used = [part for part in parts if np.max(np.abs(part.values)) > limit * size]
    some = np.unique(np.linspace(0, found.size - 1, min(found.size, ENTRIES)).astype(int))
    whole = _fitted((Part("the whole gradient", 1.0, right),), found, right, some, limit)
    if whole:
        return whole
    for count in range(1, min(MOST, len(used)) + 1):
        chosen = combinations(used, count)
        fits = [fit for c in chosen if (fit := _fitted(c, found, right, some, limit))]
        if fits:
            return min(fits, key=_strangeness)
    return None


def _fitted(chosen, found, right, some, limit):
    """Return [(Part, coefficient)] where changing these parts alone gives a tensor, else None.

    The coefficients are fitted to some of the entries; all of them must then agree.
    """
    if found.size <= len(chosen):
        return None
    columns = np.stack([part.values.ravel() for part in chosen], axis=1)
    off = (found - right).ravel()
    if not (np.all(np.isfinite(columns)) and np.all(np.isfinite(off))):  # LAPACK would print it
        return None
    moved, _, rank, _ = np.linalg.lstsq(columns[some], off[some], rcond=None)
    if (
        rank < len(chosen)
        or error_of(found, right + (columns @ moved).reshape(found.shape)) > limit
    ):
        return None
    fit = [(part, part.right + float(m)) for part, m in zip(chosen, moved, strict=True)]
    return fit if all(_is_plain(value) for part, value in fit if "through" in part.name) else None


def _is_plain(value):
    """Return whether a coefficient has a word: what is detached or repeated is so whole."""
    return min(abs(value - word) for word in WORDS) < 1e-4


def _strangeness(fit):
    """Return what orders fits of equal length: foreign parts last, plain coefficients first."""
    foreign = sum(part.right == 0 for part, _ in fit)
    plain = sum(_is_plain(value) for _, value in fit)
    return foreign, -plain


def explain_parts(vector: Vector, comparison: Comparison) -> tuple[str, ...]:
    """Return sentences on what an answer's gradients and loss are made of; () where none fits.

    Parameters
    ----------
    vector : Vector
        An answer whose forward pass agrees.
    comparison : Comparison
    """
    if not is_known(vector):
        return ()
    rows = {row.name: row for row in comparison.rows}
    values = [np.asarray(row.found) for row in comparison.rows]
    if not rows["outputs"].agrees or not all(np.all(np.isfinite(value)) for value in values):
        return ()
    gradients = [row for row in comparison.rows if row.name.startswith("grad.")]
    factor = _common_factor(gradients)
    if factor is not None:
        return (f"all {len(gradients)} gradients have the common factor {_digits(factor)}: clipped "
                "or rescaled",)  # fmt: skip
    problem = Problem(vector)
    with np.errstate(all="ignore"):
        parts = parts_of(problem, forward(problem, Variant()))
        changes, lost = [], []
        for row in gradients:
            if row.agrees:
                continue
            limit = max(comparison.limit, 1e-9)
            fit = fit_parts(parts[row.name], np.asarray(row.found, float), limit)
            if fit is None:
                lost.append(row.name)
            else:
                changes += [Change(row.name, part, value) for part, value in fit]
    if len(lost) >= len({change.tensor for change in changes}):
        changes, lost = [], []  # what fits a few small tensors alone is chance
    sentences = _of_loss(rows, problem.kl_weight) + _grouped(changes)
    if lost:
        sentences.append(f"not explained: {', '.join(lost)}")
    return tuple(sentences)


def _common_factor(gradients):
    """Return the one factor that all gradients have, None where there is none or it is 1."""
    top = sum(float(np.sum(row.expected * row.found)) for row in gradients)
    bottom = sum(float(np.sum(row.expected**2)) for row in gradients)
    if not gradients or all(row.agrees for row in gradients) or not bottom:
        return None
    factor = top / bottom
    fits = all(error_of(factor * row.expected, row.found) <= max(row.limit, 1e-9)
               for row in gradients)  # fmt: skip
    return factor if fits and factor else None


def _of_loss(rows, weight):
    """Return what the loss is made of, [sentence], where it is wrong and nll and KL are right."""
    kl = weight * rows["kl"].expected
    if rows["loss"].agrees or not (rows["nll"].agrees and rows["kl"].agrees) or not kl:
        return []
    factor = float((rows["loss"].found - rows["nll"].expected) / kl)
    if abs(factor) < 1e-6:
        return ["loss: the KL is missing"]
    return [f"loss: the weighted KL has the factor {_digits(factor)}"]


def _grouped(changes):
    """Return one sentence for each change that several tensors share, tensors named together."""
    groups = {}
    for change in changes:
        kind = change.tensor.rpartition(".")[2]
        groups.setdefault((kind, change.text()), []).append(change.tensor)
    return [f"{', '.join(names)}: {text}" for (_, text), names in groups.items()]
