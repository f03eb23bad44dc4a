"""PyTorch modules: a Sequential of its own layers and of Bayesian-Torch, torchbnn or Blitz ones.

What each library means: Bayesian-Torch has sigma = softplus(rho) and calls the prior's standard
deviation a variance; its Flipout layer turns the bias by each example's signs, its
reparameterisation draws one weight for a batch. torchbnn has sigma = exp(log_sigma). Blitz has
sigma = softplus(rho), a mixture of two Normals as prior, 1e-6 added to its density and 1/2 taken
away for every weight, which this library does not repeat.

Source: `bayesian_torch.layers.LinearFlipout` 0.5.0, `torchbnn.BayesLinear` 1.2,
`blitz.modules.BayesianLinear` 0.2.8, `torch.nn`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..border import check_choice
from ..errors import expected
from ..layers import (
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    DenseFlipout,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    MaxPool2D,
)
from ..likelihoods import Likelihood
from ..priors import MixturePrior, ScaledPrior
from .building import GRID, Builder, Converted, one_prior, refuse

ACTIVATIONS = ("ReLU", "LeakyReLU", "ELU", "SELU", "SiLU", "GELU", "Tanh", "Sigmoid", "Softplus",
               "Identity", "PReLU")  # fmt: skip
BAYESIAN = ("LinearFlipout", "LinearReparameterization", "BayesLinear", "BayesianLinear")
ENDS = {"Softmax": "categorical", "LogSoftmax": "categorical", "Sigmoid": "bernoulli"}


def from_torch(
    module: Any,
    likelihood: Likelihood | None = None,
    *,
    dropout_predicts: bool = False,
    kl: str = "summed",
    input_shape: Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
) -> Converted:
    """Return a PyTorch model as a network, its parameters and its estimator.

    A softmax (or, with a Bernoulli likelihood, a sigmoid) at the end is left out: a network's
    outputs are logits.

    Parameters
    ----------
    module : torch.nn.Sequential, a layer, or a list of layers in their order
        Sequentials inside it are taken apart.
    likelihood : Likelihood, optional
        Categorical unless given.
    dropout_predicts : bool
        Whether dropout drops in predictions too (Monte Carlo dropout); in PyTorch's ``eval`` it
        does not.
    kl : "summed" or "averaged"
        "averaged": every prior's KL counts by the factor of the library's own loss
        (`ScaledPrior`), 1 over the weights of its tensor for Bayesian-Torch, 1 over those of all
        Bayesian layers for torchbnn; Blitz sums.
    input_shape : (C, H, W), optional
        Of images, as PyTorch has them. The network takes them as (H, W, C), flat or not, and the
        weights behind a Flatten are put in that order.
    dtype : "float32" or "float64", optional
        The model's own unless given.

    Raises
    ------
    ValueError
        For the first thing that has no counterpart, with its place.
    """
    check_choice(kl, "kl", ("summed", "averaged"))
    builder = _Images(likelihood, input_shape)
    leaves = list(_leaves(module, "module"))
    if not leaves:
        raise expected("module", "at least one layer", "none")
    for k, (place, leaf) in enumerate(leaves):
        name, last = type(leaf).__name__, k == len(leaves) - 1
        place = f"{place} ({name})"
        if last and name in ENDS and builder.likelihood.type == ENDS[name]:
            builder.end(place, ENDS[name])
        elif name in ACTIVATIONS:
            builder.activate(place, _values(leaf))
        elif name == "Dropout":
            builder.add(place, Dropout(leaf.p, dropout_predicts))
        elif name in LAYERS:
            LAYERS[name](builder, place, leaf)
        elif name == "Flatten":
            builder.flatten(place)
        else:
            raise refuse(place, [*LAYERS, "Dropout", "Flatten", *ACTIVATIONS, "Sequential"], leaf)
    if kl == "averaged":
        average_kl(builder, leaves)
    if dtype is None:
        wide = any("float64" in str(p.dtype) for _, leaf in leaves for p in leaf.parameters())
        dtype = "float64" if wide else "float32"
    return builder.finish(dtype)


def average_kl(builder: Builder, leaves: list[tuple[str, Any]]) -> None:
    """Give every prior of Bayesian-Torch and torchbnn layers the factor of the library's own loss.

    Parameters
    ----------
    builder : Builder
        With every layer.
    leaves : list of (place, module)
        The model's.
    """
    kinds = [type(leaf).__name__ for _, leaf in leaves if type(leaf).__name__ in BAYESIAN]
    random = [k for k, layer in enumerate(builder.layers) if layer.priors]
    every = sum(layer.num_random for layer in builder.layers)
    for k, kind in zip(random, kinds, strict=True):
        layer = builder.layers[k]
        if kind == "BayesianLinear":
            continue
        sizes = {name: math.prod(layer.parameter_shapes[f"{name}_mu"]) for name in layer.priors}
        scaled = {
            f"{name}_prior": ScaledPrior(
                prior, 1 / (every if kind == "BayesLinear" else sizes[name])
            )
            for name, prior in layer.priors.items()
        }
        builder.layers[k] = replace(layer, **scaled)  # type: ignore[type-var]


class _Images(Builder):
    """A `Builder` that knows in which order PyTorch flattens an image.

    Parameters
    ----------
    likelihood : Likelihood or None
    input_shape : (C, H, W) or None
    """

    def __init__(self, likelihood: Likelihood | None, input_shape: Sequence[int] | None) -> None:
        if input_shape is not None and len(input_shape) != 3:
            raise expected("input_shape", "(channels, height, width)", input_shape)
        shape = None if input_shape is None else (*input_shape[1:], input_shape[0])
        super().__init__(likelihood, shape)
        self.order: NDArray[np.intp] | None = None  # of our rows, where an entry is in PyTorch's

    def flatten(self, place: str) -> None:
        """Add a Flatten of an image; rows that are flat stay as they are."""
        if self.shape is None or len(self.shape) == 1:
            return
        height, width, channels = self.shape
        self.order = np.arange(math.prod(self.shape)).reshape(channels, height, width)
        self.order = self.order.transpose(1, 2, 0).ravel()
        self.add(place, Flatten())

    def add(
        self, place: str, layer: Layer, arrays: Mapping[str, ArrayLike] | None = None,
        estimator: str | None = None,
    ) -> None:  # fmt: skip
        """Add a layer; as `Builder.add`."""
        if self.order is not None and arrays:
            if not {"kernel_mu"} <= set(arrays) or layer.type not in ("Dense", "DenseFlipout"):
                raise expected(place, "a dense layer behind a Flatten", layer.type)
            arrays = {
                name: np.asarray(value)[self.order] if name.startswith("kernel") else value
                for name, value in arrays.items()
            }
            self.order = None
        super().add(place, layer, arrays, estimator)


def _conv(builder: Builder, place: str, theirs: Any) -> None:
    if theirs.groups != 1 or set(theirs.dilation) != {1} or theirs.padding_mode != "zeros":
        raise expected(place, "no groups, dilation or padding but by zeros", repr(theirs))
    padding = theirs.padding
    if not isinstance(padding, str):
        centred = tuple((size - 1) / 2 for size in theirs.kernel_size)
        same = padding == centred and set(theirs.stride) == {1}
        if not same and set(padding) != {0}:
            raise expected(place, "padding 0, or (kernel - 1) / 2 at stride 1", padding)
        padding = "same" if same else "valid"
    arrays = {"kernel_mu": _array(theirs.weight).transpose(2, 3, 1, 0)}
    if theirs.bias is not None:
        arrays["bias_mu"] = _array(theirs.bias)
    layer = Conv2D(theirs.out_channels, theirs.kernel_size, theirs.stride, padding,
                   bias=theirs.bias is not None,
                   frozen=not theirs.weight.requires_grad)  # fmt: skip
    builder.add(place, layer, arrays)


def _pool(builder: Builder, place: str, pool: Any) -> None:
    if pool.ceil_mode or pool.padding not in (0, (0, 0)) or getattr(pool, "dilation", 1) != 1:
        raise expected(place, "a pool without padding, dilation and ceil_mode", repr(pool))
    make = MaxPool2D if type(pool).__name__ == "MaxPool2d" else AveragePool2D
    builder.add(place, make(pool.kernel_size, pool.stride))


def _leaves(module: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield (place, layer) of a sequence, those inside its sequences too."""
    names = ("Sequential", "ModuleList")
    if not isinstance(module, list | tuple) and type(module).__name__ not in names:
        yield place, module
        return
    for k, child in enumerate(module):
        yield from _leaves(child, f"{place}[{k}]")


