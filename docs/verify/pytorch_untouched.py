"""PyTorch layers verified as they are, not a line changed: python docs/verify/pytorch_untouched.py

With --mistake the KL is averaged over weights, and the verdict says so.
"""

import sys

import torch
from torch import nn
from torch.nn.functional import linear, softplus

from bnn_ref.verification import LayerHook, check_layer, check_vector, record

MISTAKE = "--mistake" in sys.argv


class FlipoutLinear(nn.Module):
    """A layer as one trains it: PyTorch's layout, its own draws, its own KL."""

    def __init__(self, inputs, outputs, prior_std=1.0):
        super().__init__()
        self.weight_mu = nn.Parameter(0.3 * torch.randn(outputs, inputs))
        self.weight_rho = nn.Parameter(torch.full((outputs, inputs), -2.0))
        self.bias = nn.Parameter(0.1 * torch.randn(outputs))
        self.prior_std = prior_std

    def forward(self, x):
        sigma = softplus(self.weight_rho)
        delta = sigma * torch.randn_like(sigma)
        sign_input = torch.randint(0, 2, x.shape).to(x) * 2 - 1
        sign_output = torch.randint(0, 2, (len(x), len(self.bias))).to(x) * 2 - 1
        perturbation = linear(x * sign_input, delta) * sign_output
        return linear(x, self.weight_mu, self.bias) + perturbation

    def kl(self):
        posterior = torch.distributions.Normal(self.weight_mu, softplus(self.weight_rho))
        each = torch.distributions.kl_divergence(
            posterior, torch.distributions.Normal(0.0, self.prior_std)
        )
        return each.mean() if MISTAKE else each.sum()


# How such a layer is read: where mu and rho are, the prior (loc, scale), the KL, the layout.
hook = LayerHook(
    FlipoutLinear,
    tensors=lambda layer: {
        "kernel": (layer.weight_mu, layer.weight_rho),
        "bias": (layer.bias, None),  # (mu, rho) where it is random
    },
    prior=lambda layer, part: (0.0, layer.prior_std),
    kl=lambda layer: layer.kl(),
    sigma="softplus",  # of rho; or "exp", "exp_half" (of a log variance), "sigma"
    transposed=True,  # the kernel lies (outputs, inputs)
)

if __name__ == "__main__":
    torch.manual_seed(0)
    model = nn.Sequential(FlipoutLinear(5, 8), nn.ReLU(), FlipoutLinear(8, 3))
    x, y = torch.randn(6, 5), torch.randint(0, 3, (6,))
    check = check_vector(record(model, x, y, kl_weight=0.01, hooks=[hook]))
    print(check.text())  # the numbers: outputs, nll, KL, loss, every gradient

    layer = model[0]
    report = check_layer(layer, layer.weight_mu.T, softplus(layer.weight_rho).T, torch.randn(4, 5),
                         bias_mu=layer.bias)  # fmt: skip
    print(report)  # the noise: are the signs signs, is it drawn anew
    sys.exit(not (check.agrees and report.agrees))
