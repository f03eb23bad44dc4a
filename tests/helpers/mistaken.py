"""A step with a known mistake in it, written from the mistake's sentence alone.

Nothing of the package is used: every example has a weight matrix of its own, and a gradient is the
complex step of the loss as the mistaken program computes it. A backward pass that is wrong where
the forward pass is right is a wrong derivative carried by the imaginary part.
"""

from math import erf

import numpy as np

STEP = 1e-100


def _erf(a):
    return np.vectorize(erf, otypes=[float])(a) if np.size(a) else np.zeros(np.shape(a))


def _sigmoid(a):
    return np.exp(-np.logaddexp(0, -a))


ACTIVATIONS = {  # function, derivative
    "linear": (lambda a: a, lambda a: np.ones_like(a)),
    "relu": (lambda a: np.maximum(a, 0), lambda a: (a > 0).astype(float)),
    "tanh": (np.tanh, lambda a: 1 / np.cosh(a) ** 2),
    "sigmoid": (_sigmoid, lambda a: _sigmoid(a) * _sigmoid(-a)),
    "softplus": (lambda a: np.logaddexp(0, a), _sigmoid),
    "elu": (lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))),
            lambda a: np.where(a > 0, 1, np.exp(np.minimum(a, 0)))),
    "gelu": (lambda a: 0.5 * a * (1 + _erf(a / np.sqrt(2))),
             lambda a: 0.5 * (1 + _erf(a / np.sqrt(2)))
             + a * np.exp(-a * a / 2) / np.sqrt(2 * np.pi)),
}  # fmt: skip


def _gelu_tanh(a):
    return 0.5 * a * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3)))


def _activation(name, other):
    """Return (function, derivative), of a complex step where gelu is its approximation."""
    if name == "gelu" and other == "gelu_tanh":
        return _gelu_tanh, lambda a: _gelu_tanh(a + STEP * 1j).imag / STEP
    if name == "relu" and other.startswith("leaky_"):
        slope = float(other.removeprefix("leaky_"))
        return lambda a: np.where(a > 0, a, slope * a), lambda a: np.where(a > 0, 1, slope)
    return ACTIVATIONS[name]


def _apply(a, function, slope):
    """Return a real function of a's real part, its slope times a's imaginary part beside it."""
    return function(a.real) + 1j * a.imag * slope


def _rescaled(value, form):
    """Return a value "squared", its "root", or "times_NUMBER" itself; as it is for any other."""
    if form.startswith("times_"):
        return float(form.removeprefix("times_")) * value
    return {"squared": value**2, "root": value**0.5}.get(form, value)


def _sigma(rho, shift, form, chain):
    """Return sigma; without its chain the derivative by rho is 1."""
    if form in ("squared", "root") or form.startswith("times_"):
        return _rescaled(_sigma(rho, shift, "softplus", chain), form)
    if form == "softplus":
        function, slope = lambda r: shift + np.logaddexp(0, r), _sigmoid(rho.real)
    elif form.startswith(("beta_", "steep_")):
        name, number = form.split("_")
        b = float(number)
        over = b if name == "beta" else 1.0
        function = lambda r: shift + np.logaddexp(0, b * r) / over  # noqa: E731
        slope = b / over * _sigmoid(b * rho.real)
    else:
        half = 0.5 if "half" in form else 1.0
        added = shift if "shifted" in form else 0.0
        function, slope = lambda r: added + np.exp(half * r), half * np.exp(half * rho.real)
    return _apply(rho, function, slope if chain else 1.0)


def _drawn(sigma, eps, s, tensor):
    """Return a tensor's perturbation, whose derivative by sigma may lack its eps."""
    scale = _rescaled(sigma, s["noise"])
    lost = s["eps_chain"] in ("all", tensor)
    return scale.real * eps + 1j * scale.imag * (1 if lost else eps)


def _kl(mu, sigma, eps, prior, s):
    scale, loc = prior["scale"] ** s["prior_power"], prior["loc"]
    if s["kl_form"] == "sampled":
        w = mu + sigma * eps
        each = -np.log(sigma) - eps**2 / 2 + np.log(scale) + (w - loc) ** 2 / (2 * scale**2)
    elif s["kl_form"] == "reverse":
        each = np.log(sigma) - np.log(scale) - 0.5 + (scale**2 + (mu - loc) ** 2) / (2 * sigma**2)
    else:
        loc = 0 if s["kl_form"] == "no_loc" else loc
        each = np.log(scale) - np.log(sigma) - 0.5 + (sigma**2 + (mu - loc) ** 2) / (2 * scale**2)
    return each.reshape(len(mu), -1).sum(axis=1)


