"""Bayesian-Torch: its `LinearFlipout` layers, fused Adam.

Its own conventions are brought to the same work: its layer gives the mean of the KL over weights,
so it is multiplied by their number, and its bias has a posterior, so the layers are built without
and a deterministic bias is added.
"""

import itertools

import torch
from bayesian_torch.layers import LinearFlipout
from torch import nn
from torch.nn import functional as F

from . import base


class Network(nn.Module):
    """`LinearFlipout` layers with deterministic biases; returns logits and the summed KL."""

    def __init__(self, sizes, dtype):
        super().__init__()
        pairs = list(itertools.pairwise(sizes))
        self.layers = nn.ModuleList(LinearFlipout(i, o, bias=False) for i, o in pairs)
        self.biases = nn.ParameterList(torch.zeros(o) for _, o in pairs)
        self.to(dtype)

    def forward(self, h):
        kl = 0
        for k, (layer, bias) in enumerate(zip(self.layers, self.biases, strict=True)):
            h, mean_kl = layer(h)
            h = h + bias
            h = h if k == len(self.layers) - 1 else F.relu(h)
            kl = kl + mean_kl * layer.mu_weight.numel()
        return h, kl


class Contender(base.Contender):
    kinds = ("flipout",)

    def __init__(self, dtype, threads):
        super().__init__(dtype, threads)
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        torch.manual_seed(1)

    def open(self, problem):
        self.problem = problem
        self.network = Network(problem.workload.sizes, getattr(torch, self.dtype))
        self.batches = [(torch.tensor(x), torch.tensor(y)) for x, y in problem.batches]

    def tensors(self):
        """Return full name to (tensor, whether it is the transpose of ours)."""
        tensors = {}
        for k, (layer, bias) in enumerate(
            zip(self.network.layers, self.network.biases, strict=True)
        ):
            tensors[f"layers.{k}.kernel_mu"] = layer.mu_weight, True
            tensors[f"layers.{k}.kernel_rho"] = layer.rho_weight, True
            tensors[f"layers.{k}.bias_mu"] = bias, False
        return tensors

    def reset(self, learning_rate):
        with torch.no_grad():
            for name, (tensor, transposed) in self.tensors().items():
                value = torch.tensor(self.problem.parameters[name])
                tensor.copy_(value.T if transposed else value)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=learning_rate, fused=True)

    def run(self, steps):
        losses, batches, kl_weight = [], self.batches, self.problem.kl_weight
        for t in range(steps):
            x, y = batches[t % len(batches)]
            self.optimiser.zero_grad(set_to_none=True)
            logits, kl = self.network(x)
            loss = F.cross_entropy(logits, y) + kl_weight * kl
            loss.backward()
            self.optimiser.step()
            losses.append(loss.detach())
        return losses

    def parameters(self):
        return {
            name: (tensor.T if transposed else tensor).detach().numpy().copy()
            for name, (tensor, transposed) in self.tensors().items()
        }

    @torch.no_grad()
    def predict(self, x, draws, kind):
        x = torch.as_tensor(x)
        total = 0
        for _ in range(draws):
            total = total + self.network(x)[0].softmax(-1)
        return (total / draws).numpy()
