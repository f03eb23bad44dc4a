"""The two back ends on random networks, within the limits that `docs/limits.md` states."""

import re
from pathlib import Path

import numpy as np
import pytest
from needs_numba import numba
from tolerances import relative

from bnn_ref import (
    Bernoulli,
    Categorical,
    DenseFlipout,
    Network,
    Normal,
    PredictedNormal,
    draw_noise,
    reference,
)
from bnn_ref.activations import ACTIVATIONS
from bnn_ref.fast import compiled
from bnn_ref.layers import BIASES, INITIALIZERS

TEXT = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
LIMITS = {what: float(limit) for what, limit in re.findall(r"^\| ([^|]+) \| (\d[\d.e-]*) \|$", TEXT,
                                                           re.MULTILINE)}  # fmt: skip
FEW, MANY = 8, 50


def random_problem(seed):
    """Return network, float64 parameters, inputs, targets, noise, KL weight and sample weights."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 41, rng.integers(2, 6)).tolist()
    sizes[-1] *= 2 if seed % 5 == 4 else 1
    kinds = [str(a) for a in rng.choice([a for a in ACTIVATIONS if ACTIVATIONS[a].in_vectors],
                                        len(sizes) - 1)]  # fmt: skip
    layers = []
    for k, kind in enumerate(kinds):
        bias = BIASES[(seed + k) % len(BIASES)]
        prior = (rng.normal(), np.exp(rng.normal()))
        layers.append(
            DenseFlipout(sizes[k], sizes[k + 1], kind, prior, bias,
                         prior if bias.startswith("normal") else None,
                         [None, 0.0, 0.01][seed % 3], INITIALIZERS[seed % 2])
        )  # fmt: skip
    rows, outputs = int(rng.integers(1, 70)), sizes[-1]
    likelihood, y = [
        (Categorical(), rng.integers(0, outputs, rows)),
        (Bernoulli(), rng.integers(0, 2, (rows, outputs))),
        (Normal(0.7), rng.normal(size=(rows, outputs))),
        (Normal(0.7, learn_scale=True), rng.normal(size=(rows, outputs))),
        (PredictedNormal(0.1, beta=seed % 2 * 0.5), rng.normal(size=(rows, outputs // 2))),
    ][seed % 5]
    network = Network(layers, likelihood)
    p = network.init(seed, "float32").astype("float64")
    x = rng.normal(size=(rows, sizes[0])).astype(np.float32).astype(np.float64)
    weight = rng.uniform(0.1, 2, rows).astype(np.float32) if seed % 5 < 2 else None
    estimator = "shared" if seed % 7 == 0 else "flipout"
    noise = draw_noise(network, rows, seed, dtype="float32", estimator=estimator)
    return network, p, x, y, noise, float(rng.choice([0.0, 1e-3, 0.5])), weight


def cast(noise, dtype):
    """Return the noise in another dtype."""
    return type(noise)(
        tuple(
            type(one)(*(None if array is None else array.astype(dtype) for array in one))
            for one in noise.layers
        )
    )


def errors(found, exact):
    """Return name to relative error of everything a step gives."""
    pairs = {name: (getattr(found, name), getattr(exact, name))
             for name in ("outputs", "nll", "kl", "loss", "grad_x")}  # fmt: skip
    pairs |= {name: (found.gradients[name], exact.gradients[name]) for name in exact.gradients}
    return {name: relative(np.asarray(a, np.float64), b) for name, (a, b) in pairs.items()}


@pytest.mark.parametrize(
    "seed", [*range(FEW), *(pytest.param(s, marks=pytest.mark.slow) for s in range(FEW, MANY))]
)
def test_fifty_random_networks_within_the_stated_limits(seed):
    assert numba
    network, p, x, y, noise, kl_weight, weight = random_problem(seed)
    wide = cast(noise, np.float64)
    exact = reference.loss_and_gradients(network, p, x, y, wide, kl_weight, sample_weight=weight)
    half = p.astype("float32")
    for what, backend, parameters, drawn in (
        ("compiled float64 with NumPy float64", compiled, p, wide),
        ("compiled float32 with NumPy float64", compiled, half, noise),
        ("NumPy float32 with NumPy float64", reference, half, noise),
    ):
        found = backend.loss_and_gradients(network, parameters, x.astype(parameters.dtype), y,
                                           drawn, kl_weight, sample_weight=weight)  # fmt: skip
        worst = errors(found, exact)
        assert max(worst.values()) <= LIMITS[what], (what, worst)