def _nll(likelihood, z, y, s):
    """Return (the reported one, the right one), each (P,): of outputs z (P, B, O)."""
    if likelihood["type"] == "categorical":
        shifted = z - z.real.max(axis=2, keepdims=True)
        each = np.log(np.exp(shifted).sum(axis=2, keepdims=True)) - shifted
        smooth = s["smoothing"] * each.mean(axis=2)
        each = each[:, np.arange(len(y)), y]
        right = each.mean(axis=1)
        each = ((1 - s["smoothing"]) * each + smooth)[:, :, None]
    elif likelihood["type"] == "bernoulli":
        each = _apply(z, lambda a: np.logaddexp(0, a), _sigmoid(z.real)) - y * z
    else:
        scale = likelihood["scale"]
        each = ((z - y) / scale) ** 2 / 2 + np.log(scale) + np.log(2 * np.pi) / 2
        no_two_pi = each - np.log(2 * np.pi) / 2
        forms = {"": each, "no_two_pi": no_two_pi, "half_square": ((z - y) / scale) ** 2 / 2,
                 "half_square_unscaled": (z - y) ** 2 / 2, "square": (z - y) ** 2}  # fmt: skip
        right, each = each.sum(axis=2).mean(axis=1), forms[s["normal"]]
    rows = each.sum(axis=2)
    if likelihood["type"] == "bernoulli":
        right = rows.mean(axis=1)
    rows = rows * s["nll_factor"]
    if s["outputs_averaged"]:
        rows = rows / z.shape[2]
    return rows.sum(axis=1) if s["nll"] == "sum" else rows.mean(axis=1), right


DEFAULTS = {
    "sigma": "softplus", "shift": None, "mean_flipped": "", "sign_input": True, "sign_output": True,
    "signs_swapped": False, "bias_flip": "", "transposed": "", "derivative": "", "rho_chain": "",
    "nll": "", "outputs_averaged": False, "normal": "", "prior_power": 1.0, "kl_average": "",
    "kl_weight": None, "kl_factor": 1.0, "kl_form": "", "bias_kl": "", "signs_shared": "",
    "eps_shared": "", "activation": "", "activation_first": False, "centred": False,
    "hidden_scale": 1.0, "smoothing": 0.0, "nll_factor": 1.0, "noise": "", "eps_chain": "",
}  # fmt: skip


def _layer(layer, p, noise, h, s):
    """Return (outputs (P, B, O), KL of the kernel, of the bias) of one layer, P perturbations."""
    mu, rho, eps = p["kernel_mu"], p["kernel_rho"], noise["kernel_eps"]
    si, so = noise["sign_input"], noise["sign_output"]
    square = mu.shape[1] == mu.shape[2]
    if square and s["transposed"] in ("all", "parameters", "loaded"):
        mu, rho = mu.swapaxes(1, 2), rho.swapaxes(1, 2)
        eps = eps if s["transposed"] == "parameters" else eps.T
    if square and s["signs_swapped"]:
        si, so = so, si
    si = si if s["sign_input"] else np.ones_like(si)
    so = so if s["sign_output"] else np.ones_like(so)
    si = np.tile(si[0], (len(si), 1)) if s["signs_shared"] in ("input", "both") else si
    so = np.tile(so[0], (len(so), 1)) if s["signs_shared"] in ("output", "both") else so
    if s["eps_shared"]:
        eps = {"outputs": eps[:, [0] * eps.shape[1]], "inputs": eps[[0] * len(eps)],
               "all": np.full(eps.shape, eps[0, 0])}[s["eps_shared"]]  # fmt: skip
    shift = layer["scale_shift"] if s["shift"] is None else s["shift"]
    sigma = _sigma(rho, shift, s["sigma"], s["rho_chain"] not in ("all", "nll"))
    flips = si[:, :, None] * so[:, None, :]  # (B, I, O): each example's own
    delta = _drawn(sigma, eps, s, "kernel")[:, None] * flips
    mean = mu[:, None] * (flips if s["mean_flipped"] else np.ones_like(flips))
    noisy = np.einsum("pbi,pbio->pbo", h, delta)
    still = np.einsum("pbi,pbio->pbo", h, mean)
    kl_sigma = _sigma(rho, shift, s["sigma"], s["rho_chain"] not in ("all", "kl"))
    kls, bias = [_kl(mu, kl_sigma, eps, layer["kernel_prior"], s)], 0.0
    if layer["bias"] != "none":
        flip_mean = s["mean_flipped"] == "all" or s["bias_flip"] == "whole"
        bias = p["bias_mu"][:, None] * (so if flip_mean else 1)
        still = still if s["activation_first"] else still + bias
    if layer["bias"].startswith("normal"):
        draw = _sigma(p["bias_rho"], shift, s["sigma"], s["rho_chain"] not in ("all", "nll"))
        flip = (layer["bias"] == "normal_flipped") ^ (s["bias_flip"] == "other") or flip_mean
        drawn = _drawn(draw, noise["bias_eps"], s, "bias")[:, None] * (so if flip else 1)
        bias, noisy = bias + drawn, noisy if s["activation_first"] else noisy + drawn
        kl_sigma = _sigma(p["bias_rho"], shift, s["sigma"], s["rho_chain"] not in ("all", "kl"))
        prior = layer["kernel_prior" if s["bias_kl"] == "kernel_prior" else "bias_prior"]
        kls.append((s["bias_kl"] != "missing")
                   * _kl(p["bias_mu"], kl_sigma, noise["bias_eps"], prior, s))  # fmt: skip
    a, (function, slope) = still + noisy, _activation(layer["activation"], s["activation"])
    place = {"": a, "output": function(a.real), "mean": still, "missing": a}[s["derivative"]].real
    slope = np.ones_like(place) if s["derivative"] == "missing" else slope(place)
    return _apply(a, function, slope) + (bias if s["activation_first"] else 0.0), kls


