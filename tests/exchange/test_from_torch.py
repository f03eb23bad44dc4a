"""Five PyTorch models, written as their libraries' own examples are. Oracle: the models.

Where a library lets its noise be replayed, outputs agree under the same draws.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bnn_ref import (  # noqa: E402
    Bernoulli,
    Categorical,
    LayerNoise,
    Noise,
    Normal,
    Trainer,
    draw_noise,
    loss_and_gradients,
    reference,
)
from bnn_ref.exchange import from_torch, posterior_mean, to_torch  # noqa: E402
from bnn_ref.priors import MixturePrior  # noqa: E402

nn = torch.nn
RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 20))


def outputs(found, x=X, kind="mean"):
    return reference.draw_outputs(found.network, found.parameters, x, 0, 0, kind=kind)


def shared(*eps):
    """Noise of layers that draw one weight for a batch: every sign +1."""
    layers = [
        LayerNoise(
            kernel, np.ones((len(X), kernel.shape[0])), np.ones((len(X), kernel.shape[1])), bias
        )
        for kernel, bias in eps
    ]
    return Noise(tuple(layers))


def tutorial():
    """`NeuralNetwork` of PyTorch's quickstart, smaller."""
    return nn.Sequential(nn.Flatten(), nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(),
                         nn.Linear(16, 10))  # fmt: skip


def normalised():
    return nn.Sequential(
        nn.Sequential(nn.Linear(20, 12, bias=False), nn.BatchNorm1d(12), nn.LeakyReLU(0.2)),
        nn.Sequential(nn.Linear(12, 8), nn.LayerNorm(8), nn.SiLU(), nn.Dropout(0.25)),
        nn.Linear(8, 3),
        nn.LogSoftmax(dim=1),
    )


@pytest.mark.parametrize("make", [tutorial, normalised])
def test_deterministic_models_predict_and_train_as_they_do(make):
    torch.manual_seed(0)
    model = make().double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            with torch.no_grad():
                module.weight.uniform_(0.5, 2)
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    found = from_torch(model)
    x, y = torch.tensor(X), torch.arange(7) % 3
    model.eval()
    logits = model(x).detach()
    ours = (
        torch.log_softmax(torch.tensor(outputs(found)), 1) if make is normalised else outputs(found)
    )
    np.testing.assert_allclose(ours, logits, rtol=1e-12, atol=1e-13)
    model.train()
    noise = draw_noise(found.network, 7, 1, dtype="float64")
    keep = [one.keep for one in noise.layers if hasattr(one, "keep")]
    dropout = [m for m in model.modules() if isinstance(m, nn.Dropout)]
    for module, mask in zip(dropout, keep, strict=True):
        module.forward = lambda h, mask=mask: h * torch.tensor(mask) / 0.75
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    result = loss_and_gradients(found.network, found.parameters, X, y.numpy(), noise, 0.0)
    assert result.nll == pytest.approx(loss.item(), rel=1e-12)
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    names = [name for name in found.parameters if name.endswith("kernel_mu")]
    for name, module in zip(names, linear, strict=True):
        np.testing.assert_allclose(result.gradients[name], module.weight.grad.T, rtol=1e-9,
                                   atol=1e-14)  # fmt: skip
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            for name, buffer in (("mean", module.running_mean), ("variance", module.running_var)):
                full = next(one for one in result.statistics if one.endswith(f"running_{name}"))
                np.testing.assert_allclose(result.statistics[full], buffer, rtol=1e-12)


def test_images_are_turned_and_the_weights_behind_a_flatten_with_them():
    """LeNet-5 as it is written, small, with batch normalisation."""
    torch.manual_seed(6)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 2, stride=2, bias=False), nn.Tanh(), nn.AvgPool2d((1, 2)),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3),
    ).double()  # fmt: skip
    with torch.no_grad():
        model[1].running_mean.normal_()
    images = RNG.normal(size=(6, 2, 8, 9))
    found = from_torch(model, input_shape=(2, 8, 9))
    rows = images.transpose(0, 2, 3, 1).reshape(6, -1)
    theirs = model.eval()(torch.tensor(images)).detach()
    np.testing.assert_allclose(outputs(found, rows), theirs, rtol=1e-12, atol=1e-13)
    for bad, message in (
        (nn.Conv2d(2, 3, 3, stride=2, padding=1), "padding 0"),
        (nn.Sequential(nn.Flatten(), nn.BatchNorm1d(144)), "a dense layer behind a Flatten"),
        (nn.Conv2d(2, 4, 3, groups=2), "no groups"),
    ):
        with pytest.raises(ValueError, match=message):
            from_torch(bad, input_shape=(2, 8, 9))


def test_torchbnn_as_its_readme_has_it():
    bnn = pytest.importorskip("torchbnn")
    torch.manual_seed(1)
    model = nn.Sequential(
        bnn.BayesLinear(prior_mu=0, prior_sigma=0.1, in_features=20, out_features=30),
        nn.ReLU(),
        bnn.BayesLinear(prior_mu=0, prior_sigma=0.1, in_features=30, out_features=3),
    ).double()
    found = from_torch(model)
    assert found.estimator == "shared"
    assert found.network.layers[0].kernel_prior.scale == 0.1
    layers = [model[0], model[2]]
    for layer in layers:
        layer.freeze()
    noise = shared(*((one.weight_eps.numpy().T, one.bias_eps.numpy()) for one in layers))
    ours = reference.forward(found.network, found.parameters, X, noise)
    np.testing.assert_allclose(ours, model(torch.tensor(X)).detach(), rtol=1e-12, atol=1e-13)
    theirs = sum(
        (np.log(0.1) - s + (torch.exp(2 * s) + m**2) / (2 * 0.1**2) - 0.5).sum().item()
        for one in layers
        for m, s in ((one.weight_mu, one.weight_log_sigma), (one.bias_mu, one.bias_log_sigma))
    )
    assert reference.kl(found.network, found.parameters).sum() == pytest.approx(theirs, rel=1e-12)