def _array(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy()


def _values(module: Any) -> Any:
    """Return an activation's values on the grid."""
    import torch

    weights = list(module.parameters())
    dtype = weights[0].dtype if weights else torch.float64
    with torch.no_grad():
        return module(torch.tensor(GRID, dtype=dtype)).numpy()


def _linear(builder: Builder, place: str, theirs: Any) -> None:
    frozen = not theirs.weight.requires_grad
    outputs, inputs = theirs.weight.shape
    arrays = {"kernel_mu": _array(theirs.weight).T}
    if theirs.bias is not None:
        arrays["bias_mu"] = _array(theirs.bias)
    layer = Dense(inputs, outputs, bias=theirs.bias is not None, frozen=frozen)
    builder.add(place, layer, arrays)


def _batch_norm(builder: Builder, place: str, theirs: Any) -> None:
    if not theirs.affine or not theirs.track_running_stats or theirs.momentum is None:
        raise expected(place, "affine, with running statistics and a momentum", repr(theirs))
    arrays = {
        "scale": _array(theirs.weight), "shift": _array(theirs.bias),
        "running_mean": _array(theirs.running_mean), "running_variance": _array(theirs.running_var),
    }  # fmt: skip
    builder.add(place, BatchNorm(theirs.momentum, theirs.eps, "pytorch"), arrays)


def _layer_norm(builder: Builder, place: str, theirs: Any) -> None:
    if len(theirs.normalized_shape) != 1 or theirs.weight is None or theirs.bias is None:
        raise expected(place, "one axis, with scale and shift", repr(theirs))
    arrays = {"scale": _array(theirs.weight), "shift": _array(theirs.bias)}
    builder.add(place, LayerNorm(theirs.eps), arrays)


def _bayesian_torch(builder: Builder, place: str, module: Any) -> None:
    flipout = type(module).__name__ == "LinearFlipout"
    bias, priors, arrays = "none", {}, {}
    for ours, theirs in (("kernel", "weight"), ("bias", "bias")):
        mu, rho = getattr(module, f"mu_{theirs}"), getattr(module, f"rho_{theirs}")
        if mu is None:
            continue
        if ours == "bias":
            bias = "normal_flipped" if flipout else "normal"
        arrays |= {f"{ours}_mu": _array(mu).T, f"{ours}_rho": _array(rho).T}
        loc, scale = (_array(getattr(module, f"prior_{theirs}_{n}")).T for n in ("mu", "sigma"))
        priors[f"{ours}_prior"] = one_prior(loc, scale)
    layer = DenseFlipout(*arrays["kernel_mu"].shape, bias=bias, scale_shift=0.0, **priors)
    builder.add(place, layer, arrays, "flipout" if flipout else "shared")


def _torchbnn(builder: Builder, place: str, module: Any) -> None:
    arrays = {}
    for ours, theirs in (("kernel", "weight"), ("bias", "bias"))[: 1 + bool(module.bias)]:
        arrays[f"{ours}_mu"] = _array(getattr(module, f"{theirs}_mu")).T
        log_sigma = _array(getattr(module, f"{theirs}_log_sigma")).T
        arrays[f"{ours}_sigma"] = np.exp(log_sigma.astype(np.float64))
    prior = (float(module.prior_mu), float(module.prior_sigma))
    priors = {"kernel_prior": prior} | ({"bias_prior": prior} if module.bias else {})
    layer = DenseFlipout(*arrays["kernel_mu"].shape, bias="normal" if module.bias else "none",
                         scale_shift=0.0, **priors)  # fmt: skip
    builder.add(place, layer, arrays, "shared")


def _blitz(builder: Builder, place: str, module: Any) -> None:
    if module.prior_dist is not None:
        raise expected(place, "Blitz' own prior", "a prior_dist")
    arrays = {}
    for ours, theirs in (("kernel", "weight"), ("bias", "bias"))[: 1 + bool(module.bias)]:
        sampler = getattr(module, f"{theirs}_sampler")  # what is trained, where the two have parted
        arrays |= {f"{ours}_mu": _array(sampler.mu).T, f"{ours}_rho": _array(sampler.rho).T}
    prior: Any = (0.0, float(module.prior_sigma_1))
    if module.prior_pi < 1:
        prior = MixturePrior((module.prior_sigma_1, module.prior_sigma_2),
                             (module.prior_pi, 1 - module.prior_pi))  # fmt: skip
    layer = DenseFlipout(*arrays["kernel_mu"].shape, bias="normal" if module.bias else "none",
                         scale_shift=0.0, kernel_prior=prior,
                         bias_prior=prior if module.bias else None)  # fmt: skip
    builder.add(place, layer, arrays, "shared")


LAYERS: dict[str, Callable[[Builder, str, Any], None]] = {
    "Linear": _linear,
    "Conv2d": _conv,
    "MaxPool2d": _pool,
    "AvgPool2d": _pool,
    "BatchNorm1d": _batch_norm,
    "BatchNorm2d": _batch_norm,
    "LayerNorm": _layer_norm,
    "LinearFlipout": _bayesian_torch,
    "LinearReparameterization": _bayesian_torch,
    "BayesLinear": _torchbnn,
    "BayesianLinear": _blitz,
}