def _averaged(kls, sizes, how):
    """Return each layer's KL as used: kls and sizes are per layer [kernel, bias]."""
    total = sum(sum(size) for size in sizes)
    used = []
    for kl, size in zip(kls, sizes, strict=True):
        count = {"": 1, "layer_weights": sum(size), "weights": total, "layers": len(kls)}
        used.append(sum(one / (n if how == "tensors" else count[how])
                        for one, n in zip(kl, size, strict=True)))  # fmt: skip
    return used


def results(question, report="wrong", **switches):
    """Return every result of a question's step under a mistake, by name.

    Parameters
    ----------
    question : Vector
    report : "wrong" or "right"
        The reported kl: as the loss uses it, or the right one.
    **switches
        Of `DEFAULTS`.
    """
    s = {**DEFAULTS, **switches}
    arrays = {name: np.asarray(a, float) for name, a in question.arrays.items() if name != "y"}
    y = question.arrays["y"]
    names = [name for name in arrays if name == "x" or name.endswith(("_mu", "_rho"))]
    flat = np.concatenate([arrays[name].ravel() for name in names])
    moved = np.tile(flat, (flat.size, 1)) + STEP * 1j * np.eye(flat.size)
    ends = np.cumsum([arrays[name].size for name in names])
    parts = np.split(moved, ends[:-1], axis=1)
    moved = {name: part.reshape(-1, *arrays[name].shape)
             for name, part in zip(names, parts, strict=True)}  # fmt: skip
    h, kls, right_kls, sizes = moved["x"], [], [], []
    h = h - h.mean(axis=1, keepdims=True) if s["centred"] else h
    for k, layer in enumerate(question.meta["layers"]):
        p = {name.rpartition(".")[2]: a for name, a in moved.items()
             if name.startswith(f"layers.{k}.")}  # fmt: skip
        noise = {name.rpartition(".")[2]: a for name, a in arrays.items()
                 if name.startswith(f"layers.{k}.")}  # fmt: skip
        h = h * (s["hidden_scale"] if k else 1.0)
        right_kls.append(sum(_layer(layer, p, noise, h, DEFAULTS)[1]))
        h, kl = _layer(layer, p, noise, h, s)
        kls.append(kl)
        sizes.append([p[name][0].size for name in ("kernel_mu", "bias_mu")[: len(kl)]])
    used = _averaged(kls, sizes, s["kl_average"])
    nll, right_nll = _nll(question.meta["likelihood"], h, y, s)
    weight = question.kl_weight if s["kl_weight"] is None else s["kl_weight"]
    weight = weight * s["kl_factor"]
    loss = nll + weight * sum(used)
    shown = right_kls if report == "right" else [kl * (weight / question.kl_weight) for kl in used]
    found = {"outputs": h[0].real, "nll": nll[0].real, "loss": loss[0].real}
    found |= {f"layers.{k}.kl": kl[0].real for k, kl in enumerate(shown)}
    found["kl"] = sum(kl[0].real for kl in shown)
    for name, part in zip(names, np.split(loss.imag / STEP, ends[:-1]), strict=True):
        gradient = part.reshape(arrays[name].shape)
        square = gradient.ndim == 2 and len(set(gradient.shape)) == 1 and name != "x"
        turn = square and s["transposed"] in ("gradients", "loaded")
        found[f"grad.{name}"] = gradient.T if turn else gradient
    return found
