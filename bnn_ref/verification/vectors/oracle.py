"""An oracle: the whole step at 50 digits, no derivative written by hand.

Written from `docs/vectors.md` alone, it shares no code and no formula with `reference.py`: the
loss is evaluated as the specification prints it, in mpmath's arithmetic, and every gradient is a
central difference of that loss, taken with so many digits that 50 are left. The published suite
is computed with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import missing

try:
    from mpmath import mp, mpf
except ImportError:
    raise missing("the oracle", "mpmath", "all") from None

from .naming import below, named_results
from .oracle_images import PLAIN, convolution

DIGITS = 50
_WORKING = 3 * DIGITS + 20  # a difference with step h loses the digits of h, its error is h^2
_STEP = DIGITS + 5


def softplus(a: Any) -> Any:
    """Return log(1 + exp(a))."""
    return mp.log1p(mp.exp(a))


ACTIVATIONS: dict[str, Any] = {
    "linear": lambda a: a,
    "relu": lambda a: a if a > 0 else mpf(0),
    "tanh": mp.tanh,
    "sigmoid": lambda a: 1 / (1 + mp.exp(-a)),
    "softplus": softplus,
    "elu": lambda a: a if a > 0 else mp.expm1(a),
    "gelu": lambda a: a * mp.ncdf(a),
}


def _numbers(array):
    """Return an array as nested lists of exact mpf."""
    if np.ndim(array) == 0:
        return mpf(float(array))
    return [_numbers(part) for part in array]


def _dense(description, p, h):
    """Return a dense Flipout layer's pre-activations, rows of a list of lists, for the rows h."""
    shift = mpf(description["scale_shift"])
    mu, units = p["kernel_mu"], range(description["units"])
    inputs = range(len(mu))
    sigma = [[shift + softplus(rho) for rho in row] for row in p["kernel_rho"]]
    bias = description["bias"]
    mean = p["bias_mu"] if bias != "none" else [mpf(0)] * len(units)
    scale = [mpf(0)] * len(units)
    if bias in ("normal", "normal_flipped"):
        scale = [shift + softplus(rho) for rho in p["bias_rho"]]
    if "output_eps" in p:
        return [
            [mp.fsum(x[i] * mu[i][o] for i in inputs) + mean[o] + e[o]
             * mp.sqrt(mp.fsum((x[i] * sigma[i][o]) ** 2 for i in inputs) + scale[o] ** 2)
             for o in units]
            for x, e in zip(h, p["output_eps"], strict=True)
        ]  # fmt: skip
    delta = [[sigma[i][o] * p["kernel_eps"][i][o] for o in units] for i in inputs]
    draw = scale
    if "bias_eps" in p:
        draw = [s * e for s, e in zip(scale, p["bias_eps"], strict=True)]
    rows = []
    for x, s, t in zip(h, p["sign_input"], p["sign_output"], strict=True):
        row = []
        for o in units:
            mean_part = mp.fsum(x[i] * mu[i][o] for i in inputs)
            noise_part = mp.fsum(x[i] * s[i] * delta[i][o] for i in inputs) * t[o]
            flip = t[o] if bias == "normal_flipped" else 1
            row.append(mean_part + noise_part + mean[o] + draw[o] * flip)
        rows.append(row)
    return rows


LAYERS: dict[str, Any] = {  # type to pre-activations
    "DenseFlipout": _dense,
    "Conv2DFlipout": partial(convolution, softplus=softplus),
    "Conv1DFlipout": partial(convolution, softplus=softplus),
}


def _log_normal(y, m, s):
    """Return log N(y; m, s)."""
    return -(((y - m) / s) ** 2) / 2 - mp.log(s) - mp.log(2 * mp.pi) / 2


def _nll(likelihood, own, outputs, y, weights, frozen):
    """Return sum_n w_n nll_n / B, nll_n = -log p(y_n | outputs_n) summed over output dimensions.

    ``frozen`` holds the factor on each target's nll where the gradient is another's ("beta").
    """
    total = mpf(0)
    for n, (z, target) in enumerate(zip(outputs, y, strict=True)):
        if likelihood["type"] == "categorical":
            each = [mp.log(mp.fsum(mp.exp(value) for value in z)) - z[int(target)]]
        elif likelihood["type"] == "bernoulli":
            each = [softplus(v) - t * v for v, t in zip(z, target, strict=True)]
        elif likelihood["type"] == "predicted_normal":
            means, rhos = z[: len(target)], z[len(target) :]
            floor = mpf(likelihood["floor"])
            each = [-_log_normal(t, m, floor + softplus(rho))
                    for t, m, rho in zip(target, means, rhos, strict=True)]  # fmt: skip
            if frozen is not None:
                each = [factor * nll for factor, nll in zip(frozen[n], each, strict=True)]
        else:
            scales = [mpf(likelihood["scale"])] * len(z)
            if "scale_rho" in own:
                scales = [softplus(rho) for rho in own["scale_rho"]]
            each = [-_log_normal(t, v, s) for v, t, s in zip(z, target, scales, strict=True)]
        total += weights[n] * mp.fsum(each)
    return total / len(outputs)


