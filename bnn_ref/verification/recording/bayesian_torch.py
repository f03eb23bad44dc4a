"""Recording a call of a person's own Bayesian-Torch layers; see `bnn_ref.verification.record`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..frameworks.bayesian_torch import LinearFlipout, TakenOver, counted_kl, framework, variables
from ..frameworks.torch import nll as own_nll
from .seen import Seen
from .watching import Chain, watch

if TYPE_CHECKING:
    from ...likelihoods.base import Likelihood

try:
    from bayesian_torch.layers import LinearReparameterization
except ImportError:  # an older Bayesian-Torch
    LinearReparameterization = LinearFlipout


def _taken_over(told):
    """Return the context in which a function is told of in-place draws."""

    def draw(kind, tensor, original):
        drawn = original()
        told(kind, drawn.detach().numpy().copy())
        return drawn

    return TakenOver(draw)


def _prior(k, loc, scale):
    """Return (loc, scale) of a prior that is the same for every weight."""
    if loc is None:
        return None
    loc, scale = loc.double().numpy(), scale.double().numpy()
    if np.ptp(loc) or np.ptp(scale):
        raise ValueError(f"layers.{k}: expected one prior for every weight, found several")
    return float(f"{np.mean(loc):.9g}"), float(f"{np.mean(scale):.9g}")


def _noise(k, call, bias):
    """Return a layer's draws by their names, checked against what such a layer draws."""
    flipout = isinstance(call.layer, LinearFlipout)
    wanted = ["normal"] + ["normal"] * bias + ["uniform", "uniform"] * flipout
    kinds = [kind for kind, _ in call.draws]
    if kinds != wanted:
        raise ValueError(f"layers.{k}: expected the draws {wanted}, found {kinds}")
    values = [value for _, value in call.draws]
    noise = {"kernel_eps": values[0].T}
    if bias:
        noise["bias_eps"] = values[1]
    ones = (np.ones(tuple(t.shape), values[0].dtype) for t in (call.inputs, call.outputs))
    signs = [np.sign(value) for value in values[-2:]] if flipout else ones
    return noise | dict(zip(("sign_input", "sign_output"), signs, strict=True))


def _seen(k, call):
    """Return the `Seen` of one layer."""
    if call.inputs.ndim != 2:
        raise ValueError(f"layers.{k}: expected inputs of rank 2, found {tuple(call.inputs.shape)}")
    layer = call.layer
    parameters = {name: p.detach().numpy().T for name, p in variables(layer).items()}
    bias = "bias_mu" in parameters
    kind = "normal_flipped" if isinstance(layer, LinearFlipout) else "normal"
    return Seen(
        parameters, _noise(k, call, bias),
        call.inputs.detach().numpy(), call.outputs.detach().numpy(),
        "linear", 0.0, _prior(k, layer.prior_weight_mu, layer.prior_weight_sigma),
        _prior(k, layer.prior_bias_mu, layer.prior_bias_sigma) if bias else None,
        kind if bias else "none",
    )  # fmt: skip


def _kl(layer, kind):
    """Return a layer's KL: its own mean, or each of its means times the count of weights."""
    counted = []
    counted_kl(layer, counted)
    try:
        own = layer.kl_loss()
    finally:
        del layer.kl_div
    return own if kind == "own" else sum(counted)


def record_call(
    model: Any,
    x: Any,
    y: Any,
    likelihood: Likelihood,
    kl_weight: float,
    nll: Callable[[Any, Any], Any] | None,
    kl: str,
    kl_divided_by: float,
) -> tuple[list[Seen], dict[str, NDArray[Any]], str]:
    """Return ([Seen of each layer], results by name, source) of one call."""
    if isinstance(model, (list, tuple, torch.nn.Sequential)):
        model = Chain(*model)
    kinds = (LinearFlipout, LinearReparameterization)
    layers = [module for module in model.modules() if isinstance(module, kinds)]
    if not layers:
        raise ValueError("model: expected LinearFlipout layers of Bayesian-Torch, found none")
    x = torch.as_tensor(x).to(layers[0].mu_weight.dtype)
    outputs, seen = watch(model, layers, x, _taken_over)
    targets = torch.as_tensor(y)
    fit = nll(outputs, targets) if nll else own_nll(likelihood, outputs, targets)
    kls = [kl_divided_by * _kl(call.layer, kl) for call in seen]
    total = fit + kl_weight * sum(kls)
    named = {f"layers.{k}.{name}": parameter for k, call in enumerate(seen)
             for name, parameter in variables(call.layer).items()}  # fmt: skip
    gradients = torch.autograd.grad(total, [seen[0].inputs, *named.values()])
    results = {"outputs": outputs, "nll": fit, "kl": sum(kls), "loss": total}
    results |= {f"layers.{k}.kl": value for k, value in enumerate(kls)}
    results = {name: value.detach().numpy() for name, value in results.items()}
    results["grad.x"] = gradients[0].numpy()
    for name, gradient in zip(named, gradients[1:], strict=True):
        results[f"grad.{name}"] = gradient.numpy().T
    return [_seen(k, call) for k, call in enumerate(seen)], results, framework("").source()
