"""A question made from a few words: a network, a batch and noise, all from one seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import expected
from ...layers import DenseFlipout
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
        raise expected("layers", "the inputs and at least one layer", sizes)
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
    return make_question(network, network.init(seed, dtype), x, targets_for(likelihood, targets),
                         noise, kl_weight, source="bnn_ref, a question",
                         sample_weight=sample_weight, version=version)  # fmt: skip


def described_question(
    sizes: Sequence[int],
    described: Sequence[Mapping[str, Any]],
    likelihood: Mapping[str, Any],
    rows: int,
    kl_weight: float,
    seed: int,
    dtype: str = "float64",
    *,
    estimator: str = "flipout",
    sample_weight: ArrayLike | None = None,
    version: int = 1,
) -> Vector:
    """Return a question whose network is described, and whose numbers are drawn from a seed.

    Parameters
    ----------
    sizes : sequence of int
        The inputs, then each layer's outputs.
    described : sequence of dict
        For each layer activation, bias, scale_shift, kernel_prior and bias_prior as `DenseFlipout`
        takes them (bias_prior is not used where the bias has no posterior) and, optional,
        point_prior, that of a deterministic bias, and behind, a list of layers of other types.
    likelihood : dict
        As in `docs/vectors.md`.
    rows : int
    kl_weight : float
    seed : int
    dtype : "float64" or "float32"
    estimator : str
        As for `draw_noise`.
    sample_weight : array (rows,), optional
    version : 1 or 2
        Of `docs/vectors.md`.
    """
    rng = np.random.default_rng(seed)
    layers = []
    for (inputs, outputs), layer in zip(pairwise(sizes), described, strict=True):
        options = dict(layer)
        point, behind = options.pop("point_prior", None), options.pop("behind", ())
        if not layer["bias"].startswith("normal"):
            options["bias_prior"] = point if layer["bias"] == "deterministic" else None
        layers += [DenseFlipout(inputs, outputs, **options), *behind]
    network = Network(layers, likelihood_from_json(dict(likelihood)))
    drawn = {
        name: rng.normal(-1.5, 0.7, shape) if name.endswith("rho") else rng.normal(0, 0.5, shape)
        for name, shape in network.parameter_shapes.items()
    }
    start = network.init(seed, dtype)
    drawn |= {name: start[name] for name in network.fixed}  # a running variance is not below 0
    columns = network.likelihood.targets_of(sizes[-1])
    targets = targets_for(network.likelihood, rng.normal(size=(rows, columns)))
    return make_question(
        network, network.parameters(drawn, dtype), rng.normal(size=(rows, sizes[0])), targets,
        draw_noise(network, rows, seed, dtype=dtype, estimator=estimator), kl_weight,
        source=f"bnn_ref, random question {seed}", sample_weight=sample_weight, version=version,
    )  # fmt: skip


def _each_layer(value, layers, name):
    """Return one prior, or pair (loc, scale), for each layer."""
    shared = isinstance(value, Prior) or (np.ndim(value) == 1 and not isinstance(value[0], Prior))
    each = [value] * layers if shared else list(value)
    if len(each) != layers:
        raise expected(name, f"a prior or (loc, scale), or {layers} of them", value)
    return [make_prior(prior, f"{name}[{k}]") for k, prior in enumerate(each)]


def targets_for(likelihood: Likelihood, values: NDArray[Any]) -> NDArray[Any]:
    """Return targets (B,) or (B, targets) that suit a likelihood's task.

    Parameters
    ----------
    likelihood : Likelihood
    values : array (B, targets)
        Normal numbers, of which they are made.
    """
    if likelihood.task == "categorical":
        return np.argmax(values, axis=1)
    return (values > 0).astype(float) if likelihood.task == "bernoulli" else values
