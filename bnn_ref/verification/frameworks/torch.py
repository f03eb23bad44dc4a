"""The step written in PyTorch and differentiated by PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...step.adam import Adam
from ..vectors.naming import below, named_results
from . import CannotAnswer, Framework
from .torch_layers import layers

if TYPE_CHECKING:
    from ..vectors.files import Vector


def softplus(a: Any) -> Any:
    """Return log(1 + exp(a)); `torch.nn.functional.softplus` is cut off at 20, 2e-9 away."""
    return torch.logaddexp(a, torch.zeros_like(a))


ACTIVATIONS: dict[str, Any] = {
    "linear": lambda a: a,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": softplus,
    "elu": torch.nn.functional.elu,
    "gelu": torch.nn.functional.gelu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "selu": torch.nn.functional.selu,
    "silu": torch.nn.functional.silu,
}


def activation(name: str) -> Any:
    """Return the function of an activation's name, or None for one that is not written here."""
    slope = name.removeprefix("leaky_relu(").removesuffix(")")
    if slope != name:
        return partial(torch.nn.functional.leaky_relu, negative_slope=float(slope))
    return ACTIVATIONS.get(name)


def log_normal(y: Any, m: Any, s: Any) -> Any:
    """Return log N(y; m, s), elementwise."""
    return -(((y - m) / s) ** 2) / 2 - torch.log(s) - math.log(2 * math.pi) / 2


def _like(value, mu):
    """Return a prior's number or nested lists as a tensor of mu's dtype."""
    return torch.as_tensor(value, dtype=mu.dtype)


def _kl_normal(prior, own, mu, sigma, eps):
    m = own.get("loc", _like(prior["loc"], mu))
    s = softplus(own["rho"]) if "rho" in own else _like(prior["scale"], mu)
    return torch.sum(torch.log(s / sigma) + (sigma**2 + (mu - m) ** 2) / (2 * s**2) - 0.5)


def _kl_laplace(prior, own, mu, sigma, eps):
    """PyTorch's own KL of a Normal from a Laplace, in the order of arguments that it has."""
    q = torch.distributions.Normal(mu, sigma, validate_args=False)
    p = torch.distributions.Laplace(_like(prior["loc"], mu), _like(prior["scale"], mu))
    return torch.sum(torch.distributions.kl_divergence(q, p))


def _minus_log_mixture(prior, w):
    parts = [math.log(share) + log_normal(w, m, _like(s, w)) for share, m, s in
             zip(prior["weights"], prior["locs"], prior["scales"], strict=True)]  # fmt: skip
    return -torch.logsumexp(torch.stack(parts), dim=0)


def _kl_mixture(prior, own, mu, sigma, eps):
    log_q = -(eps**2) / 2 - torch.log(sigma) - math.log(2 * math.pi) / 2
    return torch.sum(log_q + _minus_log_mixture(prior, mu + sigma * eps))


def _kl_scaled(prior, own, mu, sigma, eps):
    """Return another prior's KL times a factor."""
    inner = prior["prior"]
    return prior["factor"] * KLS[inner.get("type", "normal")](inner, own, mu, sigma, eps)


KLS: dict[str, Any] = {
    "normal": _kl_normal,
    "learned_normal": _kl_normal,
    "laplace": _kl_laplace,
    "mixture": _kl_mixture,
    "scaled": _kl_scaled,
    "none": lambda prior, own, mu, sigma, eps: torch.zeros((), dtype=mu.dtype),
}


def _penalty(prior, mu):
    """Return -log p(mu) of a point estimate, summed."""
    kind = prior.get("type", "normal")
    if kind == "scaled":
        return prior["factor"] * _penalty(prior["prior"], mu)
    if kind == "mixture":
        return torch.sum(_minus_log_mixture(prior, mu))
    m, s = _like(prior["loc"], mu), _like(prior["scale"], mu)
    if kind == "laplace":
        return -torch.sum(torch.distributions.Laplace(m, s).log_prob(mu))
    return -torch.sum(log_normal(mu, m, s))


