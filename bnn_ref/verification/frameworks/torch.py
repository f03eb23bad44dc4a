"""The step written in PyTorch and differentiated by PyTorch."""

import math

import numpy as np
import torch

from ...step.adam import Adam
from . import Framework


def softplus(a):
    """Return log(1 + exp(a)); `torch.nn.functional.softplus` is cut off at 20, 2e-9 away."""
    return torch.logaddexp(a, torch.zeros_like(a))


ACTIVATIONS = {
    "linear": lambda a: a,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": softplus,
    "elu": torch.nn.functional.elu,
    "gelu": torch.nn.functional.gelu,
}


def _kl(mu, sigma, prior):
    m, s = prior["loc"], prior["scale"]
    return torch.sum(torch.log(s / sigma) + (sigma**2 + (mu - m) ** 2) / (2 * s**2) - 0.5)


def nll(likelihood, z, y):
    """Return the batch's mean negative log-likelihood, summed over output dimensions."""
    if likelihood["type"] == "categorical":
        return torch.nn.functional.cross_entropy(z, y.long())
    if likelihood["type"] == "bernoulli":
        return torch.mean(torch.sum(softplus(z) - y.to(z.dtype) * z, dim=-1))
    s = likelihood["scale"]
    each = ((y - z) / s) ** 2 / 2 + math.log(s) + math.log(2 * math.pi) / 2
    return torch.mean(torch.sum(each, dim=-1))


def forward(meta, t):
    """Return (outputs, kl of each layer) for the tensors of a vector file, by name."""
    h, kls = t["x"], []
    for k, layer in enumerate(meta["layers"]):
        p = {name.rpartition(".")[2]: value for name, value in t.items()
             if name.startswith(f"layers.{k}.")}  # fmt: skip
        sigma = layer["scale_shift"] + softplus(p["kernel_rho"])
        a = h @ p["kernel_mu"]
        a = a + ((h * p["sign_input"]) @ (sigma * p["kernel_eps"])) * p["sign_output"]
        kl = _kl(p["kernel_mu"], sigma, layer["kernel_prior"])
        if layer["bias"] != "none":
            a = a + p["bias_mu"]
        if layer["bias"].startswith("normal"):
            sigma = layer["scale_shift"] + softplus(p["bias_rho"])
            flips = p["sign_output"] if layer["bias"] == "normal_flipped" else 1
            a = a + sigma * p["bias_eps"] * flips
            kl = kl + _kl(p["bias_mu"], sigma, layer["bias_prior"])
        h = ACTIVATIONS[layer["activation"]](a)
        kls.append(kl)
    return h, kls


def tensors(vector):
    """Return a vector's arrays as tensors, x and the parameters ready to be differentiated."""
    found = {name: torch.from_numpy(np.array(value)) for name, value in vector.arrays.items()}
    for name, tensor in found.items():
        if name == "x" or name.endswith(("_mu", "_rho")):
            tensor.requires_grad_(True)
    return found


def answer(vector):
    """Return every result of a vector's step; see `Framework`."""
    t = tensors(vector)
    outputs, kls = forward(vector.meta, t)
    fit = nll(vector.meta["likelihood"], outputs, t["y"])
    total = fit + vector.kl_weight * sum(kls)
    total.backward()
    results = {"outputs": outputs, "nll": fit, "kl": sum(kls), "loss": total}
    results |= {f"layers.{k}.kl": kl for k, kl in enumerate(kls)}
    results |= {f"grad.{name}": t[name].grad for name in t if t[name].requires_grad}
    return {name: value.detach().numpy() for name, value in results.items()}


def train(vectors, learning_rate):
    """Return the parameters after a step of `torch.optim.Adam` per vector; see `Framework`."""
    parameters = {name: value for name, value in tensors(vectors[0]).items()
                  if name != "x" and value.requires_grad}  # fmt: skip
    optimizer = torch.optim.Adam(parameters.values(), lr=learning_rate)
    for vector in vectors:
        t = {**tensors(vector), **parameters}
        outputs, kls = forward(vector.meta, t)
        optimizer.zero_grad()
        loss = nll(vector.meta["likelihood"], outputs, t["y"]) + vector.kl_weight * sum(kls)
        loss.backward()
        optimizer.step()
    return {name: value.detach().numpy() for name, value in parameters.items()}


def framework(name):
    """Return the `Framework` "torch"."""
    return Framework(name, lambda: f"torch {torch.__version__}", lambda meta: None, answer, train,
                     Adam(convention="paper"))  # fmt: skip
