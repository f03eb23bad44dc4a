"""How often sound layers are called wrong: `python calibrate_moments.py NAME [RUNS [CALLS [P]]]`.

Prints the number of alarms of the black-box check in RUNS seeded runs (5000) of CALLS calls (200)
at error probability P (0.001), and in which runs they came. NAME is numpy or numba (the package's
own layers), torch (layers written here from Wen et al. 2018, equations 3 and 4, with PyTorch's own
draws) or tfp (its `DenseFlipout`, of one kind and size). The others take turns: every kind of noise
and of bias, both dtypes, four sizes. The check's probabilities are exact for any number of calls;
more calls only take longer.
"""

import itertools
import sys
from typing import NamedTuple

import numpy as np

from bnn_ref.backends import get_backend
from bnn_ref.layers import DenseFlipout
from bnn_ref.likelihoods import Normal
from bnn_ref.network import Network
from bnn_ref.verification.noise.moments import check_layer

SIZES = ((4, 3), (1, 2), (7, 5), (3, 1))


class Kind(NamedTuple):
    """One kind of sound layer: its bias, the estimator that draws its noise, its dtype."""

    bias: str
    estimator: str
    dtype: str


KINDS = (
    Kind("deterministic", "flipout", "float64"), Kind("none", "flipout", "float32"),
    Kind("normal", "flipout", "float64"), Kind("normal_flipped", "flipout", "float32"),
    Kind("normal_flipped", "flipout", "float64"), Kind("normal", "shared", "float32"),
    Kind("deterministic", "shared", "float64"), Kind("normal", "local", "float64"),
    Kind("deterministic", "local", "float32"), Kind("deterministic", "independent", "float64"),
)  # fmt: skip


def case_of(name, run):
    """Return a run's kind, its parameters and its rows of inputs."""
    kind = KINDS[0 if name == "tfp" else run % len(KINDS)]
    inputs, outputs = SIZES[0 if name == "tfp" else run // len(KINDS) % len(SIZES)]
    rng = np.random.default_rng([run, 21])
    given = {"kernel_mu": rng.normal(0, 0.5, (inputs, outputs)),
             "kernel_sigma": rng.uniform(0.05, 0.4, (inputs, outputs))}  # fmt: skip
    if kind.bias != "none":
        given["bias_mu"] = rng.normal(size=outputs)
    if kind.bias.startswith("normal"):
        given["bias_sigma"] = rng.uniform(0.05, 0.4, outputs)
    given = {key: value.astype(kind.dtype) for key, value in given.items()}
    return kind, given, rng.normal(size=(2, inputs)).astype(kind.dtype)


def _rho(sigma):
    return np.log(np.expm1(np.asarray(sigma, np.float64)))


def ours(name):
    """Return (run, kind, parameters) -> the forward pass of a training step, seeded by run."""
    backend = get_backend(name)

    def make(run, kind, given):
        inputs, outputs = given["kernel_mu"].shape
        layer = DenseFlipout(inputs, outputs, bias=kind.bias, scale_shift=0.0)
        network = Network([layer], Normal(1.0))
        named = {f"layers.0.{key.replace('sigma', 'rho')}": _rho(a) if "sigma" in key else a
                 for key, a in given.items()}  # fmt: skip
        parameters, steps = network.parameters(named, kind.dtype), itertools.count()

        def call(x):
            noise = backend.draw_noise(network, len(x), run, step=next(steps), dtype=kind.dtype,
                                       estimator=kind.estimator)  # fmt: skip
            y = np.zeros((len(x), outputs), kind.dtype)
            return backend.loss_and_gradients(network, parameters, x, y, noise, 0.0).outputs

        return call

    return make


def torch():
    """Return (run, kind, parameters) -> the call of a layer written in PyTorch; seeded by run."""
    import torch as t

    def signs(rows, units, dtype):
        return (2 * t.randint(0, 2, (rows, units)) - 1).to(dtype)

    def make(run, kind, given):
        t.manual_seed(run)
        part = {key: t.from_numpy(np.asarray(value)) for key, value in given.items()}
        mu, sigma = part["kernel_mu"], part["kernel_sigma"]
        bias = part.get("bias_mu", t.zeros(mu.shape[1], dtype=mu.dtype))
        spread = part.get("bias_sigma", t.zeros_like(bias))

        def call(x):
            x = t.from_numpy(x)
            rows, dtype = len(x), mu.dtype
            if kind.estimator == "local":
                scale = t.sqrt(x**2 @ sigma**2 + spread**2)
                return (x @ mu + bias + scale * t.randn_like(scale)).numpy()
            if kind.estimator == "independent":
                weights = mu + sigma * t.randn(rows, *mu.shape, dtype=dtype)
                return (t.einsum("ni,nio->no", x, weights) + bias).numpy()
            drawn, delta = spread * t.randn_like(spread), sigma * t.randn_like(sigma)
            if kind.estimator == "shared":
                return (x @ (mu + delta) + bias + drawn).numpy()
            flip_in, flip_out = (signs(rows, n, dtype) for n in mu.shape)
            flipped = flip_out if kind.bias == "normal_flipped" else 1
            return (x @ mu + bias + (x * flip_in) @ delta * flip_out + drawn * flipped).numpy()

        return call

    return make


def tfp():
    """Return (run, kind, parameters) -> the call of TFP's own layer; TensorFlow is seeded once."""
    from bnn_ref.verification.frameworks.tensorflow import tf
    from bnn_ref.verification.frameworks.tfp import make_layer, variables

    tf.random.set_seed(21)
    prior = {"loc": 0.0, "scale": 1.0}
    layer = make_layer({"type": "DenseFlipout", "units": SIZES[0][1], "activation": "linear",
                        "scale_shift": 0.0, "kernel_prior": prior, "bias": "deterministic",
                        "bias_prior": None}, SIZES[0][0], "float64")  # fmt: skip
    tensors = variables(layer)
    function = tf.function(lambda rows: layer(rows))

    def make(run, kind, given):
        tensors["kernel_mu"].assign(given["kernel_mu"])
        tensors["kernel_rho"].assign(_rho(given["kernel_sigma"]))
        tensors["bias_mu"].assign(given["bias_mu"])
        return lambda x: function(tf.constant(x)).numpy()

    return make


MAKERS = {"torch": torch, "tfp": tfp}


def alarms(name, runs=5000, calls=200, probability=1e-3):
    """Return [(run, kind, finding)] of the runs in which a sound layer was contradicted."""
    make, contradicted = MAKERS[name]() if name in MAKERS else ours(name), []
    for run in range(runs):
        kind, given, x = case_of(name, run)
        expect = "independent" if kind.estimator == "local" else kind.estimator
        report = check_layer(make(run, kind, given), x=x, draws=calls, bias=kind.bias,
                             expect=expect, error_probability=probability, **given)  # fmt: skip
        if not report.agrees:
            contradicted.append((run, kind, report.tests[0].name))
        if run % 500 == 499:  # what is known so far, should it be stopped
            print(f"{len(contradicted)} alarms in {run + 1} runs", file=sys.stderr)
    return contradicted


if __name__ == "__main__":
    words = sys.argv[1:]
    came = alarms(words[0], *map(int, words[1:3]), *map(float, words[3:]))
    print(f"{len(came)} alarms")
    for run, kind, test in came:
        print(f"run {run}: {', '.join(kind)}: {test}")
