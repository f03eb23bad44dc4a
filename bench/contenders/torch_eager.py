"""PyTorch as a person would write it: autograd over a hand-written Flipout network, fused Adam."""

import torch
from torch.nn import functional as F

from . import base

HALF = 0.5 - 2**-25
ACTIVATIONS = {
    "linear": lambda a: a,
    "relu": F.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "elu": F.elu,
    "gelu": F.gelu,
}


def signs(rows, columns, like):
    """Return -1 or +1 (rows, columns), of a tensor's dtype: a uniform draw each.

    Uniform draws are multiples of 2^-24, so that none minus HALF is 0 and half of them are below.
    """
    return torch.rand(rows, columns, dtype=like.dtype).sub_(HALF).sign_()


def sigma(rho):
    return torch.finfo(rho.dtype).eps + F.softplus(rho)


def fresh_noise(layers, signs=signs):
    """Return a function of (k, inputs) that draws layer k's noise."""

    def draw(k, h):
        mu = layers[k][0]
        rows, (inputs, outputs) = h.shape[0], mu.shape
        return torch.randn_like(mu), signs(rows, inputs, mu), signs(rows, outputs, mu)

    return draw


def forward(layers, noise, h, activation):
    """Return the outputs: Flipout, each layer's mean product and perturbation product.

    ``noise(k, h)`` gives layer k's (kernel_eps, sign_input, sign_output).
    """
    for k, (mu, rho, bias) in enumerate(layers):
        eps, sign_input, sign_output = noise(k, h)
        perturbation = ((h * sign_input) @ (sigma(rho) * eps)) * sign_output
        h = torch.addmm(bias, h, mu) + perturbation
        h = h if k == len(layers) - 1 else ACTIVATIONS[activation](h)
    return h


def kl_of(layers):
    """Return the KL from the priors N(0, 1)."""
    kl = 0
    for mu, rho, _ in layers:
        s = sigma(rho)
        kl = kl + (0.5 * (s * s + mu * mu) - 0.5 - torch.log(s)).sum()
    return kl


def nll_of(work, z, y, scale_rho):
    """Return the nll of a workload's likelihood, the mean over rows, summed over outputs."""
    if work.likelihood == "categorical":
        return F.cross_entropy(z, y)
    if work.likelihood == "bernoulli":
        return F.binary_cross_entropy_with_logits(z, y, reduction="sum") / len(z)
    variance = F.softplus(scale_rho).square().expand_as(z)
    return F.gaussian_nll_loss(z, y, variance, full=True, eps=0, reduction="sum") / len(z)


def loss_of(work, layers, scale_rho, noise, x, y, kl_weight):
    """Return nll + kl_weight * kl."""
    z = forward(layers, noise, x, work.activation)
    return nll_of(work, z, y, scale_rho) + kl_weight * kl_of(layers)


def draw_probabilities(layers, x, kind, activation, signs):
    """Return one draw of the class probabilities."""
    if kind == "flipout":
        return forward(layers, fresh_noise(layers, signs), x, activation).softmax(-1)
    for k, (mu, rho, bias) in enumerate(layers):
        x = torch.addmm(bias, x, mu + sigma(rho) * torch.randn_like(mu))
        x = x if k == len(layers) - 1 else ACTIVATIONS[activation](x)
    return x.softmax(-1)


class Contender(base.Contender):
    likelihoods = ("categorical", "bernoulli", "normal")
    signs = staticmethod(signs)
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

    def fresh_loss(self, layers, scale_rho, x, y, kl_weight):
        """Return the loss under noise drawn now."""
        noise = fresh_noise(layers, self.signs)
        return loss_of(self.problem.workload, layers, scale_rho, noise, x, y, kl_weight)

    def initial(self):
        """Return the layers' tensors, and scale_rho or None."""
        given = self.problem.parameters

        def tensor(name):
            return torch.tensor(given[name], requires_grad=True)

        layers = [tuple(tensor(name) for name in names) for names in self.names]
        return layers, tensor(base.SCALE) if base.SCALE in given else None

    def reset(self, learning_rate):
        self.layers, self.scale_rho = self.initial()
        tensors = [tensor for layer in self.layers for tensor in layer]
        tensors += [] if self.scale_rho is None else [self.scale_rho]
        self.optimiser = torch.optim.Adam(tensors, lr=learning_rate, fused=True)

    def run(self, steps):
        losses, batches, kl_weight = [], self.batches, self.problem.kl_weight
        for t in range(steps):
            x, y = batches[t % len(batches)]
            self.optimiser.zero_grad(set_to_none=True)
            loss = self.fresh_loss(self.layers, self.scale_rho, x, y, kl_weight)
            loss.backward()
            self.optimiser.step()
            losses.append(loss.detach())
        return losses

    def by_name(self, layers, scale_rho, of):
        """Return full name to array of every tensor, `of` taking what is wanted of it."""
        named = {name: of(tensor) for names, layer in zip(self.names, layers, strict=True)
                 for name, tensor in zip(names, layer, strict=True)}  # fmt: skip
        return named if scale_rho is None else {**named, base.SCALE: of(scale_rho)}

    def parameters(self):
        return self.by_name(self.layers, self.scale_rho, lambda p: p.detach().numpy().copy())

    def replay(self, noise):
        given = [tuple(torch.tensor(a) for a in layer[:3]) for layer in noise.layers]
        layers, scale_rho = self.initial()
        x, y = self.batches[0]
        work, kl_weight = self.problem.workload, self.problem.kl_weight
        loss = loss_of(work, layers, scale_rho, lambda k, h: given[k], x, y, kl_weight)
        loss.backward()
        gradients = self.by_name(layers, scale_rho, lambda p: p.grad.numpy())
        return {"loss": float(loss.detach()), "gradients": gradients}

    @torch.no_grad()
    def predict(self, x, draws, kind):
        x, activation = torch.as_tensor(x), self.problem.workload.activation
        total = 0
        for _ in range(draws):
            total = total + self.draw_probabilities(self.layers, x, kind, activation, self.signs)
        return (total / draws).numpy()
