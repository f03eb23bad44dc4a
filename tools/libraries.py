"""Write docs/libraries.md: what the checks find of the layers of the libraries that are installed.

    python tools/libraries.py > docs/libraries.md

Each row is made by the checks now, from the library's own layer; a library that is not installed,
or cannot be imported, has a line that says so.
"""

import importlib.metadata
import warnings

import numpy as np

from bnn_ref.verification import check_kl, check_layer
from bnn_ref.verification.frameworks import load

RNG = np.random.default_rng(0)
MU, SIGMA = RNG.normal(0, 0.1, (6, 4)), RNG.uniform(0.02, 0.08, (6, 4))
X = RNG.normal(size=(3, 6))
RHO = np.log(np.expm1(SIGMA))
DRAWS = 1000


def noise_of(call, expect="flipout", x=X):
    """Return what the black-box check finds of a layer without bias."""
    report = check_layer(call, MU, SIGMA, x, bias="none", expect=expect, draws=DRAWS)
    return report.found + ("" if report.agrees or expect != "flipout" else " (expected Flipout)")


def kl_of(call, prior, **options):
    """Return what the check of the KL finds, in words."""
    report = check_kl(call, MU, SIGMA, prior, **options)
    return "right, summed" if report.agrees else str(report).rpartition("; ")[2]


def tfp_flipout():
    from bnn_ref.verification.frameworks.tfp import make_layer, tf, variables

    normal = {"loc": 0.0, "scale": 1.0}
    layer = make_layer({"units": 4, "activation": "linear", "scale_shift": 0.0, "bias": "none",
                        "kernel_prior": normal, "bias_prior": None}, 6, "float64")  # fmt: skip
    found = variables(layer)
    found["kernel_mu"].assign(MU)
    found["kernel_rho"].assign(RHO)
    noise = noise_of(load("tfp").random_layer(MU, SIGMA))
    layer(tf.constant(X))
    return noise, kl_of(lambda: tf.add_n(layer.losses), (0.0, 1.0)), "convention: divide by N once"


def bayesian_torch_flipout():
    import torch

    from bnn_ref.verification.frameworks.bayesian_torch import LinearFlipout

    layer = LinearFlipout(6, 4, bias=False, prior_variance=2.0).double()
    layer.mu_weight.data.copy_(torch.from_numpy(MU.T))
    layer.rho_weight.data.copy_(torch.from_numpy(RHO.T))
    noise = noise_of(load("bayesian-torch").random_layer(MU, SIGMA))
    return noise, kl_of(lambda: layer.kl_loss(), (0.0, 2.0)), (
        "convention: a mean, so KL/N is not what it gives; prior_variance is a deviation (fault of "
        "the name)")  # fmt: skip


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

    return call, kl


def blitz_linear():
    call, kl = _blitz()
    return (noise_of(call, "shared", X.astype(np.float32)),
            kl_of(kl, (0.0, 0.1), kind="monte_carlo", draws=DRAWS),
            "convention: one draw for the batch; the KL sampled; one Normal of scale .1 at "
            "prior_pi = 1")  # fmt: skip


def blitz_flipout():
    from blitz.utils import Flipout

    call, _ = _blitz(Flipout)
    return noise_of(call, x=X.astype(np.float32)), "as BayesianLinear", (
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

    return (noise_of(call, "shared", X.astype(np.float32)), kl_of(lambda: loss(layer), (0.0, 0.5)),
            "convention: BKLLoss averages unless reduction='sum'")  # fmt: skip


ROWS = (
    ("tensorflow-probability", "DenseFlipout", tfp_flipout),
    ("bayesian-torch", "LinearFlipout", bayesian_torch_flipout),
    ("blitz-bayesian-pytorch", "BayesianLinear", blitz_linear),
    ("blitz-bayesian-pytorch", "utils.Flipout(BayesianLinear)", blitz_flipout),
    ("torchbnn", "BayesLinear", torchbnn_linear),
)


def main():
    """Print the page."""
    print("# The libraries, as the checks find them\n\nMade by `python tools/libraries.py` from "
          "what is installed where it runs; each row is the library's own layer, asked now, and "
          "each remark was read in that version's source.\n")  # fmt: skip
    print("| library | layer | noise (`check_layer`) | KL (`check_kl`) | what it means |")
    print("| --- | --- | --- | --- | --- |")
    for name, layer, ask in ROWS:
        try:
            version = importlib.metadata.version(name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = ask()
        except importlib.metadata.PackageNotFoundError:
            version, found = "", ("not installed", "-", "-")
        except Exception as error:  # an ill-matched installation raises what it likes
            found = (f"cannot be imported: {type(error).__name__}", "-", "-")
        print(f"| {name} {version} | `{layer}` | " + " | ".join(found) + " |")


if __name__ == "__main__":
    main()
