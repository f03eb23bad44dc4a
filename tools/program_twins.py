"""The ten programs of `programs.py` as somebody writes them in PyTorch, trained and scored there.

Nothing of this project takes part but the description of the layers: initial values, noise, masks,
the order of the rows, gradients, Adam and the draws of the prediction are PyTorch's.
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

BATCH, SIGMA = 128, 0.02


def softplus_inverse(sigma):
    """Return rho of softplus(rho) = sigma."""
    return math.log(math.expm1(sigma))


class Bayesian(nn.Module):
    """What a dense layer and a convolution with a posterior share: N(mu, sigma), N(0, 1) before.

    Parameters
    ----------
    shape : tuple of int
        Of the weights, outputs first.
    options : dict
        For the product.
    activation : function
    local : bool
        Noise at the outputs instead of Flipout's.
    """

    def __init__(self, shape, options, activation, local=False):
        super().__init__()
        fan_in = math.prod(shape[1:])
        self.mu = nn.Parameter(torch.randn(shape) * math.sqrt(2 / fan_in))
        self.rho = nn.Parameter(torch.full(shape, softplus_inverse(SIGMA)))
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.options, self.activation, self.local = options, activation, local
        self.between = (1,) * (len(shape) - 2)  # of signs: the same at every place
        self.product = F.linear if len(shape) == 2 else F.conv2d

    def kl(self):
        """Return KL(q, N(0, 1)) in nats, the sum over the weights."""
        sigma = F.softplus(self.rho)
        return torch.sum((sigma**2 + self.mu**2 - 1) / 2 - torch.log(sigma))

    def forward(self, h):
        """Return the outputs: under Flipout in training, of one draw of the weights after it."""
        sigma = F.softplus(self.rho)
        if not self.training:
            weights = self.mu + sigma * torch.randn_like(sigma)
            return self.activation(self.product(h, weights, self.bias, **self.options))
        mean = self.product(h, self.mu, self.bias, **self.options)
        if self.local:
            deviation = torch.sqrt(self.product(h**2, sigma**2) + 1e-16)
            return self.activation(mean + deviation * torch.randn_like(mean))
        signs = [torch.randint(2, (len(h), size, *self.between)) * 2.0 - 1
                 for size in (h.shape[1], mean.shape[1])]  # fmt: skip
        noise = self.product(h * signs[0], sigma * torch.randn_like(sigma), **self.options)
        return self.activation(mean + noise * signs[1])


class SharedDropout(nn.Dropout):
    """Dropout that goes on in predictions, with one mask for all rows of a draw."""

    def forward(self, h):
        """Return what is kept."""
        if self.training:
            return super().forward(h)
        return h * F.dropout(torch.ones_like(h[:1]), self.p)


class Around(nn.Module):
    """h + f(h)."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, h):
        """Return h + f(h)."""
        return h + self.inner(h)


def activation_of(name):
    """Return PyTorch's function of that name, a slope in brackets."""
    name, _, slope = name.rstrip(")").partition("(")
    if slope:
        return lambda a: F.leaky_relu(a, float(slope))
    return {"linear": lambda a: a, "relu": F.relu, "sigmoid": torch.sigmoid}[name]


class Point(nn.Module):
    """A dense layer of point estimates, with the scale of its prior or None."""

    def __init__(self, layer):
        super().__init__()
        self.dense = nn.Linear(layer.inputs, layer.outputs)
        self.activation = activation_of(layer.activation)
        nn.init.normal_(self.dense.weight, 0, math.sqrt(2 / (layer.inputs + layer.outputs)))
        nn.init.zeros_(self.dense.bias)
        self.scale = None if layer.kernel_prior is None else layer.kernel_prior.scale

    def kl(self):
        """Return -log of the prior, but for what is constant."""
        return 0.0 if self.scale is None else (self.dense.weight / self.scale).square().sum() / 2

    def forward(self, h):
        """Return the outputs."""
        return self.activation(self.dense(h))


