"""Bayesian-Torch's own `LinearFlipout`, its draws replaced by a vector's.

The layer is theirs: calls of `Tensor.normal_` and `Tensor.uniform_` are answered with the vector's
draws while a step runs. Their KL is by convention a mean: `kl_div` averages the kernel's and the
bias's terms. Each call's result times its count of weights is the sum that `docs/vectors.md` asks
for; their own figure stands beside it as `own_kl`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.overrides import TorchFunctionMode

from ...step.adam import Adam
from ..vectors.naming import named_results
from . import CannotAnswer, Framework, refuse_kinds
from .draws import Fed, of_layer
from .torch import ACTIVATIONS, nll_and_loss

if TYPE_CHECKING:
    from ..vectors.files import Vector

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", FutureWarning)
    from bayesian_torch.layers import LinearFlipout


ANEW = (
    "Bayesian-Torch's Flipout convolutions draw their signs anew at every place, so that no "
    "single kernel explains an example; a vector holds one sign a channel and one a filter"
)


def refusal(meta: Mapping[str, Any]) -> str | None:
    """Return why Bayesian-Torch's layer cannot express a network, or None."""
    for k, layer in enumerate(meta["layers"]):
        if layer["type"].startswith("Conv"):
            return f"layers[{k}].type: {ANEW}"
    reason = refuse_kinds(meta, ("normal",), "LinearFlipout")
    if reason:
        return reason
    if meta["likelihood"].get("learn_scale"):
        return "likelihood.learn_scale: LinearFlipout has no scale of the likelihood"
    for k, layer in enumerate(meta["layers"]):
        if layer["bias"] not in ("none", "normal_flipped"):
            return (f"layers[{k}].bias: LinearFlipout has none or normal_flipped, "
                    f"not {layer['bias']}")  # fmt: skip
        if layer["scale_shift"] != 0:
            return (f"layers[{k}].scale_shift: LinearFlipout has sigma = softplus(rho), "
                    f"not a shift of {layer['scale_shift']:g}")  # fmt: skip
    return None


class TakenOver(TorchFunctionMode):
    """While entered, in-place normal and uniform draws go through a function.

    Parameters
    ----------
    draw : callable, (kind, tensor, original) -> tensor
        kind is "normal" or "uniform", tensor is filled in place and returned; `original` makes
        PyTorch's own draw.
    """

    def __init__(self, draw: Callable[..., Any]) -> None:
        super().__init__()
        self._draw = draw

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kind = {torch.Tensor.normal_: "normal", torch.Tensor.uniform_: "uniform"}.get(function)
        if kind is None:
            return function(*args, **(kwargs or {}))
        return self._draw(kind, args[0], lambda: function(*args, **(kwargs or {})))


def counted_kl(layer: Any, record: list[Any]) -> Any:
    """Make a layer's own `kl_div` also append its mean times its count of weights to a list."""
    own = type(layer).kl_div

    def kl_div(mu_q, *others):
        mean = own(layer, mu_q, *others)
        record.append(mean * mu_q.numel())  # at once: `kl_loss` adds to the mean in place
        return mean

    layer.kl_div = kl_div


def make_layer(description: Mapping[str, Any], inputs: int, dtype: str) -> Any:
    """Return a `LinearFlipout` as a vector's `meta` describes it."""
    layer = LinearFlipout(inputs, description["units"], bias=description["bias"] != "none")
    layer = layer.to(getattr(torch, np.dtype(dtype).name))
    _fill(layer.prior_weight_mu, description["kernel_prior"]["loc"])
    _fill(layer.prior_weight_sigma, description["kernel_prior"]["scale"])
    if description["bias"] != "none":
        _fill(layer.prior_bias_mu, description["bias_prior"]["loc"])
        _fill(layer.prior_bias_sigma, description["bias_prior"]["scale"])
    return layer


def _fill(tensor, value):
    """Fill a prior's tensor, laid out (O, I), with a number or what broadcasts to (I, O)."""
    value = np.broadcast_to(np.asarray(value), tuple(tensor.shape)[::-1]).T
    tensor.copy_(torch.from_numpy(np.array(value)))


def variables(layer: Any) -> dict[str, Any]:
    """Return a layer's parameters by our names, in its layout: (O, I), of images (F, C, kh, kw)."""
    kernel = "kernel" if hasattr(layer, "mu_kernel") else "weight"
    named = {"kernel_mu": getattr(layer, f"mu_{kernel}"),
             "kernel_rho": getattr(layer, f"rho_{kernel}"),
             "bias_mu": layer.mu_bias, "bias_rho": layer.rho_bias}  # fmt: skip
    return {name: value for name, value in named.items() if value is not None}


