"""A Flipout layer of one's own in PyTorch, verified: python docs/verify/pytorch_layer.py

With --mistake sigma is exp(rho), and the verdict says so.
"""

import math
import sys

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, gelu, softplus

from bnn_ref.verification import check_implementation

MISTAKE = "--mistake" in sys.argv
ACTIVATIONS = {"linear": lambda a: a, "relu": torch.relu, "tanh": torch.tanh,
               "sigmoid": torch.sigmoid, "softplus": softplus, "elu": torch.nn.functional.elu,
               "gelu": gelu}  # fmt: skip


class DenseFlipout(torch.nn.Module):
    """The layer under test. Its noise is given: a test replaces what training would draw."""

    def __init__(self, layer):
        super().__init__()
        self.settings = layer
        for name in ("kernel_mu", "kernel_rho", "bias_mu", "bias_rho"):
            value = getattr(layer, name)
            setattr(self, name, None if value is None else torch.nn.Parameter(torch.tensor(value)))

    def sigma(self, rho):
        return torch.exp(rho) if MISTAKE else self.settings.scale_shift + softplus(rho)

    def forward(self, x):
        eps, sign_input, sign_output = (torch.tensor(getattr(self.settings, name)) for name in
                                        ("kernel_eps", "sign_input", "sign_output"))  # fmt: skip
        perturbation = (x * sign_input) @ (self.sigma(self.kernel_rho) * eps) * sign_output
        a = x @ self.kernel_mu + perturbation
        if self.bias_mu is not None:
            a = a + self.bias_mu
        if self.bias_rho is not None:
            a = a + self.sigma(self.bias_rho) * torch.tensor(self.settings.bias_eps)
        return ACTIVATIONS[self.settings.activation](a)

    def kl(self):
        total = self._kl(self.kernel_mu, self.kernel_rho, *self.settings.kernel_prior)
        if self.bias_rho is not None:
            total = total + self._kl(self.bias_mu, self.bias_rho, *self.settings.bias_prior)
        return total

    def _kl(self, mu, rho, loc, scale):
        loc, scale = (torch.as_tensor(value, dtype=mu.dtype) for value in (loc, scale))
        sigma = self.sigma(rho)
        ratio = (sigma**2 + (mu - loc) ** 2) / (2 * scale**2)
        return torch.sum(torch.log(scale / sigma) + ratio - 0.5)


def negative_log_likelihood(likelihood, outputs, y):
    """Mean over the batch, summed over output dimensions."""
    if likelihood["type"] == "categorical":
        return cross_entropy(outputs, y.long())
    if likelihood["type"] == "bernoulli":
        each = binary_cross_entropy_with_logits(outputs, y.to(outputs.dtype), reduction="none")
    else:
        scale = likelihood["scale"]
        each = ((y - outputs) / scale) ** 2 / 2 + math.log(scale) + math.log(2 * math.pi) / 2
    return each.sum(1).mean()


def decline(question):
    """Raise for what these layers have not; below the first line, what only version 2 asks."""
    if any(layer.type != "DenseFlipout" for layer in question.layers):
        raise NotImplementedError("my layers take no images")
    if any(layer.bias == "normal_flipped" for layer in question.layers):
        raise NotImplementedError("my bias takes no signs")
    if question.meta.get("estimator") == "local" or question.sample_weight is not None:
        raise NotImplementedError("I have Flipout noise, and every row counts 1")
    for layer in question.layers:
        if not isinstance(layer.kernel_prior, tuple) or isinstance(layer.bias_prior, dict):
            raise NotImplementedError("my priors are Normal")
        if layer.bias == "deterministic" and layer.bias_prior:
            raise NotImplementedError("my deterministic bias has no prior")
    likelihood = question.meta["likelihood"]
    if likelihood["type"] == "predicted_normal" or likelihood.get("learn_scale"):
        raise NotImplementedError("my noise scale is a number")


def answer(question):
    """What the check asks: one training step of my layers on the question's noise."""
    decline(question)
    model = torch.nn.Sequential(*map(DenseFlipout, question.layers))
    x = torch.tensor(question.x, requires_grad=True)
    outputs = model(x)
    y = torch.tensor(question.y)
    nll = negative_log_likelihood(question.meta["likelihood"], outputs, y)
    kls = [layer.kl() for layer in model]
    loss = nll + question.kl_weight * sum(kls)
    loss.backward()
    grads = {f"layers.{name}": p.grad for name, p in model.named_parameters()}
    return {"outputs": outputs, "nll": nll, "kl": sum(kls), "kl_layers": kls, "loss": loss,
            "grads": grads, "grad_x": x.grad}  # fmt: skip


if __name__ == "__main__":
    report = check_implementation(answer, random=20, version=2, name="my PyTorch layer")
    print(report)
    sys.exit(not report.agrees)
