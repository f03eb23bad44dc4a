"""A question made from a few words: a network, a batch and noise, all from one seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...activations import IN_VECTORS
from ...errors import expected
from ...layers import BIASES, DenseFlipout
from ...likelihoods import Categorical, likelihood_from_json
from ...network import Network
from ...noise import draw_noise, normals
from ...priors import Prior, make_prior
from ..vectors import make_question

if TYPE_CHECKING:
    from ...likelihoods.base import Likelihood
    from .files import Vector


def new_question(
    sizes: Sequence[int],
    *,
    activation: str = "relu",
    output_activation: str = "linear",
    bias: str = "normal",
    likelihood: Likelihood | None = None,
    rows: int = 32,
    dtype: str = "float64",
    seed: int = 1,
    kl_weight: float = 0.01,
    priors: Sequence[Any] | None = None,
    bias_priors: Sequence[Any] | None = None,
    scale_shift: float | None = None,
    step: int = 0,
    estimator: str = "flipout",
    sample_weight: ArrayLike | None = None,
    version: int | None = None,
) -> Vector:
    """Return a question `Vector` with initial parameters, normal inputs and fitting targets.

    As it is, it exercises what can be: a random bias, priors whose loc is not 0 and whose scale is
    not 1, another one in every layer, and for the bias; a KL weight at which the KL is seen.

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
    priors, bias_priors : prior or (loc, scale), or a list of such, one for each layer
        One for every layer where one is given; bias_priors is priors where those alone are given.
    scale_shift : float, optional
        The dtype's machine epsilon unless given.
    step : int
        Batch and noise are another for each step, the parameters are not.
    estimator : str
        "flipout", "shared" or "local".
    sample_weight : array (B,), optional
    version : 1 or 2, optional
        Of `docs/vectors.md`; 1 where that can say it unless given.

    Raises
    ------
    ValueError
        For anything a network or the specification does not admit.
    """
    if len(sizes) < 2:
        raise ValueError(f"layers: expected the inputs and at least one layer, found {sizes}")
    likelihood = Categorical() if likelihood is None else likelihood
    random_bias = bias in ("normal", "normal_flipped")
    layers = len(sizes) - 1
    if bias_priors is None:
        bias_priors = priors or [(0.2 - 0.3 * k, 0.8 + 0.1 * k) for k in range(layers)]
    priors = priors or [(0.1 * (-1) ** k * (k + 1), 0.5 + 0.25 * k) for k in range(layers)]
    priors, bias_priors = (
        _each_layer(value, layers, name)
        for name, value in (("priors", priors), ("bias_priors", bias_priors))
    )
    network = Network(
        [
            DenseFlipout(inputs, outputs, activation if k < layers - 1 else output_activation,
                         kernel_prior=priors[k], bias=bias, scale_shift=scale_shift,
                         bias_prior=bias_priors[k] if random_bias else None)
            for k, (inputs, outputs) in enumerate(pairwise(sizes))
        ],
        likelihood,
    )  # fmt: skip
    x = normals((rows, sizes[0]), seed, "split", "kernel_eps", step=step)
    columns = likelihood.targets_of(sizes[-1])
    targets = normals((rows, columns), seed, "split", "output_eps", step=step)
    noise = draw_noise(network, rows, seed, dtype=dtype, step=step, estimator=estimator)
    return make_question(network, network.init(seed, dtype), x, _targets(likelihood, targets),
                         noise, kl_weight, source="bnn_ref, a question",
                         sample_weight=sample_weight, version=version)  # fmt: skip


def random_question(
    seed: int,
    dtype: str = "float64",
    *,
    layers: tuple[int, int] = (1, 3),
    width: tuple[int, int] = (1, 6),
    rows: tuple[int, int] = (1, 7),
    activations: Sequence[str] = IN_VECTORS,
    biases: Sequence[str] = BIASES,
    likelihoods: Sequence[str] = ("categorical", "bernoulli", "normal"),
) -> Vector:
    """Return a question whose every part is drawn: network, priors, parameters, batch, noise.

    Parameters
    ----------
    seed : int
    dtype : "float64" or "float32"
    layers, width, rows : (least, most)
        How many layers, units of each (inputs too) and rows.
    activations, biases, likelihoods : sequence of str
        What may be drawn; every layer has its own activation and bias.
    """
    rng = np.random.default_rng(seed)
    count = int(rng.integers(layers[0], layers[1] + 1))
    sizes = [int(n) for n in rng.integers(width[0], width[1] + 1, count + 1)]
    batch = int(rng.integers(rows[0], rows[1] + 1))
    described = [
        {
            "activation": "linear" if k == count - 1 else str(rng.choice(activations)),
            "bias": str(rng.choice(biases)),
            "scale_shift": float(rng.choice([0.0, 1e-3, 0.1, np.finfo(dtype).eps])),
            "kernel_prior": _random_prior(rng),
            "bias_prior": _random_prior(rng),
        }
        for k in range(count)
    ]
    likelihood = {"type": str(rng.choice(likelihoods))}
    if likelihood["type"] == "normal":
        likelihood["scale"] = float(np.exp(rng.normal(-0.5, 0.5)))
    return described_question(sizes, described, likelihood, batch, float(10 ** rng.uniform(-2, 0)),
                              seed, dtype)  # fmt: skip


def described_question(
    sizes: Sequence[int],
    described: Sequence[Mapping[str, Any]],
    likelihood: Mapping[str, Any],
    rows: int,
    kl_weight: float,
    seed: int,
    dtype: str = "float64",
) -> Vector:
    """Return a question whose network is described, and whose numbers are drawn from a seed.

    Parameters
    ----------
    sizes : sequence of int
        The inputs, then each layer's outputs.
    described : sequence of dict
        For each layer activation, bias, scale_shift, kernel_prior and bias_prior as (loc, scale);
        the last is not used where the bias has no posterior.
    likelihood : dict
        As in `docs/vectors.md`.
    rows : int
    kl_weight : float
    seed : int
    dtype : "float64" or "float32"
    """
    rng = np.random.default_rng(seed)
    layers = []
    for (inputs, outputs), layer in zip(pairwise(sizes), described, strict=True):
        random_bias = layer["bias"].startswith("normal")
        prior = layer["bias_prior"] if random_bias else None
        layers.append(DenseFlipout(inputs, outputs, **{**layer, "bias_prior": prior}))
    network = Network(layers, likelihood_from_json(likelihood))
    drawn = {
        name: rng.normal(-1.5, 0.7, shape) if name.endswith("rho") else rng.normal(0, 0.5, shape)
        for name, shape in network.parameter_shapes.items()
    }
    targets = _targets(network.likelihood, rng.normal(size=(rows, sizes[-1])))
    return make_question(
        network, network.parameters(drawn, dtype), rng.normal(size=(rows, sizes[0])), targets,
        draw_noise(network, rows, seed, dtype=dtype), kl_weight,
        source=f"bnn_ref, random question {seed}",
    )  # fmt: skip


def _random_prior(rng):
    return float(rng.normal(0, 0.5)), float(np.exp(rng.normal(-0.3, 0.5)))


def _each_layer(value, layers, name):
    """Return one prior, or pair (loc, scale), for each layer."""
    one = isinstance(value, Prior) or (np.ndim(value) == 1 and not isinstance(value[0], Prior))
    each = [value] * layers if one else list(value)
    if len(each) != layers:
        raise expected(name, f"a prior or (loc, scale), or {layers} of them", value)
    return [make_prior(prior, f"{name}[{k}]") for k, prior in enumerate(each)]


def _targets(likelihood, values):
    """Return targets (B,) or (B, O) that suit a likelihood, made of normal numbers (B, O)."""
    if likelihood.type == "categorical":
        return np.argmax(values, axis=1)
    return (values > 0).astype(float) if likelihood.type == "bernoulli" else values
