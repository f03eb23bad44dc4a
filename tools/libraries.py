"""Write docs/libraries.md: what the checks find of the layers of the libraries that are installed.

    python tools/libraries.py > docs/libraries.md

Where a library's requirements do not go with the others', `pip install --no-deps --target DIR` and
PYTHONPATH=DIR are enough: its layers are imported without what stands above them. Each row is made
by the checks now, from the library's own layer; a library that is not installed, or cannot be
imported, has a line that says so.
"""

import importlib
import importlib.metadata
import importlib.util
import sys
import types
import warnings

import numpy as np

from bnn_ref.verification import (
    check_convolution,
    check_kl,
    check_layer,
    check_two_calls,
    check_vector,
    record,
)
from bnn_ref.verification.frameworks import load

RNG = np.random.default_rng(0)
MU, SIGMA = RNG.normal(0, 0.1, (6, 4)), RNG.uniform(0.02, 0.08, (6, 4))
X = RNG.normal(size=(3, 6))
RHO = np.log(np.expm1(SIGMA))
DRAWS = 1000


def part_of(name):
    """Return a module of a library, imported without the `__init__` files above it.

    Theirs import trainers, data sets and plots that the layers do not need.
    """
    *above, _ = name.split(".")
    if above[0] not in sys.modules:
        (path,) = importlib.util.find_spec(above[0]).submodule_search_locations
        for k in range(len(above)):
            package = ".".join(above[: k + 1])
            sys.modules[package] = types.ModuleType(package)
            sys.modules[package].__path__ = ["/".join([path, *above[1 : k + 1]])]
    return importlib.import_module(name)


def noise_of(call, expect="flipout", x=X):
    """Return what the black-box check finds of a layer without bias."""
    report = check_layer(call, MU, SIGMA, x, bias="none", expect=expect, draws=DRAWS)
    return report.found + ("" if report.agrees or expect != "flipout" else " (expected Flipout)")


def kl_of(call, prior, mu=MU, sigma=SIGMA, **options):
    """Return what the check of the KL finds, in words."""
    report = check_kl(call, mu, sigma, prior, **options)
    return "right, summed" if report.agrees else str(report).rpartition("; ")[2]


def recorded(*layers, x=X, **options):
    """Return what `check` says of one recorded call of a library's own layers."""
    check = check_vector(record(list(layers), x, np.arange(len(x)) % 2, kl_weight=0.05, **options))
    if check.agrees:
        return "agrees"
    names = " and ".join(key for explanation in check.explanations[:1] for key in explanation.keys)
    return f"disagrees first in {check.comparison.first.name}" + (f": {names}" if names else "")


def two_calls(layer, *names, sigma="softplus"):
    """Return what two calls before one backward pass do to a layer's gradient."""
    import torch

    from bnn_ref.verification import LayerHook

    hook = LayerHook(type(layer), lambda m: {"kernel": tuple(getattr(m, n) for n in names)}, None,
                     None, sigma=sigma)  # fmt: skip
    torch.manual_seed(0)
    report = check_two_calls(layer, hook, torch.from_numpy(X).to(next(layer.parameters()).dtype))
    if report.agrees:
        return ""
    off = f"{report.after_another:.1f}"
    return f"; fault: two calls before one backward pass leave rho's gradient {off} off"


def tfp_flipout():
    from bnn_ref.verification.frameworks.tfp import make_layer, tf, variables

    normal = {"loc": 0.0, "scale": 1.0}
    layer = make_layer({"type": "DenseFlipout", "units": 4, "activation": "linear",
                        "scale_shift": 0.0, "bias": "none", "kernel_prior": normal,
                        "bias_prior": None}, 6, "float64")  # fmt: skip
    tensors = variables(layer)
    tensors["kernel_mu"].assign(MU)
    tensors["kernel_rho"].assign(RHO)
    noise = noise_of(load("tfp").random_layer(MU, SIGMA))
    layer(tf.constant(X))
    kl = kl_of(lambda: tf.add_n(layer.losses), (0.0, 1.0))
    return noise, kl, recorded(layer), "convention: divide by N once"