def layer_kl(layer: Mapping[str, Any], p: Any) -> Any:
    """Return a layer's KL, its tensors' summed; a number of zero dimensions."""
    total = torch.zeros((), dtype=next(iter(p.values())).dtype)
    for part in ("kernel", "bias"):
        prior, mu = layer.get(f"{part}_prior"), p.get(f"{part}_mu")
        if prior is None:
            continue
        if f"{part}_rho" not in p:
            total = total + _penalty(prior, mu)
            continue
        sigma = layer["scale_shift"] + softplus(p[f"{part}_rho"])
        own = {name: p[f"{part}_prior_{name}"] for name in ("loc", "rho")
               if f"{part}_prior_{name}" in p}  # fmt: skip
        kind = prior.get("type", "normal")
        total = total + KLS[kind](prior, own, mu, sigma, p.get(f"{part}_eps"))
    return total


def _dense_flipout(layer, p, h):
    """Return the pre-activations of a dense Flipout layer."""
    sigma = layer["scale_shift"] + softplus(p["kernel_rho"])
    a = h @ p["kernel_mu"]
    if layer["bias"] != "none":
        a = a + p["bias_mu"]
    if "output_eps" in p:
        variance = h**2 @ sigma**2
        if "bias_rho" in p:
            variance = variance + (layer["scale_shift"] + softplus(p["bias_rho"])) ** 2
        seen = variance > 0  # a row of zeros has no noise; sqrt's derivative there is infinite
        deviation = torch.where(seen, torch.sqrt(torch.where(seen, variance, 1.0)), 0.0)
        return a + deviation * p["output_eps"]
    a = a + ((h * p["sign_input"]) @ (sigma * p["kernel_eps"])) * p["sign_output"]
    if layer["bias"].startswith("normal"):
        sigma = layer["scale_shift"] + softplus(p["bias_rho"])
        flips = p["sign_output"] if layer["bias"] == "normal_flipped" else 1
        a = a + sigma * p["bias_eps"] * flips
    return a


LAYERS: dict[str, Any] = {
    "DenseFlipout": _dense_flipout,
    **layers(softplus),
}  # type to pre-activations


def _layer(layer, p, h):
    """Return (outputs, kl, pre-activations or None) of a layer, and of those inside it."""
    if layer["type"] == "Residual":
        x, total = h, torch.zeros((), dtype=h.dtype)
        for j, inner in enumerate(layer["layers"]):
            x, kl, _ = _layer(inner, below(p, f"layers.{j}."), x)
            total = total + kl
        return (h + x if layer["add"] else x), total, None
    a = LAYERS[layer["type"]](layer, p, h)
    kl = layer_kl(layer, p) if p else torch.zeros((), dtype=h.dtype)
    if "activation" not in layer:
        return a, kl, None
    return activation(layer["activation"])(a), kl, a


def nll_and_loss(
    likelihood: Mapping[str, Any],
    z: Any,
    y: Any,
    own: Mapping[str, Any] | None = None,
    weights: Any = None,
) -> tuple[Any, Any]:
    """Return (sum_n w_n nll_n / B, what is differentiated in its place).

    Parameters
    ----------
    likelihood : dict
    z, y : tensor
    own : mapping of str to tensor, optional
        The likelihood's own parameters.
    weights : tensor (B,), optional
    """
    kind, own = likelihood["type"], own or {}
    if kind == "categorical":
        each = torch.nn.functional.cross_entropy(z, y.long(), reduction="none")[:, None]
    elif kind == "bernoulli":
        each = softplus(z) - y.to(z.dtype) * z
    elif kind == "predicted_normal":
        mean, rho = torch.chunk(z, 2, dim=-1)
        s = likelihood["floor"] + softplus(rho)
        each = -log_normal(y, mean, s)
        factor = (s ** (2 * likelihood["beta"])).detach()
        return _reduced(each, weights), _reduced(factor * each, weights)
    else:
        s = softplus(own["scale_rho"]) if "scale_rho" in own else _like(likelihood["scale"], z)
        each = -log_normal(y, z, s)
    fit = _reduced(each, weights)
    return fit, fit


def nll(likelihood: Mapping[str, Any], z: Any, y: Any) -> Any:
    """Return the batch's mean negative log-likelihood, summed over output dimensions."""
    return nll_and_loss(likelihood, z, y)[0]


