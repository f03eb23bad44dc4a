"""PyTorch as it comes: autograd over a hand-written Flipout network, fused Adam."""

import torch
from torch.nn import functional as F

from . import base

HALF = 0.5 - 2**-25


def signs(like):
    """Return -1 or +1 of a tensor's shape.

    One uniform draw each was the fastest of five ways tried. Uniform draws are multiples of 2^-24,
    so that none minus HALF is 0 and half of them are below.
    """
    return torch.rand_like(like).sub_(HALF).sign_()


def sigma(rho):
    return torch.finfo(rho.dtype).eps + F.softplus(rho)


def fresh_noise(layers):
    """Return a function of (k, inputs) that draws layer k's noise."""

    def draw(k, h):
        mu = layers[k][0]
        return torch.randn_like(mu), signs(h), signs(h.new_empty(h.shape[0], mu.shape[1]))

    return draw


def forward(layers, noise, h):
    """Return the logits: Flipout, each layer's mean product and perturbation product.

    ``noise(k, h)`` gives layer k's (kernel_eps, sign_input, sign_output).
    """
    for k, (mu, rho, bias) in enumerate(layers):
        eps, sign_input, sign_output = noise(k, h)
        perturbation = ((h * sign_input) @ (sigma(rho) * eps)) * sign_output
        h = torch.addmm(bias, h, mu) + perturbation
        h = h if k == len(layers) - 1 else F.relu(h)
    return h


def kl_of(layers):
    """Return the KL from the priors N(0, 1)."""
    kl = 0
    for mu, rho, _ in layers:
        s = sigma(rho)
        kl = kl + (0.5 * (s * s + mu * mu) - 0.5 - torch.log(s)).sum()
    return kl


def loss_of(layers, noise, x, y, kl_weight):
    """Return nll + kl_weight * kl."""
    return F.cross_entropy(forward(layers, noise, x), y) + kl_weight * kl_of(layers)


def fresh_loss(layers, x, y, kl_weight):
    """Return the loss under noise drawn now."""
    return loss_of(layers, fresh_noise(layers), x, y, kl_weight)


def draw_probabilities(layers, x, kind):
    """Return one draw of the class probabilities."""
    if kind == "flipout":
        return forward(layers, fresh_noise(layers), x).softmax(-1)
    for k, (mu, rho, bias) in enumerate(layers):
        x = torch.addmm(bias, x, mu + sigma(rho) * torch.randn_like(mu))
        x = x if k == len(layers) - 1 else F.relu(x)
    return x.softmax(-1)


class Contender(base.Contender):
    fresh_loss = staticmethod(fresh_loss)
    draw_probabilities = staticmethod(draw_probabilities)

    def __init__(self, dtype, threads):
        super().__init__(dtype, threads)
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        torch.manual_seed(1)

    def open(self, problem):
        self.problem = problem
        self.names = base.parameter_names(problem.network)
        self.batches = [(torch.tensor(x), torch.tensor(y)) for x, y in problem.batches]

    def initial(self):
        given = self.problem.parameters
        return [
            tuple(torch.tensor(given[name], requires_grad=True) for name in names)
            for names in self.names
        ]

    def reset(self, learning_rate):
        self.layers = self.initial()
        tensors = [tensor for layer in self.layers for tensor in layer]
        self.optimiser = torch.optim.Adam(tensors, lr=learning_rate, fused=True)

    def run(self, steps):
        losses, batches, kl_weight = [], self.batches, self.problem.kl_weight
        for t in range(steps):
            x, y = batches[t % len(batches)]
            self.optimiser.zero_grad(set_to_none=True)
            loss = self.fresh_loss(self.layers, x, y, kl_weight)
            loss.backward()
            self.optimiser.step()
            losses.append(loss.detach())
        return losses

    def parameters(self):
        pairs = zip(self.names, self.layers, strict=True)
        return {n: t.detach().numpy().copy() for names, layer in pairs
                for n, t in zip(names, layer, strict=True)}  # fmt: skip

    def replay(self, noise):
        given = [tuple(torch.tensor(a) for a in layer[:3]) for layer in noise.layers]
        layers = self.initial()
        loss = loss_of(layers, lambda k, h: given[k], *self.batches[0], self.problem.kl_weight)
        loss.backward()
        pairs = zip(self.names, layers, strict=True)
        return {
            "loss": float(loss),
            "gradients": {n: t.grad.numpy() for names, layer in pairs
                          for n, t in zip(names, layer, strict=True)},
        }  # fmt: skip

    @torch.no_grad()
    def predict(self, x, draws, kind):
        x = torch.as_tensor(x)
        total = 0
        for _ in range(draws):
            total = total + self.draw_probabilities(self.layers, x, kind)
        return (total / draws).numpy()