def _network(vector):
    """Return (layers, parameters by full name) holding a vector's parameters."""
    reason = refusal(vector.meta)
    if reason:
        raise CannotAnswer(f"bayesian-torch: {reason}")
    layers, named, inputs = [], {}, vector.x.shape[1]
    for k, description in enumerate(vector.whole_meta["layers"]):
        layers.append(make_layer(description, inputs, vector.dtype))
        for name, parameter in variables(layers[-1]).items():
            values = torch.from_numpy(np.array(vector.arrays[f"layers.{k}.{name}"].T))
            parameter.data.copy_(values)
            named[f"layers.{k}.{name}"] = parameter
        inputs = description["units"]
    return layers, named


def _loss(vector, layers, x):
    """Return (loss, outputs, nll, kl of each layer, their own kl) on the vector's draws."""
    draws, kls, own_kl = [], [], 0.0
    for k in range(len(layers)):
        own = of_layer(vector, k)
        draws.append(("normal", own["kernel_eps"].T))
        draws += [("normal", own["bias_eps"])] if "bias_eps" in own else []
        draws += [("uniform", own["sign_input"]), ("uniform", own["sign_output"])]
    fed = Fed(draws)

    def draw(kind, tensor, original):
        values = np.ascontiguousarray(fed.next(kind, tensor.shape))
        with torch.no_grad():
            return tensor.copy_(torch.from_numpy(values))

    h = x
    for layer, description in zip(layers, vector.meta["layers"], strict=True):
        counted = []
        counted_kl(layer, counted)
        with TakenOver(draw):
            h, mean = layer(h)
        own_kl = own_kl + mean
        kls.append(sum(counted))
        h = ACTIVATIONS[description["activation"]](h)
    fed.finish()
    weights = vector.sample_weight
    weights = None if weights is None else torch.from_numpy(np.array(weights))
    y = torch.from_numpy(np.array(vector.y))
    fit, differentiated = nll_and_loss(vector.meta["likelihood"], h, y, weights=weights)
    return differentiated + vector.kl_weight * sum(kls), h, fit, kls, own_kl


def answer(vector: Vector) -> dict[str, NDArray[Any]]:
    """Return every result of a vector's step; see `Framework`."""
    layers, named = _network(vector)
    x = torch.from_numpy(np.array(vector.x)).requires_grad_(True)
    total, outputs, fit, kls, _ = _loss(vector, layers, x)
    total.backward()
    loss = fit + vector.kl_weight * sum(kls)
    results = named_results(outputs, fit, sum(kls), kls, loss, {"x": x.grad})
    results = {name: value.detach().numpy() for name, value in results.items()}
    transposed = {f"grad.{name}": parameter.grad.numpy().T for name, parameter in named.items()}
    return results | transposed


def own_kl(vector: Vector) -> float:
    """Return the KL as their layers return it, means summed; see `Framework`."""
    layers, _ = _network(vector)
    with torch.no_grad():
        return float(_loss(vector, layers, torch.from_numpy(np.array(vector.x)))[4])


def train(vectors: Sequence[Vector], learning_rate: float) -> dict[str, NDArray[Any]]:
    """Return the parameters after a step of `torch.optim.Adam` per vector; see `Framework`."""
    layers, named = _network(vectors[0])
    optimizer = torch.optim.Adam(named.values(), lr=learning_rate)
    for vector in vectors:
        optimizer.zero_grad()
        _loss(vector, layers, torch.from_numpy(np.array(vector.x)))[0].backward()
        optimizer.step()
    return {name: parameter.detach().numpy().T for name, parameter in named.items()}


def random_layer(
    kernel_mu: NDArray[Any], kernel_sigma: NDArray[Any]
) -> Callable[[ArrayLike], NDArray[Any]]:
    """Return a function from inputs to pre-activations: their own layer, its own draws."""
    layer = LinearFlipout(*kernel_mu.shape, bias=False).double()
    rho = kernel_sigma + np.log(-np.expm1(-kernel_sigma))
    given = {"kernel_mu": kernel_mu.T, "kernel_rho": rho.T}
    for name, parameter in variables(layer).items():
        parameter.data.copy_(torch.from_numpy(np.array(given[name])))

    def call(x):
        with torch.no_grad():
            return layer(torch.from_numpy(np.array(x, np.float64)), return_kl=False).numpy()

    return call


def framework(name: str) -> Framework:
    """Return the `Framework` "bayesian-torch"."""
    from importlib.metadata import version

    def source():
        return f"bayesian-torch {version('bayesian-torch')}, torch {torch.__version__}"

    return Framework(name, source, refusal, answer, train, Adam(convention="paper"), own_kl,
                     random_layer)  # fmt: skip
