"""Recording a call of a person's own Bayesian-Torch layers; see `bnn_ref.verification.record`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import expected
from ..containers import as_array
from ..frameworks.bayesian_torch import LinearFlipout, TakenOver, counted_kl, framework, variables
from ..frameworks.torch import nll as own_nll
from ..vectors.naming import named_results
from .seen import Seen, plain
from .torch_images import POOLS, Conv2dReparameterization, described, flat, order_of, refuse, turned
from .watching import Chain, watch

if TYPE_CHECKING:
    from ...likelihoods.base import Likelihood

try:
    from bayesian_torch.layers import LinearReparameterization
except ImportError:  # an older Bayesian-Torch
    LinearReparameterization = LinearFlipout

DRAWING = (LinearFlipout, LinearReparameterization, Conv2dReparameterization)


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
        raise expected(f"layers.{k}", "one prior for every weight", "several")
    return float(f"{np.mean(loc):.9g}"), float(f"{np.mean(scale):.9g}")


def _noise(k, call, bias, order):
    """Return a layer's draws by their names, checked against what such a layer draws."""
    flipout = isinstance(call.layer, LinearFlipout)
    wanted = ["normal"] + ["normal"] * bias + ["uniform", "uniform"] * flipout
    kinds = [kind for kind, _ in call.draws]
    if kinds != wanted:
        raise expected(f"layers.{k}", f"the draws {wanted}", kinds)
    values = [value for _, value in call.draws]
    noise = {"kernel_eps": turned(values[0], order)}
    if bias:
        noise["bias_eps"] = values[1]
    ones = (np.ones(tuple(t.shape[:2]), values[0].dtype) for t in (call.inputs, call.outputs))
    signs = [np.sign(value) for value in values[-2:]] if flipout else list(ones)
    signs[0] = signs[0] if order is None else signs[0][:, order]
    return noise | dict(zip(("sign_input", "sign_output"), signs, strict=True))


def _seen(k, call, order):
    """Return the `Seen` of one layer."""
    layer = call.layer
    told = described(k, layer, call.inputs)
    if told is None and call.inputs.ndim != 2:
        raise expected(f"layers.{k}", "inputs of rank 2", tuple(call.inputs.shape))
    inputs, outputs = flat(call.inputs), flat(call.outputs)
    if not variables_of(layer):
        return plain(told, inputs, outputs)
    inputs = inputs if order is None else inputs[:, order]
    parameters = {name: turned(p.detach().numpy(), order if "kernel" in name else None)
                  for name, p in variables(layer).items()}  # fmt: skip
    bias = "bias_mu" in parameters
    kind = "normal_flipped" if isinstance(layer, LinearFlipout) else "normal"
    return Seen(
        parameters, _noise(k, call, bias, order), inputs, outputs,
        "linear", 0.0, _prior(k, layer.prior_weight_mu, layer.prior_weight_sigma),
        _prior(k, layer.prior_bias_mu, layer.prior_bias_sigma) if bias else None,
        kind if bias else "none", told,
    )  # fmt: skip


def variables_of(layer):
    """Return a layer's parameters by our names; a layer without any has none."""
    return variables(layer) if isinstance(layer, DRAWING) else {}


def _kl(layer, kind):
    """Return a layer's KL: its own mean, or each of its means times the count of weights."""
    if not isinstance(layer, DRAWING):
        return torch.zeros(())
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
    refuse(model)
    drawing = [module for module in model.modules() if isinstance(module, DRAWING)]
    if not drawing:
        raise expected("model", "LinearFlipout layers of Bayesian-Torch", "none")
    x = torch.as_tensor(x).to(variables(drawing[0])["kernel_mu"].dtype)
    layers = [module for module in model.modules() if isinstance(module, (*DRAWING, *POOLS))]
    outputs, seen = watch(model, layers, x, _taken_over)
    seen = seen[next(k for k, call in enumerate(seen) if isinstance(call.layer, DRAWING)) :]
    orders = [order_of(seen[k - 1].outputs if k else None, call.inputs)
              for k, call in enumerate(seen)]  # fmt: skip
    targets = torch.as_tensor(y)
    fit = nll(outputs, targets) if nll else own_nll(likelihood, outputs, targets)
    kls = [kl_divided_by * _kl(call.layer, kl) for call in seen]
    total = fit + kl_weight * sum(kls)
    named = {f"layers.{k}.{name}": parameter for k, call in enumerate(seen)
             for name, parameter in variables_of(call.layer).items()}  # fmt: skip
    by_x, *others = torch.autograd.grad(total, [seen[0].inputs, *named.values()])
    gradients = {"x": flat(by_x)}
    for name, gradient in zip(named, others, strict=True):
        order = orders[int(name.split(".")[1])]
        gradients[name] = turned(gradient.numpy(), order if "kernel" in name else None)
    results = named_results(outputs, fit, sum(kls), kls, total, gradients)
    results = {name: as_array(value) for name, value in results.items()}
    told = [_seen(k, *call) for k, call in enumerate(zip(seen, orders, strict=True))]
    return told, results, framework("").source()