def test_blitz_as_its_readme_has_it():
    modules = pytest.importorskip("blitz.modules")
    torch.manual_seed(2)
    model = nn.Sequential(modules.BayesianLinear(20, 8, prior_pi=0.5), nn.ReLU(),
                          modules.BayesianLinear(8, 1)).double()  # fmt: skip
    found = from_torch(model, Normal())
    assert isinstance(found.network.layers[0].kernel_prior, MixturePrior)
    theirs = model(torch.tensor(X)).detach()
    eps = [
        (layer.weight_sampler.eps_w.numpy().T, layer.bias_sampler.eps_w.numpy())
        for layer in (model[0], model[2])
    ]
    ours = reference.forward(found.network, found.parameters, X, shared(*eps))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", ["LinearFlipout", "LinearReparameterization"])
def test_bayesian_torch_by_replay(kind):
    layers = pytest.importorskip("bayesian_torch.layers")
    from bnn_ref.verification import record

    torch.manual_seed(3)
    make = getattr(layers, kind)
    model = [make(20, 6, prior_mean=0.1, prior_variance=0.5).double(),
             make(6, 3, prior_mean=0.1, prior_variance=0.5).double()]  # fmt: skip
    found = from_torch(model)
    assert found.estimator == {"LinearFlipout": "flipout"}.get(kind, "shared")
    vector = record(model, X, np.arange(7) % 3, kl_weight=0.1)
    noise = Noise(tuple(
        LayerNoise(*(vector.arrays.get(f"layers.{k}.{name}") for name in LayerNoise._fields))
        for k in range(2)
    ))  # fmt: skip
    ours = reference.forward(found.network, found.parameters, X, noise)
    np.testing.assert_allclose(ours, vector.results["outputs"], rtol=1e-12, atol=1e-13)
    kls = reference.kl(found.network, found.parameters)
    np.testing.assert_allclose(kls.sum(), vector.results["kl"], rtol=1e-12)


def test_weights_that_are_not_finite_are_refused_by_name():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    model[1].weight.data[1, 2] = torch.nan
    with pytest.raises(ValueError, match=r"layers.1.kernel_mu: .*found nan in row 2, column 1"):
        from_torch(model)


def test_what_has_no_counterpart_is_named_with_its_place():
    gated = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.GRU(4, 4)))
    with pytest.raises(
        ValueError, match=r"module\[1\]\[1\] \(GRU\): expected a layer that has a c"
    ):
        from_torch(gated)
    for bad, message in (
        (nn.Sequential(nn.Linear(4, 4), nn.ReLU6()), r"module\[1\] \(ReLU6\)"),
        (
            nn.Sequential(nn.Linear(4, 4), nn.Softmax(1), nn.Linear(4, 2)),
            r"module\[1\] \(Softmax\)",
        ),
        (nn.Sequential(nn.Linear(4, 4), nn.Softplus(beta=2)), "one of the activations"),
        (nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, affine=False)), "expected affine"),
        (nn.Sequential(), "at least one layer"),
    ):
        with pytest.raises(ValueError, match=message):
            from_torch(bad)


def test_a_last_sigmoid_is_left_to_the_bernoulli_likelihood():
    model = nn.Sequential(nn.Linear(20, 2), nn.Sigmoid()).double()
    found = from_torch(model, Bernoulli())
    p = 1 / (1 + np.exp(-outputs(found)))
    np.testing.assert_allclose(p, model(torch.tensor(X)).detach(), rtol=1e-12)
    assert from_torch(model, Normal()).network.layers[0].activation == "sigmoid"


def test_there_and_back_and_the_posterior_mean():
    torch.manual_seed(4)
    found = from_torch(normalised().double(), Categorical())
    trainer = Trainer(found.network, 7, state=None, dtype="float64", backend="numpy")
    trainer.step(X, np.arange(7) % 3)
    model = to_torch(found.network, trainer.parameters)
    theirs = model(torch.tensor(X)).detach().numpy()
    ours = reference.draw_outputs(found.network, trainer.parameters, X, 0, 0, kind="mean")
    np.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=1e-13)
    again = from_torch(model)
    assert np.array_equal(again.parameters.flat, trainer.parameters.flat)
    arrays = posterior_mean(found.network, trainer.parameters)
    state = model.state_dict()
    assert np.array_equal(arrays["layers.0.kernel"].T, state["0.weight"].numpy())
    assert "layers.1.running_mean" in arrays


def test_an_averaged_kl_is_the_librarys_own():
    layers = pytest.importorskip("bayesian_torch.layers")
    bnn = pytest.importorskip("torchbnn")
    torch.manual_seed(5)
    own = [layers.LinearFlipout(20, 6).double(), layers.LinearFlipout(6, 3).double()]
    found = from_torch(own, kl="averaged")
    theirs = sum(one.kl_loss().item() for one in own)
    assert reference.kl(found.network, found.parameters).sum() == pytest.approx(theirs, rel=1e-12)
    model = nn.Sequential(bnn.BayesLinear(0, 0.1, 20, 6), nn.ReLU(), bnn.BayesLinear(0, 0.1, 6, 3))
    with torch.no_grad():
        for one in (model[0], model[2]):
            one.weight_log_sigma += 0.3 * torch.randn_like(one.weight_log_sigma)
    theirs = bnn.BKLLoss(reduction="mean", last_layer_only=False)(model).item()
    found = from_torch(model, kl="averaged")
    assert reference.kl(found.network, found.parameters).sum() == pytest.approx(theirs, rel=1e-5)
