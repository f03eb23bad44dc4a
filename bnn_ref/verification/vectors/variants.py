"""The step with switches: the whole computation under a mistake, every result recomputed.

`Variant()` (`switches.py`) with no switch set is the step of `docs/vectors.md`. Each switch puts
one mistake into the forward pass or the backward pass; what follows from it, follows here too, as
it would in a program that makes the mistake and differentiates what it computes. Used by the
diagnosis and for ReLU units whose side a dtype cannot decide; all in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ... import priors
from ...step import check_sample_weight
from .switches import FORWARD, RIGHT, Variant
from .variant_layers import forward_layer, noise_backward

if TYPE_CHECKING:
    from ...network import Network
    from ...noise.draws import LocalNoise, Noise
    from ...parameters import Parameters
    from ...priors.base import Prior
    from .files import Vector

__all__ = ["FORWARD", "RIGHT", "Problem", "Variant", "compute", "forward", "forward_layer",
           "is_known", "noise_backward", "prior_of", "results"]  # fmt: skip


def is_known(vector: Vector) -> bool:
    """Return whether a vector's network is one that the variants have: dense Flipout layers.

    Other layers are held against the truth, but nothing is said here of what their mistakes are.
    """
    return all(layer["type"] == "DenseFlipout" for layer in vector.meta["layers"])


class Problem:
    """A vector's network, parameters, noise and batch in float64, converted once.

    Attributes
    ----------
    network, parameters, noise, x, y, kl_weight, sample_weight
        As `loss_and_gradients` takes them.
    """

    network: Network
    parameters: Parameters
    noise: Noise | LocalNoise
    x: NDArray[np.float64]
    y: NDArray[Any]
    kl_weight: float
    sample_weight: NDArray[np.float64] | None

    def __init__(self, vector: Vector) -> None:
        self.network = vector.network
        self.parameters = vector.parameters(np.float64)
        self.noise = vector.noise(np.float64)
        self.x = np.asarray(vector.x, np.float64)
        leading, outputs = (len(self.x),), self.network.outputs
        self.y = self.network.likelihood.check_targets(vector.y, leading, outputs)
        self.kl_weight = vector.kl_weight
        self.sample_weight = check_sample_weight(vector.sample_weight, leading)


def forward(problem: Problem, variant: Variant, only: int | None = None) -> list[SimpleNamespace]:
    """Return the layers' traces, first to last; the last one's ``h`` are the outputs.

    A trace holds the layer's inputs, the tensors in use (transposed or flipped where the variant
    says so), pre-activation ``a`` and outputs ``h``.

    Parameters
    ----------
    problem : Problem
    variant : Variant
    only : int, optional
        The one layer that makes the mistake; all unless given.
    """
    h, traces = problem.x, []
    if variant.centred and only in (None, 0):
        h = h - np.mean(h, axis=0)
    layers = zip(
        problem.network.layers, problem.parameters.layers, problem.noise.layers, strict=True
    )
    for k, (layer, p, noise) in enumerate(layers):
        own = variant if only in (None, k) else RIGHT
        traces.append(forward_layer(layer, p, noise, h, own))
        h = traces[-1].h * own.hidden_scale
    return traces


def _nll(problem, variant, z):
    """Return (nll as the variant reports it, nll of the right form, gradient by z, its own)."""
    likelihood, own = problem.network.likelihood, problem.parameters.likelihood
    weight = _weights(problem, variant)
    plain, slope, by_own = likelihood.nll_and_gradient(z, problem.y, weight, own)
    value, kind = plain, likelihood.to_json()["type"]
    if variant.normal and kind == "normal":
        factor = 1.0 if variant.normal == "square" else 0.5
        scaled = variant.normal in ("half_square", "no_two_pi")
        scale = likelihood.scales(own, z.dtype) if scaled else 1.0
        t, share = (z - problem.y) / scale, _share(weight, z)
        value, slope = factor * np.sum(share * t * t), 2 * factor * share * t / scale
        if variant.normal == "no_two_pi":
            value = value + np.sum(share) * np.sum(np.broadcast_to(np.log(scale), z.shape[1]))
    if variant.smoothing and kind == "categorical":
        spread, share = variant.smoothing / z.shape[1], _share(weight, z)
        own_logit = np.mean(z, axis=1) - z[np.arange(len(z)), problem.y]
        value = value - variant.smoothing * np.sum(share[:, 0] * own_logit)
        right = np.eye(z.shape[1])[problem.y]
        slope = slope + (variant.smoothing * right - spread) * share
    factor = float(len(z)) if variant.nll == "sum" else 1.0
    factor = factor * variant.nll_factor
    factor = factor / z.shape[1] if variant.outputs_averaged else factor
    return factor * value, plain, factor * slope, {n: factor * g for n, g in by_own.items()}


def _weights(problem, variant):
    """Return the sample weights in use (B,), or None."""
    weight = problem.sample_weight
    if weight is None or not variant.weights:
        return weight
    return None if variant.weights == "ignored" else weight * len(weight) / np.sum(weight)


def _share(weight, z):
    """Return what each example counts for, w_n / B, as (B, 1)."""
    weight = np.ones(len(z)) if weight is None else weight
    return weight[:, None] / len(weight)


def _kl_shares(problem, variant):
    """Return per layer the factors (kernel, bias) that the variant puts on the two KL sums."""
    layers = problem.network.layers
    total = sum(layer.num_random for layer in layers)
    shares = []
    for layer in layers:
        kernel = layer.inputs * layer.outputs
        share = {
            "": (1.0, 1.0),
            "tensors": (1 / kernel, 1 / layer.outputs),
            "layer_weights": (1 / layer.num_random,) * 2,
            "weights": (1 / total,) * 2,
            "layers": (1 / len(layers),) * 2,
        }[variant.kl_average]
        shares.append((share[0], 0.0) if variant.bias_kl == "missing" else share)
    return shares


def compute(
    problem: Problem,
    variant: Variant,
    slopes: Mapping[tuple[int, int, int], float] | None = None,
    traces: list[SimpleNamespace] | None = None,
) -> SimpleNamespace:
    """Return everything a step computes under a variant, the KL's part of the gradients apart.

    Parameters
    ----------
    problem : Problem
    variant : Variant
    slopes : dict of (layer, row, unit) to number, optional
        Derivatives of ReLU units to be used in place of 0 or 1.
    traces : list, optional
        What `forward` returned for this variant, or one that differs from it behind the outputs.

    Returns
    -------
    SimpleNamespace
        traces; outputs, nll, nll_plain; kl_plain and kl_used, (L,): each layer's KL without and
        with the variant's averaging; weight: the factor on their sum; nll_grads and kl_grads,
        dicts by names of `docs/vectors.md`. The gradient is nll_grads + weight * kl_grads.
    """
    traces = forward(problem, variant) if traces is None else traces
    out = SimpleNamespace(traces=traces, outputs=traces[-1].h, nll_grads={}, kl_grads={})
    out.nll, out.nll_plain, grad_h, by_own = _nll(problem, variant, out.outputs)
    out.nll_grads |= {f"grad.likelihood.{name}": value for name, value in by_own.items()}
    weight = problem.kl_weight if variant.kl_weight is None else variant.kl_weight
    out.weight = weight * variant.kl_factor
    shares = _kl_shares(problem, variant)
    kl_plain, kl_used = [], []
    for k in reversed(range(len(traces))):
        t, key = traces[k], f"grad.layers.{k}."
        if k < len(traces) - 1:
            grad_h = grad_h * variant.hidden_scale
        grad_a = grad_h * _derivative(t, variant, k, slopes)
        grad_b = grad_h if variant.activation_first else grad_a
        mean_a = grad_a * t.mean_so
        grad_mu = t.mean_x.T @ mean_a
        through, grad_sigma, grad_bias_sigma = noise_backward(t, grad_a, grad_b, variant.eps_chain)
        grad_h = mean_a @ t.mu.T * (t.si if variant.mean_flipped else 1) + through
        _put(out, variant, key + "kernel", grad_mu, grad_sigma, t.mu, t.sigma, t.chain, t.eps,
             prior_of(t, "kernel"), shares[k][0])  # fmt: skip
        plain = [out.kl_sum]
        if t.layer.bias != "none":
            grad_bias = np.sum(grad_b * t.bias_so, axis=0)
            out.nll_grads[key + "bias_mu"] = grad_bias
        for prior in t.layer.point_priors.values():
            by_mu = shares[k][1] * prior.penalty_gradient(t.p.bias_mu)
            out.kl_grads[key + "bias_mu"] = by_mu
            plain.append(float(np.sum(prior.penalty(t.p.bias_mu))))
        if t.layer.bias_is_random:
            prior = t.layer.kernel_prior if variant.bias_kl == "kernel_prior" else None
            prior = prior if isinstance(prior, priors.NormalPrior) else prior_of(t, "bias")
            _put(out, variant, key + "bias", grad_bias, grad_bias_sigma, t.p.bias_mu,
                 t.bias_sigma, t.bias_chain, t.bias_eps, prior, shares[k][1])  # fmt: skip
            plain.append(out.kl_sum)
        kl_plain.append(sum(plain))
        kl_used.append(sum(share * kl for share, kl in zip(shares[k], plain, strict=False)))
    out.nll_grads["grad.x"] = grad_h - np.mean(grad_h, axis=0) if variant.centred else grad_h
    out.kl_plain, out.kl_used = np.array(kl_plain[::-1]), np.array(kl_used[::-1])
    return out


def _derivative(t, variant, k, slopes):
    """Return f' of a layer, where the variant takes it."""
    if variant.derivative == "missing":
        return np.ones_like(t.a)
    a = {"": t.a, "output": t.h, "mean": t.mean}[variant.derivative]
    derivative = t.activation.derivative(a, t.activation.function(a))
    for (layer, row, unit), slope in (slopes or {}).items():
        if layer == k:
            derivative[row, unit] = slope
    return derivative