def _frozen(likelihood, outputs):
    """Return s^(2 beta) of every target, which the gradient takes for constant; None without."""
    if not likelihood.get("beta"):
        return None
    floor, power = mpf(likelihood["floor"]), 2 * mpf(likelihood["beta"])
    return [[(floor + softplus(rho)) ** power for rho in z[len(z) // 2 :]] for z in outputs]


def _flat(value):
    """Return nested lists as one list."""
    if not isinstance(value, list):
        return [value]
    return [number for part in value for number in _flat(part)]


def _spread(value, mu):
    """Return a prior's number, or its array broadcast to a tensor's shape, as one list."""
    mu = np.array(mu, dtype=object)
    value = np.array(_numbers(value), dtype=object)
    return list(np.broadcast_to(value, mu.shape).ravel())


def _kl_normal(prior, own, mu, sigma, eps):
    """Return log(s/sigma) + (sigma^2 + (mu - m)^2)/(2 s^2) - 1/2, summed."""
    m, s = _spread(prior["loc"], mu), _spread(prior["scale"], mu)
    if "loc" in own:
        m = [own["loc"]] * len(m)
    if "rho" in own:
        s = [softplus(own["rho"])] * len(s)
    return mp.fsum(mp.log(t / g) + (g**2 + (w - c) ** 2) / (2 * t**2) - mpf(1) / 2
                   for w, g, c, t in zip(_flat(mu), _flat(sigma), m, s, strict=True))  # fmt: skip


def _kl_laplace(prior, own, mu, sigma, eps):
    """Return E|w - m|/b + log(2 b) - log(sigma) - log(2 pi e)/2, summed."""
    m, b = mpf(prior["loc"]), mpf(prior["scale"])
    total = mpf(0)
    for w, g in zip(_flat(mu), _flat(sigma), strict=True):
        z = (w - m) / g
        away = g * mp.sqrt(2 / mp.pi) * mp.exp(-(z**2) / 2) + (w - m) * mp.erf(z / mp.sqrt(2))
        total += away / b + mp.log(2 * b) - mp.log(g) - mp.log(2 * mp.pi * mp.e) / 2
    return total


def _kl_mixture(prior, own, mu, sigma, eps):
    """Return log q(w) - log p(w) at the draws w = mu + sigma eps, summed."""
    parts = [[mpf(value) for value in prior[name]] for name in ("weights", "locs", "scales")]
    total = mpf(0)
    for w, g, e in zip(_flat(mu), _flat(sigma), _flat(eps), strict=True):
        p = mp.fsum(share * mp.exp(_log_normal(w + g * e, m, s))
                    for share, m, s in zip(*parts, strict=True))  # fmt: skip
        total += _log_normal(w + g * e, w, g) - mp.log(p)
    return total


def _kl_scaled(prior, own, mu, sigma, eps):
    """Return another prior's KL times a factor."""
    inner = prior["prior"]
    return mpf(prior["factor"]) * KLS[inner.get("type", "normal")](inner, own, mu, sigma, eps)


KLS: dict[str, Any] = {
    "normal": _kl_normal,
    "learned_normal": _kl_normal,
    "laplace": _kl_laplace,
    "mixture": _kl_mixture,
    "scaled": _kl_scaled,
    "none": lambda *_: mpf(0),
}


def _penalty(prior, mu):
    """Return -log p(mu) of a point estimate with a prior, its constant included, summed."""
    kind = prior.get("type", "normal")
    if kind == "scaled":
        return mpf(prior["factor"]) * _penalty(prior["prior"], mu)
    if kind == "mixture":
        parts = [[mpf(value) for value in prior[name]] for name in ("weights", "locs", "scales")]
        return -mp.fsum(mp.log(mp.fsum(share * mp.exp(_log_normal(w, m, s))
                                       for share, m, s in zip(*parts, strict=True)))
                        for w in _flat(mu))  # fmt: skip
    m, s = _spread(prior["loc"], mu), _spread(prior["scale"], mu)
    if kind == "laplace":
        each = (abs(w - c) / b + mp.log(2 * b) for w, c, b in zip(_flat(mu), m, s, strict=True))
        return mp.fsum(each)
    return -mp.fsum(_log_normal(w, c, b) for w, c, b in zip(_flat(mu), m, s, strict=True))


def _kl(description, p):
    """Return a layer's KL, its tensors' summed."""
    total = mpf(0)
    for part in ("kernel", "bias"):
        prior = description.get(f"{part}_prior")
        if prior is None:
            continue
        if f"{part}_rho" not in p:
            total += _penalty(prior, p[f"{part}_mu"])
            continue
        shift, mu = mpf(description["scale_shift"]), p[f"{part}_mu"]
        sigma = [shift + softplus(rho) for rho in _flat(p[f"{part}_rho"])]
        own = {name: p[f"{part}_prior_{name}"] for name in ("loc", "rho")
               if f"{part}_prior_{name}" in p}  # fmt: skip
        total += KLS[prior.get("type", "normal")](prior, own, mu, sigma, p.get(f"{part}_eps"))
    return total


def step(
    meta: Mapping[str, Any],
    values: Mapping[str, Any],
    frozen: Any = None,
    chosen: dict[int, Any] | None = None,
) -> tuple[Any, Any, Any, Any, Any]:
    """Return (outputs, nll, kl of each layer, loss, pre-activations) of one step, all mpf.

    Parameters
    ----------
    meta : dict
        Of a test vector, a prior's arrays in their places.
    values : dict of str to nested lists of mpf
        Its inputs, parameters and noise.
    frozen : nested lists of mpf, optional
        Factors on every target's nll.
    chosen : dict, optional
        By layer, which of equal numbers a maximum took: filled in where it is empty, else kept to.
    """
    h, kls, before = values["x"], [], []
    chosen = {} if chosen is None else chosen
    for k, description in enumerate(meta["layers"]):
        if description["type"] in PLAIN:
            h = PLAIN[description["type"]](description, h, chosen.setdefault(k, {}))
            kls.append(mpf(0))
            before.append(None)
            continue
        p = below(values, f"layers.{k}.")
        before.append(LAYERS[description["type"]](description, p, h))
        activation = ACTIVATIONS[description["activation"]]
        h = [[activation(a) for a in row] for row in before[-1]]
        kls.append(_kl(description, p))
    weights = values.get("sample_weight", [mpf(1)] * len(h))
    own = below(values, "likelihood.")
    nll = _nll(meta["likelihood"], own, h, values["y"], weights, frozen)
    return h, nll, kls, nll + mpf(meta["kl_weight"]) * mp.fsum(kls), before


def loss(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return the loss of a test vector as an mpf, without the gradients; see `answer`."""
    with mp.workdps(_WORKING):
        return step(meta, {name: _numbers(array) for name, array in arrays.items()})[3]


def answer(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return every result of a test vector as nested lists of mpf, by their names in the file.

    Of version 2, the pre-activations are among them.

    Parameters
    ----------
    meta : dict
        A prior's arrays in their places.
    arrays : dict of str to array
        Inputs, parameters and noise; their binary values are taken exactly.

    Notes
    -----
    A ReLU unit with a pre-activation of exactly 0 would get the mean of its two slopes; the suite
    has none.
    """
    with mp.workdps(_WORKING):
        values = {name: _numbers(array) for name, array in arrays.items()}
        chosen = {}
        outputs, nll, kls, total, before = step(meta, values, chosen=chosen)
        frozen = _frozen(meta["likelihood"], outputs)

        def loss_now():
            return step(meta, values, frozen, chosen)[3]

        free = [name for name in values if name == "x" or name.endswith(("_mu", "_rho", "_loc"))]
        gradients = {name: _gradient(loss_now, values, name) for name in free}
        before = before if meta["version"] == 2 else ()
        return named_results(outputs, nll, mp.fsum(kls), kls, total, gradients, before)


def _gradient(loss, place, key):
    """Return a loss's central difference by an entry of a place, or by every entry of its lists."""
    kept = place[key]
    if isinstance(kept, list):
        return [_gradient(loss, kept, k) for k in range(len(kept))]
    h = mpf(10) ** -_STEP
    place[key] = kept + h
    higher = loss()
    place[key] = kept - h
    lower = loss()
    place[key] = kept
    return (higher - lower) / (2 * h)