def bayesian_torch_flipout():
    import torch

    from bnn_ref.verification.frameworks.bayesian_torch import LinearFlipout

    layer = LinearFlipout(6, 4, bias=False, prior_variance=2.0).double()
    layer.mu_weight.data.copy_(torch.from_numpy(MU.T))
    layer.rho_weight.data.copy_(torch.from_numpy(RHO.T))
    noise = noise_of(load("bayesian-torch").random_layer(MU, SIGMA))
    kl = kl_of(lambda: layer.kl_loss(), (0.0, 2.0))
    return noise, kl, recorded(layer, kl="own"), (
        "convention: a mean, so KL/N is not what it gives; prior_variance is a deviation (fault of "
        "the name)" + two_calls(layer, "mu_weight", "rho_weight"))  # fmt: skip


def bayesian_torch_convolution():
    from bayesian_torch.layers import Conv2dFlipout

    layer = Conv2dFlipout(2, 4, 3, bias=False).double()
    return _torch_convolution(layer, "mu_kernel", "rho_kernel",
                              lambda x: layer(x, return_kl=False))  # fmt: skip


def _torch_convolution(layer, mean, spread, forward):
    """Return the row of a convolution with parameters of these names, its KL by `kl_loss`."""
    import torch

    from bnn_ref.verification import LayerHook

    rng = np.random.default_rng(1)
    mu, sigma = rng.normal(0, 0.3, (3, 3, 2, 4)), rng.uniform(0.05, 0.2, (3, 3, 2, 4))
    for name, value in ((mean, mu), (spread, np.log(np.expm1(sigma)))):
        turned = torch.from_numpy(np.ascontiguousarray(value.transpose(3, 2, 0, 1)))
        getattr(layer, name).data.copy_(turned)

    def call(x):
        with torch.no_grad():
            return forward(torch.from_numpy(x)).numpy()

    report = check_convolution(call, mu, sigma, (7, 7, 2), channels_first=True, draws=DRAWS)
    hook = LayerHook(type(layer), lambda module: {"kernel": (getattr(module, mean),
                                                          getattr(module, spread))}, None,
                     None)  # fmt: skip
    twice = check_two_calls(layer, hook, torch.randn(2, 2, 7, 7, dtype=torch.float64))
    return report.found, kl_of(layer.kl_loss, (0.0, 1.0), mu, sigma), "dense layers only", (
        "unlike Wen et al.: an output's noise is not that of one kernel"
        + ("" if twice.agrees else "; fault: the draw is overwritten by the next call")
    )  # fmt: skip


def lightning_linear():
    import torch

    layers = part_of("lightning_uq_box.models.bnn_layers.linear_variational")
    layer = layers.LinearVariational(6, 4, bias=False, layer_type="flipout").double()
    layer.mu_weight.data.copy_(torch.from_numpy(MU.T))
    layer.rho_weight.data.copy_(torch.from_numpy(RHO.T))

    def call(x):
        with torch.no_grad():
            return layer(torch.from_numpy(x)).numpy()

    return noise_of(call), kl_of(layer.kl_loss, (0.0, 1.0)), "-", (
        "convention: a mean, so KL/N is not what it gives"
        + two_calls(layer, "mu_weight", "rho_weight"))  # fmt: skip


def lightning_convolution():
    layers = part_of("lightning_uq_box.models.bnn_layers.conv_variational")
    layer = layers.Conv2dVariational(2, 4, (3, 3), bias=False, layer_type="flipout").double()
    return _torch_convolution(layer, "mu_weight", "rho_weight", layer)


def _blitz(wrapper=lambda cls: cls):
    import torch
    from blitz.modules import BayesianLinear

    layer = wrapper(BayesianLinear)(6, 4, bias=False)
    layer.weight_mu.data.copy_(torch.from_numpy(MU.T))
    layer.weight_rho.data.copy_(torch.from_numpy(RHO.T))

    def call(x):
        with torch.no_grad():
            return layer(torch.from_numpy(x)).numpy()

    def kl():
        call(X.astype(np.float32))
        return layer.log_variational_posterior - layer.log_prior

    return layer, call, kl


