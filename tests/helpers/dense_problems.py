"""Networks of Flipout layers with parameters, inputs and targets, for tests of a step."""

import itertools

import numpy as np

from bnn_ref import Bernoulli, Categorical, DenseFlipout, Network, Normal

LIKELIHOODS = {
    "categorical": Categorical(),
    "bernoulli": Bernoulli(),
    "normal": Normal(0.7),
    "learned": Normal(0.5, learn_scale=True),
}


def targets(likelihood, rows, outputs, rng):
    if isinstance(likelihood, Categorical):
        return rng.integers(0, outputs, rows)
    if isinstance(likelihood, Bernoulli):
        return rng.integers(0, 2, (rows, outputs))
    return rng.normal(size=(rows, outputs))


def problem(sizes=(5, 4, 3), activation="tanh", bias="normal", likelihood="categorical", rows=7,
            dtype="float64", seed=0, **options):  # fmt: skip
    layers = [
        DenseFlipout(i, o, activation, bias=bias, kernel_prior=(0.2, 0.8), **options)
        for i, o in itertools.pairwise(sizes)
    ]
    network = Network(layers, LIKELIHOODS[likelihood])
    rng = np.random.default_rng(seed)
    p = network.init(seed, "float64")
    p.flat[...] += 0.3 * rng.normal(size=p.flat.size)
    p = p.astype(dtype)
    x = rng.normal(size=(rows, sizes[0]))
    return network, p, x, targets(network.likelihood, rows, sizes[-1], rng)