def _kl_of_form(form, mu, sigma, eps, loc, scale):
    """Return (KL, d KL / d mu, d KL / d sigma) of a wrong form, each like mu."""
    if form == "reverse":
        off = scale**2 + (mu - loc) ** 2
        kl = np.log(sigma / scale) + off / (2 * sigma**2) - 0.5
        return kl, (mu - loc) / sigma**2, 1 / sigma - off / sigma**3
    away = mu + sigma * eps - loc
    kl = np.log(scale / sigma) - eps**2 / 2 + away**2 / (2 * scale**2)
    return kl, away / scale**2, -1 / sigma + away * eps / scale**2


def prior_of(t: SimpleNamespace, tensor: str) -> Prior:
    """Return a tensor's prior as this step sees it, of a layer's trace; see `Layer.bound`."""
    return t.layer.bound(tensor, t.layer.priors[tensor], t.p, t.noise)


def _put(out, variant, key, grad_mu, grad_sigma, mu, sigma, chain, eps, prior, share):
    """Add one tensor's gradients to the outcome, and leave its KL, summed, in ``out.kl_sum``."""
    for name, value in prior.kl_gradient_own(mu, sigma).items():
        out.nll_grads[f"{key}_prior_{name}"] = np.zeros_like(value)
        out.kl_grads[f"{key}_prior_{name}"] = share * value
    if isinstance(prior, priors.NormalPrior):
        loc = 0.0 if variant.kl_form == "no_loc" else prior.loc
        if variant.kl_form == "no_loc" or variant.prior_power != 1:
            prior = priors.NormalPrior(loc, prior.scale**variant.prior_power)
    forms = ("reverse",) if eps is None else ("reverse", "sampled")  # of no draw there is no sample
    if variant.kl_form in forms and isinstance(prior, priors.NormalPrior):
        kl, kl_mu, kl_sigma = _kl_of_form(variant.kl_form, mu, sigma, eps, loc, prior.scale)
    else:
        kl, (kl_mu, kl_sigma) = prior.kl(mu, sigma), prior.kl_gradient(mu, sigma)
    nll_chain = 1.0 if variant.rho_chain in ("all", "nll") else chain
    kl_chain = 1.0 if variant.rho_chain in ("all", "kl") else chain
    square = mu.ndim == 2 and mu.shape[0] == mu.shape[1]
    turn = square and variant.transposed in ("all", "parameters", "gradients")
    for grads, name, value in (
        (out.nll_grads, "_mu", grad_mu),
        (out.nll_grads, "_rho", grad_sigma * nll_chain),
        (out.kl_grads, "_mu", share * kl_mu),
        (out.kl_grads, "_rho", share * kl_sigma * kl_chain),
    ):
        grads[key + name] = value.T if turn else value
    out.kl_sum = float(np.sum(kl))


def results(out: SimpleNamespace) -> dict[str, NDArray[Any]]:
    """Return outputs, nll, loss and every gradient of an outcome, by name; kl is not among them."""
    named = {"outputs": out.outputs, "nll": out.nll}
    named["loss"] = out.nll + out.weight * np.sum(out.kl_used)
    for name, value in out.nll_grads.items():
        kl = out.kl_grads.get(name)
        named[name] = value if kl is None else value + out.weight * kl
    return named