def blitz_linear():
    layer, call, kl = _blitz()
    single = X.astype(np.float32)
    return (noise_of(call, "shared", single),
            kl_of(kl, (0.0, 0.1), kind="monte_carlo", draws=DRAWS), recorded(layer, x=single),
            "convention: one draw for the batch; the KL sampled; one Normal of scale .1 at "
            "prior_pi = 1, 1e-6 added to its density")  # fmt: skip


def blitz_flipout():
    from blitz.utils import Flipout

    _, call, _ = _blitz(Flipout)
    return noise_of(call, x=X.astype(np.float32)), "as BayesianLinear", "-", (
        "fault: `super().forward(x * sign_input)` perturbs by mu + sigma * eps")  # fmt: skip


def torchbnn_linear():
    import torch
    import torchbnn

    layer = torchbnn.BayesLinear(0.0, 0.5, in_features=6, out_features=4, bias=False)
    layer.weight_mu.data.copy_(torch.from_numpy(MU.T))
    layer.weight_log_sigma.data.copy_(torch.from_numpy(np.log(SIGMA.T)))
    loss = torchbnn.BKLLoss()

    def call(x):
        with torch.no_grad():
            return layer(torch.from_numpy(x)).numpy()

    single = X.astype(np.float32)
    return (noise_of(call, "shared", single), kl_of(lambda: loss(layer), (0.0, 0.5)),
            recorded(layer, x=single), "convention: BKLLoss averages unless reduction='sum'"
            + two_calls(layer, "weight_mu", "weight_log_sigma", sigma="exp"))  # fmt: skip


def _bayes_linear(name, make, kl, remark=""):
    """Return the row of a linear layer with weight_mu, and rho under a name of its own."""
    import torch

    layer = make()
    layer.weight_mu.data.copy_(torch.from_numpy(MU.T))
    getattr(layer, name).data.copy_(torch.from_numpy(RHO.T))

    def call(x):
        with torch.no_grad():
            return layer(torch.from_numpy(x)).numpy()

    single = X.astype(np.float32)
    return (noise_of(call, "shared", single), kl(layer, call), recorded(layer, x=single),
            f"convention: one draw for the batch{remark}")  # fmt: skip


def torch_uncertainty_linear():
    BayesLinear = part_of("torch_uncertainty.layers.bayesian.bayes_linear").BayesLinear

    def kl(layer, call):
        def sampled():
            call(X.astype(np.float32))
            return layer.log_variational_posterior - layer.log_prior

        return kl_of(sampled, (0.0, 0.1), kind="monte_carlo", draws=DRAWS)

    return _bayes_linear("weight_sigma", lambda: BayesLinear(6, 4, bias=False), kl,
                         "; fault: `log_posterior` takes half a nat a weight too much off "
                         "(`+ 0.5`): the KL is too low, its gradient right")  # fmt: skip


def probly_linear():
    BayesLinear = part_of("probly.representation.layers.bayesian").BayesLinear

    def kl(layer, call):
        return kl_of(lambda: layer.kl_divergence, (0.0, 1.0))

    return _bayes_linear("weight_rho", lambda: BayesLinear(6, 4, bias=False), kl)


def edward2_flipout():
    import os

    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    from bnn_ref.verification.frameworks.tensorflow import tf

    layer = part_of("edward2.tensorflow.layers.dense").DenseFlipout(4, use_bias=False)

    def rows(x):
        return tf.constant(x, tf.float32)

    layer(rows(X))
    for weight in layer.weights:
        weight.assign(MU if "mean" in weight.name else np.log(np.expm1(SIGMA - 1e-7)))
    function = tf.function(layer)

    def kl():
        layer(rows(X))
        return tf.add_n(layer.losses)

    noise = noise_of(lambda x: function(rows(x)).numpy(), x=X.astype(np.float32))
    return noise, kl_of(kl, (0.0, 1.0)), "-", (
        "fault: output signs are `2 * tf.random.uniform(minval=0, maxval=2, dtype=float) - 1`, no "
        "integers: the noise has another variance and a mean")  # fmt: skip