def twin_of(layers, local):
    """Return the PyTorch module of layers as `programs.py` lists them.

    Parameters
    ----------
    layers : sequence of Layer
    local : bool
        Whether the dense layers take local noise.
    """
    modules = []
    for layer in layers:
        kind = layer.type
        if kind == "DenseFlipout":
            activation = activation_of(layer.activation)
            modules.append(Bayesian((layer.outputs, layer.inputs), {}, activation, local))
        elif kind == "Conv2DFlipout":
            (height, width), channels = layer.kernel_size, layer.input_shape[-1]
            shape = (layer.filters, channels, height, width)
            modules.append(Bayesian(shape, {"padding": layer.padding},
                                    activation_of(layer.activation)))  # fmt: skip
        elif kind == "BatchNorm":
            norm = nn.BatchNorm1d if len(layer.shape) == 1 else nn.BatchNorm2d
            modules.append(norm(layer.features, layer.epsilon, 1 - layer.momentum))
        elif kind == "Residual":
            modules.append(Around(twin_of(layer.layers, local)))
        else:
            modules.append({
                "Dense": lambda layer: Point(layer),
                "Dropout": lambda layer: SharedDropout(layer.rate),
                "MaxPool2D": lambda layer: nn.MaxPool2d(layer.pool_size),
                "Flatten": lambda layer: nn.Flatten(),
                "Elementwise": lambda layer: nn.ReLU(),
            }[kind](layer))  # fmt: skip
    return nn.Sequential(*modules)


def log_density(outputs, y):
    """Return log p(y) of each row, (B,): of class ids by logits, else by a mean and a scale."""
    if not y.is_floating_point():
        return -F.cross_entropy(outputs, y, reduction="none")
    mean, rho = outputs.chunk(2, dim=1)
    return torch.distributions.Normal(mean, 1e-3 + F.softplus(rho)).log_prob(y).sum(1)


def train(program, x, y, seed):
    """Return the trained module.

    Parameters
    ----------
    program : Program
    x : tensor (N, ...), y : tensor (N,) of class ids or (N, 1)
    seed : int
        Of PyTorch's generator.
    """
    torch.manual_seed(seed)
    model = twin_of(program.network.layers, program.estimator == "local")
    adam = torch.optim.Adam(model.parameters(), program.rate)
    with_kl = [module for module in model.modules() if hasattr(module, "kl")]
    order = torch.empty(0, dtype=torch.long)
    for _ in range(program.steps):
        if not len(order):
            order = torch.randperm(len(x))
        rows, order = order[:BATCH], order[BATCH:]
        loss = -log_density(model(x[rows]), y[rows]).mean() + sum(m.kl() for m in with_kl) / len(x)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return model


@torch.no_grad()
def scores(model, x, y, draws=50):
    """Return (nats, accuracy or root mean squared error) of rows, averaged over draws of weights.

    Parameters
    ----------
    model : module
    x, y : tensor
        As for `train`.
    draws : int
    """
    model.eval()
    outputs = torch.stack([model(x) for _ in range(draws)])
    logs = torch.stack([log_density(drawn, y) for drawn in outputs])
    nats = (torch.logsumexp(logs, 0) - math.log(draws)).mean().item()
    if y.is_floating_point():
        return nats, (outputs[:, :, :1].mean(0) - y).square().mean().sqrt().item()
    return nats, (outputs.softmax(2).mean(0).argmax(1) == y).double().mean().item()


def trained_scores(program, data, seed, draws=50):
    """Return the scores of a program's twin, trained from that seed.

    Parameters
    ----------
    program : Program
    data : (x, y, x_test, y_test)
        Arrays of flat rows.
    seed : int
    draws : int
        Of the prediction.
    """
    shape = program.network.layers[0].input_shape
    x, y, x_test, y_test = (torch.as_tensor(np.asarray(part)) for part in data)
    is_class = not y.is_floating_point()
    y, y_test = ((part.long() if is_class else part.float()) for part in (y, y_test))
    x, x_test = (part.float().reshape(-1, *shape) for part in (x, x_test))
    if len(shape) == 3:
        x, x_test = (part.permute(0, 3, 1, 2).contiguous() for part in (x, x_test))
    return scores(train(program, x, y, seed), x_test, y_test, draws)
