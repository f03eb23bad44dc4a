"""A call of hooked layers of PyTorch recorded, and the hooks of the libraries that are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ...border import check_choice
from ...elementary import sigmoid, softplus_inverse
from ...errors import expected
from ..containers import as_array
from ..frameworks.torch import nll as own_nll
from ..vectors.naming import named_results
from .hook import FORMS, LayerHook
from .seen import Seen
from .watching import Chain, Draws, watch


def _torchbnn(kind):
    """Return the hook of torchbnn's `BayesLinear`: sigma = exp(log_sigma), a KL in closed form."""
    import torchbnn

    def tensors(layer):
        tensors = {"kernel": (layer.weight_mu, layer.weight_log_sigma)}
        return tensors | ({"bias": (layer.bias_mu, layer.bias_log_sigma)} if layer.bias else {})

    return LayerHook(
        kind, tensors, lambda layer, part: (layer.prior_mu, layer.prior_sigma),
        lambda layer: torchbnn.BKLLoss(reduction="sum")(layer), sigma="exp",
    )  # fmt: skip


def _bayes_by_backprop(kind):
    """Return the hook of Blitz's and torch-uncertainty's linear layers: KL at the drawn weights.

    What is differentiated is the samplers' mu and rho: Blitz makes parameters of their own of the
    layer's.
    """

    def tensors(layer):
        samplers = {"kernel": layer.weight_sampler, "bias": getattr(layer, "bias_sampler", None)}
        random = getattr(layer, "bias", layer.bias_mu is not None)
        return {part: (sampler.mu, sampler.rho) for part, sampler in samplers.items()
                if part == "kernel" or random}  # fmt: skip

    def prior(layer, part):
        share = float(layer.prior_pi)
        count = 1 + (share < 1)
        scales = [float(layer.prior_sigma_1), float(layer.prior_sigma_2)][:count]
        return {"type": "mixture", "scales": scales, "weights": [share, 1 - share][:count],
                "locs": [0.0] * count}  # fmt: skip

    return LayerHook(kind, tensors, prior,
                     lambda layer: layer.log_variational_posterior - layer.log_prior)  # fmt: skip


def _probly(kind):
    """Return the hook of probly's `BayesLinear`: one prior for every weight."""

    def tensors(layer):
        tensors = {"kernel": (layer.weight_mu, layer.weight_rho)}
        return tensors | ({"bias": (layer.bias_mu, layer.bias_rho)} if layer.bias else {})

    def prior(layer, part):
        name = {"kernel": "weight", "bias": "bias"}[part]
        turn = np.transpose if part == "kernel" else np.asarray
        values = [turn(as_array(getattr(layer, f"{name}_prior_{of}"))) for of in ("mu", "sigma")]
        same = all(np.ptp(value) == 0 for value in values)
        return tuple(float(v.flat[0]) if same else v.astype(float) for v in values)

    return LayerHook(kind, tensors, prior, lambda layer: layer.kl_divergence)


KNOWN: dict[tuple[str, str], Any] = {  # root of a layer's module and its class's name to its hook
    ("torchbnn", "BayesLinear"): _torchbnn,
    ("blitz", "BayesianLinear"): _bayes_by_backprop,
    ("torch_uncertainty", "BayesLinear"): _bayes_by_backprop,
    ("probly", "BayesLinear"): _probly,
}


def known_hooks(model: Any) -> list[LayerHook]:
    """Return the hooks of the known libraries whose layers a PyTorch model holds.

    Parameters
    ----------
    model : torch.nn.Module, or a list of them
    """
    parts = model if isinstance(model, (list, tuple)) else [model]
    kinds = {type(m) for part in parts if isinstance(part, torch.nn.Module) for m in part.modules()}
    named = {(kind.__module__.partition(".")[0], kind.__name__): kind for kind in kinds}
    return [KNOWN[key](kind) for key, kind in named.items() if key in KNOWN]


def _spread(hook, spread):
    """Return (rho, d spread / d rho) of a layer's second parameter, float64."""
    spread = spread.detach().double().numpy()
    if hook.sigma == "softplus":
        return spread, np.ones_like(spread)
    half = 0.5 if hook.sigma == "exp_half" else 1.0
    sigma = spread if hook.sigma == "sigma" else np.exp(half * spread)
    rho = softplus_inverse(sigma)
    by_rho = sigmoid(rho)
    return rho, by_rho if hook.sigma == "sigma" else by_rho / (half * sigma)


def _signs(draws, shape):
    """Return the -1 and +1 that a draw of this shape gives, None where none does."""
    for kind, value in draws:
        if kind == "normal" or value.shape != shape:
            continue
        if np.all(np.abs(value) == 1):
            return value
        middle = 0.0 if np.min(value) < 0 else 0.5
        return np.where(value > middle, 1.0, -1.0)
    return None