def _reduced(each, weights):
    rows = torch.sum(each, dim=-1)
    return torch.mean(rows if weights is None else weights * rows)


def forward(meta: Mapping[str, Any], t: Mapping[str, Any]) -> tuple[Any, list[Any], list[Any]]:
    """Return (outputs, kl of each layer, pre-activations) for a vector file's tensors, by name."""
    h, kls, before = t["x"], [], []
    for k, layer in enumerate(meta["layers"]):
        h, kl, a = _layer(layer, below(t, f"layers.{k}."), h)
        kls.append(kl)
        before.append(a)
    return h, kls, before


def tensors(vector: Vector) -> dict[str, Any]:
    """Return a vector's arrays as tensors, x and the parameters ready to be differentiated."""
    arrays = {name: torch.from_numpy(np.array(value)) for name, value in vector.arrays.items()}
    for name, tensor in arrays.items():
        if name in ("x", *vector.network.parameter_shapes):
            tensor.requires_grad_(True)
    return arrays


def refusal(meta: Mapping[str, Any]) -> str | None:
    """Return why a network is not written here, or None."""
    return _refused(meta["layers"], "layers")


def _refused(described, thing):
    for k, layer in enumerate(described):
        place = f"{thing}[{k}]"
        if layer["type"] == "Residual":
            reason = _refused(layer["layers"], f"{place}.layers")
            if reason:
                return reason
            continue
        kinds = [(layer[part] or {}).get("type", "normal") for part in layer
                 if part.endswith("_prior")]  # fmt: skip
        name = layer.get("activation", "linear")
        for key, found, known in (
            ("type", [layer["type"]], LAYERS),
            ("activation", [name] if activation(name) is None else [], ACTIVATIONS),
            ("prior", kinds, KLS),
        ):
            unknown = [name for name in found if name not in known]
            if unknown:
                return f"{place}.{key}: expected one of {', '.join(known)}, found {unknown[0]}"
    return None


def _loss(vector, meta, t):
    """Return (what is differentiated, nll, outputs, kl of each layer, pre-activations)."""
    outputs, kls, before = forward(meta, t)
    own = below(t, "likelihood.")
    fit, differentiated = nll_and_loss(meta["likelihood"], outputs, t["y"], own,
                                       t.get("sample_weight"))  # fmt: skip
    return differentiated + vector.kl_weight * sum(kls), fit, outputs, kls, before


def answer(vector: Vector) -> dict[str, NDArray[Any]]:
    """Return every result of a vector's step; see `Framework`."""
    reason = refusal(vector.meta)
    if reason:
        raise CannotAnswer(f"torch: {reason}")
    t = tensors(vector)
    total, fit, outputs, kls, before = _loss(vector, vector.whole_meta, t)
    total.backward()
    gradients = {}
    for name in t:
        if t[name].requires_grad:
            grad = t[name].grad  # None where nothing depends on it
            gradients[name] = torch.zeros_like(t[name]) if grad is None else grad
    loss, before = fit + vector.kl_weight * sum(kls), before if vector.version == 2 else ()
    results = named_results(outputs, fit, sum(kls), kls, loss, gradients, before)
    return {name: value.detach().numpy() for name, value in results.items()}


def train(vectors: Sequence[Vector], learning_rate: float) -> dict[str, NDArray[Any]]:
    """Return the parameters after a step of `torch.optim.Adam` per vector; see `Framework`."""
    parameters = {name: value for name, value in tensors(vectors[0]).items()
                  if name != "x" and value.requires_grad}  # fmt: skip
    optimizer = torch.optim.Adam(parameters.values(), lr=learning_rate)
    for vector in vectors:
        optimizer.zero_grad()
        _loss(vector, vector.whole_meta, {**tensors(vector), **parameters})[0].backward()
        optimizer.step()
    return {name: value.detach().numpy() for name, value in parameters.items()}


def framework(name: str) -> Framework:
    """Return the `Framework` "torch"."""
    return Framework(name, lambda: f"torch {torch.__version__}", refusal, answer, train,
                     Adam(convention="paper"))  # fmt: skip
