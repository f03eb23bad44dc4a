"""Recording a call of a person's own Bayesian-Torch layers; see `bnn_ref.verification.record`."""

from types import SimpleNamespace

import numpy as np
import torch

from ..frameworks.bayesian_torch import LinearFlipout, TakenOver, counted_kl, framework, variables
from ..frameworks.torch import nll as own_nll
from .seen import Seen

try:
    from bayesian_torch.layers import LinearReparameterization
except ImportError:  # an older Bayesian-Torch
    LinearReparameterization = LinearFlipout


def _watched(model, layers, x):
    """Call the model; return (outputs, what was seen of each layer, in the order called)."""
    seen, now, handles = [], [], []

    def before(layer, inputs):
        now.append(SimpleNamespace(layer=layer, inputs=inputs[0], draws=[], outputs=None))

    def after(layer, inputs, outputs):
        now[-1].outputs = outputs[0] if isinstance(outputs, tuple) else outputs
        seen.append(now.pop())

    def draw(kind, tensor, original):
        drawn = original()
        if now:
            now[-1].draws.append((kind, drawn.detach().numpy().copy()))
        return drawn

    for layer in layers:
        handles += [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]
    try:
        with TakenOver(draw):
            outputs = model(x)
    finally:
        for handle in handles:
            handle.remove()
    return (outputs[0] if isinstance(outputs, tuple) else outputs), seen


def _prior(k, loc, scale):
    """Return (loc, scale) of a prior that is the same for every weight."""
    if loc is None:
        return None
    loc, scale = loc.double().numpy(), scale.double().numpy()
    if np.ptp(loc) or np.ptp(scale):
        raise ValueError(f"layers.{k}: expected one prior for every weight, found several")
    return float(f"{np.mean(loc):.9g}"), float(f"{np.mean(scale):.9g}")


def _noise(k, one, bias):
    """Return a layer's draws by their names, checked against what such a layer draws."""
    flipout = isinstance(one.layer, LinearFlipout)
    wanted = ["normal"] + ["normal"] * bias + ["uniform", "uniform"] * flipout
    kinds = [kind for kind, _ in one.draws]
    if kinds != wanted:
        raise ValueError(f"layers.{k}: expected the draws {wanted}, found {kinds}")
    values = [value for _, value in one.draws]
    noise = {"kernel_eps": values[0].T}
    if bias:
        noise["bias_eps"] = values[1]
    ones = (np.ones(tuple(t.shape), values[0].dtype) for t in (one.inputs, one.outputs))
    signs = [np.sign(value) for value in values[-2:]] if flipout else ones
    return noise | dict(zip(("sign_input", "sign_output"), signs, strict=True))


def _seen(k, one):
    """Return the `Seen` of one layer."""
    if one.inputs.ndim != 2:
        raise ValueError(f"layers.{k}: expected inputs of rank 2, found {tuple(one.inputs.shape)}")
    layer = one.layer
    parameters = {name: p.detach().numpy().T for name, p in variables(layer).items()}
    bias = "bias_mu" in parameters
    kind = "normal_flipped" if isinstance(layer, LinearFlipout) else "normal"
    return Seen(
        parameters, _noise(k, one, bias), one.inputs.detach().numpy(), one.outputs.detach().numpy(),
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


def record_call(model, x, y, likelihood, kl_weight, nll, kl):
    """Return ([Seen of each layer], results by name, source) of one call."""
    if isinstance(model, (list, tuple)):
        model = torch.nn.Sequential(*model)
    kinds = (LinearFlipout, LinearReparameterization)
    layers = [module for module in model.modules() if isinstance(module, kinds)]
    if not layers:
        raise ValueError("model: expected LinearFlipout layers of Bayesian-Torch, found none")
    x = torch.as_tensor(np.asarray(x)).to(layers[0].mu_weight.dtype).requires_grad_(True)
    outputs, seen = _watched(model, layers, x)
    if len(seen) != len(layers) or len({id(one.layer) for one in seen}) != len(layers):
        raise ValueError(f"model: expected one call of each of its {len(layers)} Flipout layers, "
                         f"found {len(seen)} calls")  # fmt: skip
    targets = torch.as_tensor(np.asarray(y))
    fit = nll(outputs, targets) if nll else own_nll(likelihood, outputs, targets)
    kls = [_kl(one.layer, kl) for one in seen]
    total = fit + kl_weight * sum(kls)
    named = {f"layers.{k}.{name}": p
             for k, one in enumerate(seen) for name, p in variables(one.layer).items()}  # fmt: skip
    gradients = torch.autograd.grad(total, [x, *named.values()])
    results = {"outputs": outputs, "nll": fit, "kl": sum(kls), "loss": total}
    results |= {f"layers.{k}.kl": one for k, one in enumerate(kls)}
    results = {name: value.detach().numpy() for name, value in results.items()}
    results["grad.x"] = gradients[0].numpy()
    for name, gradient in zip(named, gradients[1:], strict=True):
        results[f"grad.{name}"] = gradient.numpy().T
    return [_seen(k, one) for k, one in enumerate(seen)], results, framework("").source()