def noise_by_shape(
    draws: Sequence[tuple[str, np.ndarray]], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return a layer's noise by the shapes of its draws; see `LayerHook`."""
    normals = [value for kind, value in draws if kind == "normal"]
    noise = {}
    for part in ("kernel", "bias"):
        place = next((k for k, v in enumerate(normals)
                      if part in arrays and v.shape == arrays[part].shape), None)  # fmt: skip
        if place is not None:
            noise[f"{part}_eps"] = normals.pop(place)
    others = [draw for draw in draws if draw[0] != "normal"]
    for side in ("input", "output"):
        shape = arrays[f"{side}s"].shape
        signs = _signs(others, shape)
        if signs is not None and arrays["inputs"].shape == arrays["outputs"].shape:
            others = [d for k, d in enumerate(others) if k or d[1].shape != shape]
        noise[f"sign_{side}"] = np.ones(shape) if signs is None else signs
    return noise


def _seen(k, hook, call):
    """Return the `Seen` of one layer, and (parameters, functions of their gradients) by name."""
    if call.inputs.ndim != 2:
        raise expected(f"layers.{k}", "inputs of rank 2", tuple(call.inputs.shape))
    turn = (lambda value: value.T) if hook.transposed else (lambda value: value)
    arrays = {"inputs": as_array(call.inputs), "outputs": as_array(call.outputs)}
    values, leaves, priors, kind = {}, {}, {}, "none"
    for part, (mu, spread) in hook.tensors(call.layer).items():
        arrays[part] = as_array(mu)
        values[f"{part}_mu"] = turn(as_array(mu))
        leaves[f"{part}_mu"] = (mu, turn)
        kind = kind if part == "kernel" else "deterministic"
        if spread is not None:
            rho, slope = _spread(hook, spread)
            values[f"{part}_rho"] = turn(rho.astype(arrays[part].dtype))
            leaves[f"{part}_rho"] = (spread, lambda g, slope=slope: turn(g * slope))
            priors[part] = hook.prior(call.layer, part)
            if part == "bias":
                kind = "normal_flipped" if hook.flipped else "normal"
    noise = dict((hook.noise or noise_by_shape)(call.draws, arrays))
    missing = [f"{part}_eps" for part in priors if noise.get(f"{part}_eps") is None]
    if missing:
        raise expected(f"layers.{k}", f"a draw for {missing[0]}", "none of its shape")
    noise["kernel_eps"] = turn(np.asarray(noise["kernel_eps"]))
    return Seen(values, noise, arrays["inputs"], arrays["outputs"], "linear", hook.shift,
                priors["kernel"], priors.get("bias"), kind), leaves  # fmt: skip


def record_hooked(
    hooks: Sequence[LayerHook],
    model: Any,
    x: Any,
    y: Any,
    likelihood: Mapping[str, Any],
    kl_weight: float,
    nll: Callable[[Any, Any], Any] | None,
    kl: str,
    kl_divided_by: float,
) -> tuple[list[Seen], dict[str, np.ndarray], str]:
    """Return ([Seen of each layer], results by name, source) of one call of hooked layers.

    Parameters
    ----------
    hooks : sequence of LayerHook
    model, x, y, likelihood, kl_weight, nll, kl, kl_divided_by
        As `record` has them.

    Raises
    ------
    ValueError
        Where the model holds none of the hooks' layers, or a layer is not what its hook says.
    """
    for hook in hooks:
        check_choice(hook.sigma, "hook.sigma", FORMS)
    if isinstance(model, (list, tuple, torch.nn.Sequential)):
        model = Chain(*model)
    of = {id(m): hook for m in model.modules() for hook in hooks if isinstance(m, hook.kind)}
    layers = [module for module in model.modules() if id(module) in of]
    if not layers:
        kinds = ", ".join(hook.kind.__name__ for hook in hooks)
        raise expected("model", f"layers of {kinds}", "none")
    first = next(iter(of[id(layers[0])].tensors(layers[0]).values()))[0]
    outputs, calls = watch(model, layers, torch.as_tensor(x).to(first.dtype), Draws)
    targets = torch.as_tensor(y)
    fit = nll(outputs, targets) if nll else own_nll(likelihood, outputs, targets)
    kls = [kl_divided_by * of[id(c.layer)].kl(c.layer).reshape(()) for c in calls]
    total = fit + kl_weight * sum(kls)
    read = [_seen(k, of[id(call.layer)], call) for k, call in enumerate(calls)]
    named = {f"layers.{k}.{name}": leaf for k, (_, leaves) in enumerate(read)
             for name, leaf in leaves.items()}  # fmt: skip
    by_x, *others = torch.autograd.grad(
        total, [calls[0].inputs, *(leaf for leaf, _ in named.values())], allow_unused=True
    )
    gradients = {"x": by_x}
    for (name, (leaf, turn)), gradient in zip(named.items(), others, strict=True):
        value = torch.zeros_like(leaf) if gradient is None else gradient
        gradients[name] = turn(as_array(value))
    results = named_results(outputs, fit, sum(kls), kls, total, gradients)
    results = {name: as_array(value) for name, value in results.items()}
    roots = sorted({hook.kind.__module__.partition(".")[0] for hook in of.values()})
    return [seen for seen, _ in read], results, f"{', '.join(roots)}, torch {torch.__version__}"
