"""PyTorch at its best: the gradient written by hand under no_grad, signs through a table."""

import torch
from torch.nn import functional as F

from . import torch_eager, torch_signs
from .torch_eager import ACTIVATIONS

SLOPES = {  # of an activation, by its output h
    "relu": lambda h: (h > 0).to(h.dtype),
    "tanh": lambda h: 1 - h * h,
    "sigmoid": lambda h: h * (1 - h),
    "linear": torch.ones_like,
}


def nll_and_gradient(work, z, y, scale_rho):
    """Return the nll, its gradient by z, and by scale_rho or None."""
    rows = len(z)
    if work.likelihood == "categorical":
        logs = F.log_softmax(z, 1)
        grad = logs.exp()
        index = torch.arange(rows)
        grad[index, y] -= 1
        return -logs[index, y].mean(), grad.div_(rows), None
    if work.likelihood == "bernoulli":
        nll = F.binary_cross_entropy_with_logits(z, y, reduction="sum") / rows
        return nll, (torch.sigmoid(z) - y).div_(rows), None
    s = F.softplus(scale_rho)
    t = (y - z) / s
    nll = (0.5 * t * t + s.log() + 0.9189385332046727).sum() / rows
    by_s = ((1 - t * t) / s).sum(0) / rows
    return nll, t.neg().div_(s * rows), by_s * torch.sigmoid(scale_rho)


@torch.no_grad()
def loss_and_gradients(work, layers, scale_rho, noise, x, y, kl_weight):
    """Return the loss, [(by mu, by rho, by bias)] and the gradient by scale_rho or None."""
    h, kept, kl, last = x, [], 0, len(layers) - 1
    for k, (mu, rho, bias) in enumerate(layers):
        eps, sign_input, sign_output = noise(k, h)
        s = F.softplus(rho).add_(torch.finfo(rho.dtype).eps)
        delta, flipped = s * eps, h * sign_input
        a = torch.addmm(bias, h, mu).addcmul_(flipped @ delta, sign_output)
        kl = kl + 0.5 * (s.square().sum() + mu.square().sum() - mu.numel()) - s.log().sum()
        kept.append((h, flipped, eps, s, delta, sign_input, sign_output))
        h = a if k == last else ACTIVATIONS[work.activation](a)
    nll, grad, by_scale = nll_and_gradient(work, h, y, scale_rho)
    gradients = [None] * len(layers)
    for k in range(last, -1, -1):
        mu, rho, _ = layers[k]
        inputs, flipped, eps, s, delta, sign_input, sign_output = kept[k]
        turned = grad * sign_output
        by_s = (flipped.T @ turned).mul_(eps).add_(s - s.reciprocal(), alpha=kl_weight)
        by_mu = torch.addmm(mu, inputs.T, grad, beta=kl_weight)
        gradients[k] = by_mu, by_s.mul_(torch.sigmoid(rho)), grad.sum(0)
        if k:
            grad = torch.addcmul(grad @ mu.T, turned @ delta.T, sign_input)
            grad = grad.mul_(SLOPES[work.activation](inputs))
    return nll + kl_weight * kl, gradients, by_scale


class Contender(torch_eager.Contender):
    signs = staticmethod(torch_signs.signs)

    def open(self, problem):
        if problem.workload.activation not in SLOPES:
            raise ValueError(f"it is not written for {problem.workload.activation}")
        super().open(problem)

    def run(self, steps):
        losses, batches, problem = [], self.batches, self.problem
        for t in range(steps):
            x, y = batches[t % len(batches)]
            noise = torch_eager.fresh_noise(self.layers, self.signs)
            loss, gradients, by_scale = loss_and_gradients(
                problem.workload, self.layers, self.scale_rho, noise, x, y, problem.kl_weight
            )
            for layer, grads in zip(self.layers, gradients, strict=True):
                for tensor, grad in zip(layer, grads, strict=True):
                    tensor.grad = grad
            if by_scale is not None:
                self.scale_rho.grad = by_scale
            self.optimiser.step()
            losses.append(loss)
        return losses

    def replay(self, noise):
        given = [tuple(torch.tensor(a) for a in layer[:3]) for layer in noise.layers]
        layers, scale_rho = self.initial()
        loss, gradients, by_scale = loss_and_gradients(
            self.problem.workload, layers, scale_rho, lambda k, h: given[k], *self.batches[0],
            self.problem.kl_weight,
        )  # fmt: skip
        named = self.by_name(gradients, by_scale, lambda tensor: tensor.numpy())
        return {"loss": float(loss), "gradients": named}