def tyxe_flipout():
    import pyro.distributions
    import torch
    import tyxe

    def network(bias):
        torch.manual_seed(0)
        prior = tyxe.priors.IIDPrior(pyro.distributions.Normal(0.0, 1.0))
        guide = tyxe.VariationalBNN(
            torch.nn.Linear(6, 4, bias),
            prior,
            tyxe.likelihoods.Categorical(10),
            tyxe.guides.AutoNormal,
        )
        guide.guided_forward(torch.from_numpy(X).float())  # fmt: skip
        named = dict(guide.named_parameters())
        for name, (mu, sigma) in {"weight": (MU.T, SIGMA.T), "bias": (MU[0], SIGMA[0])}.items():
            if f"net_guide.net.{name}.loc_unconstrained" in named:
                start = f"net_guide.net.{name}"
                named[f"{start}.loc_unconstrained"].data.copy_(torch.from_numpy(mu))
                named[f"{start}.scale_unconstrained"].data.copy_(torch.from_numpy(np.log(sigma)))

        def call(x):
            with torch.no_grad(), tyxe.poutine.flipout():
                return guide.guided_forward(torch.from_numpy(np.float32(x))).numpy()

        return call

    single = X.astype(np.float32)
    report = check_layer(network(True), MU, SIGMA, single, bias="normal", bias_mu=MU[0],
                         bias_sigma=SIGMA[0], draws=DRAWS)  # fmt: skip
    pyros = f"Pyro {importlib.metadata.version('pyro-ppl')}'s own"
    return noise_of(network(False), x=single), pyros, "-", (
        f"of a random bias, the check finds: {report.found} (`rsample(batch_shape)`); local "
        "reparameterization of a row of zeros is refused by Pyro, for its scale is 0")  # fmt: skip


ROWS = (
    ("tensorflow-probability", "DenseFlipout", tfp_flipout),
    ("bayesian-torch", "LinearFlipout", bayesian_torch_flipout),
    ("bayesian-torch", "Conv2dFlipout", bayesian_torch_convolution),
    ("lightning-uq-box", "LinearVariational('flipout')", lightning_linear),
    ("lightning-uq-box", "Conv2dVariational('flipout')", lightning_convolution),
    ("blitz-bayesian-pytorch", "BayesianLinear", blitz_linear),
    ("blitz-bayesian-pytorch", "utils.Flipout(BayesianLinear)", blitz_flipout),
    ("torchbnn", "BayesLinear", torchbnn_linear),
    ("torch-uncertainty", "BayesLinear", torch_uncertainty_linear),
    ("probly", "BayesLinear", probly_linear),
    ("edward2", "DenseFlipout", edward2_flipout),
    ("tyxe", "poutine.flipout()", tyxe_flipout),
)


def main():
    """Print the page."""
    print("# The libraries, as the checks find them\n\nMade by `python tools/libraries.py` from "
          "what is installed where it runs; each row is the library's own layer, asked now, and "
          "each remark was read in that version's source.\n")  # fmt: skip
    print("| library | layer | noise (`check_layer`, `check_convolution`) | KL (`check_kl`) | "
          "one call (`record`) | what it means |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- |")
    for name, layer, ask in ROWS:
        try:
            version = importlib.metadata.version(name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                cells = ask()
        except importlib.metadata.PackageNotFoundError:
            version, cells = "", ("not installed", "-", "-", "-")
        except Exception as error:  # an ill-matched installation raises what it likes
            cells = (f"cannot be imported: {type(error).__name__}", "-", "-", "-")
        print(f"| {name} {version} | `{layer}` | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
