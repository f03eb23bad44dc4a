"""Layers of PyTorch that hooks read: torchbnn's, Blitz's, others' and a person's own."""

import numpy as np
import pytest

from bnn_ref.verification import check_vector, record

torch = pytest.importorskip("torch")
from bnn_ref.verification import LayerHook  # noqa: E402, it imports PyTorch

X = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
Y = np.arange(6) % 3


class Mine(torch.nn.Module):
    """A Flipout layer with the log of a variance, signs of two makes and a plain bias."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.mu = torch.nn.Parameter(torch.randn(inputs, outputs) * 0.3)
        self.log_variance = torch.nn.Parameter(torch.randn(inputs, outputs) * 0.3 - 3)
        self.bias = torch.nn.Parameter(torch.randn(outputs) * 0.1)

    def forward(self, h):
        sigma = torch.exp(self.log_variance / 2)
        eps = torch.distributions.Normal(0.0, 1.0).sample(self.mu.shape)
        sign_input = torch.randint(0, 2, h.shape) * 2.0 - 1
        sign_output = torch.sign(torch.rand(len(h), self.mu.shape[1]) - 0.5)
        self.kl = torch.sum((sigma**2 + (self.mu - 0.5) ** 2) / 2 - torch.log(sigma) - 0.5)
        return h @ self.mu + ((h * sign_input) @ (sigma * eps)) * sign_output + self.bias


def hook(kind=Mine, **changes):
    options = {"sigma": "exp_half", "transposed": False, **changes}
    return LayerHook(
        kind, lambda layer: {"kernel": (layer.mu, layer.log_variance), "bias": (layer.bias, None)},
        lambda layer, part: (0.5, 1.0), lambda layer: layer.kl, **options,
    )  # fmt: skip


def model(layer, *more, **options):
    torch.manual_seed(0)
    return torch.nn.Sequential(layer(5, 4, *more, **options), torch.nn.Tanh(),
                               layer(4, 3, *more, **options))  # fmt: skip


def test_a_persons_own_layer_is_read_by_its_hook(tmp_path):
    vector = record(model(Mine), X, Y, kl_weight=0.05, hooks=[hook()], path=tmp_path / "v.npz")
    check = check_vector(vector)
    assert check.agrees, check.text()
    assert [layer.bias for layer in vector.layers] == ["deterministic"] * 2
    assert {float(v) for v in np.unique(vector.layers[0].sign_output)} == {-1.0, 1.0}


def test_noise_may_be_named_by_the_person():
    def named(draws, arrays):
        kinds = [kind for kind, _ in draws]
        assert kinds == ["normal", "other", "uniform"]
        return {"kernel_eps": draws[0][1], "sign_input": 2.0 * draws[1][1] - 1,
                "sign_output": np.sign(draws[2][1] - 0.5)}  # fmt: skip

    vector = record(model(Mine), X, Y, kl_weight=0.05, hooks=[hook(noise=named)])
    assert check_vector(vector).agrees


def test_a_mistake_in_it_is_found():
    class Scaled(Mine):
        def forward(self, h):
            outputs = super().forward(h)
            self.kl = 0.3 * self.kl
            return outputs

    check = check_vector(record(model(Scaled), X, Y, kl_weight=0.05, hooks=[hook(Scaled)]))
    assert [e.keys for e in check.explanations] == [("kl-weight",)], check.text()


def test_what_no_hook_reads_is_one_line():
    with pytest.raises(ValueError, match="expected layers of Mine, found none"):
        record(torch.nn.Sequential(torch.nn.Linear(5, 3)), X, Y, hooks=[hook()])
    with pytest.raises(ValueError, match=r"hook\.sigma: expected one of softplus, exp"):
        record(model(Mine), X, Y, hooks=[hook(sigma="variance")])
    silent = hook(noise=lambda draws, arrays: {})
    with pytest.raises(ValueError, match=r"layers\.0: expected a draw for kernel_eps"):
        record(model(Mine), X, Y, hooks=[silent])


def test_torchbnn_agrees():
    torchbnn = pytest.importorskip("torchbnn")
    torch.manual_seed(1)
    layers = torch.nn.Sequential(
        torchbnn.BayesLinear(0.1, 0.5, in_features=5, out_features=4), torch.nn.Tanh(),
        torchbnn.BayesLinear(0.0, 0.3, in_features=4, out_features=3, bias=False),
    )  # fmt: skip
    check = check_vector(record(layers, X, Y, kl_weight=0.05))
    assert check.agrees, check.text()
    assert check.vector.meta["source"].startswith("torchbnn, torch ")


def test_blitz_is_a_mixture_at_the_drawn_weights():
    """Its prior density has 1e-6 added, which shows where a weight is far from the prior."""
    modules = pytest.importorskip("blitz.modules")
    wide = {"prior_pi": 0.5, "prior_sigma_1": 1.0, "posterior_rho_init": -2.0}
    vector = record(model(modules.BayesianLinear, **wide), X, Y, kl_weight=0.05)
    assert (vector.version, vector.layers[0].kernel_prior["type"]) == (2, "mixture")
    assert check_vector(vector).agrees
    narrow = {"prior_sigma_1": 0.05, "posterior_rho_init": -2.0}
    check = check_vector(record(model(modules.BayesianLinear, **narrow), X, Y, kl_weight=0.05))
    assert not check.agrees


@pytest.mark.parametrize("package", ["torch_uncertainty", "probly"])
def test_others_where_they_are_installed(package):
    """torch-uncertainty's log q has half a nat a weight too much: 32 weights and 7 biases."""
    if package == "probly":
        layers = pytest.importorskip("probly.representation.layers.bayesian")
        built = model(layers.BayesLinear)
        for module in built.modules():
            if hasattr(module, "weight_mu"):
                torch.nn.init.normal_(module.weight_mu, 0, 0.3)
                torch.nn.init.normal_(module.bias_mu, 0, 0.3)
        assert check_vector(record(built, X, Y, kl_weight=0.05)).agrees
        return
    layers = pytest.importorskip("torch_uncertainty.layers.bayesian")
    vector = record(model(layers.BayesLinear, sigma_init=-2.0, prior_sigma_1=0.5), X, Y)
    rows = {row.name: row for row in check_vector(vector).comparison.rows}
    assert rows["outputs"].agrees
    assert float(rows["kl"].expected - rows["kl"].found) == pytest.approx(0.5 * 39, rel=1e-4)
