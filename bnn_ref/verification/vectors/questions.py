"""A question made from a few words: a random network, batch and noise, all from one seed."""

from itertools import pairwise

import numpy as np

from ...layers import DenseFlipout
from ...likelihoods import Bernoulli, Categorical
from ...network import Network
from ...noise import draw_noise, normals
from ..vectors import make_question


def new_question(sizes, *, activation="relu", output_activation="linear", bias="deterministic",
                 likelihood=None, rows=32, dtype="float64", seed=1, kl_weight=1 / 60000,
                 prior=(0.0, 1.0), bias_prior=None, scale_shift=None, step=0):  # fmt: skip
    """Return a question `Vector` with initial parameters, normal inputs and fitting targets.

    Parameters
    ----------
    sizes : sequence of int, at least two
        The inputs, then each layer's outputs.
    activation, output_activation : str
        Of the hidden layers and of the last.
    bias : str
    likelihood : Categorical, Bernoulli or Normal
        Categorical unless given.
    rows : int
    dtype : "float64" or "float32"
    seed : int
        Of parameters, batch and noise.
    kl_weight : float
    prior, bias_prior : (loc, scale)
        bias_prior as prior unless given.
    scale_shift : float, optional
        The dtype's machine epsilon unless given.
    step : int
        Batch and noise are another for each step, the parameters are not.

    Raises
    ------
    ValueError
        For anything a network or the specification does not admit.
    """
    if len(sizes) < 2:
        raise ValueError(f"layers: expected the inputs and at least one layer, found {sizes}")
    likelihood = Categorical() if likelihood is None else likelihood
    random_bias = bias in ("normal", "normal_flipped")
    layers = [
        DenseFlipout(inputs, outputs, activation if k < len(sizes) - 2 else output_activation,
                     kernel_prior=prior, bias=bias, scale_shift=scale_shift,
                     bias_prior=(bias_prior or prior) if random_bias else None)
        for k, (inputs, outputs) in enumerate(pairwise(sizes))
    ]  # fmt: skip
    network = Network(layers, likelihood)
    x = normals((rows, sizes[0]), seed, "split", "kernel_eps", step=step)
    targets = normals((rows, sizes[-1]), seed, "split", "output_eps", step=step)
    if isinstance(likelihood, Categorical):
        targets = np.argmax(targets, axis=1)
    elif isinstance(likelihood, Bernoulli):
        targets = (targets > 0).astype(float)
    noise = draw_noise(network, rows, seed, dtype=dtype, step=step)
    return make_question(network, network.init(seed, dtype), x, targets, noise, kl_weight,
                         source="bnn_ref, a question")  # fmt: skip
