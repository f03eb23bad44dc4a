"""Flipout: one shared draw of the weights' noise, a perturbation of its own for every example."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .. import reference
from ..activations import get_activation
from ..errors import expected
from ..noise import normals, signs
from .sheet import Sheet, number

if TYPE_CHECKING:
    from .subject import Subject

DRAWS = 20_000
CHUNK = 1 << 21
SHOWN = 4  # columns printed of a wide array


def explain(subject: Subject, seed: int = 0) -> Sheet:
    """Return the sheet on Flipout, on one layer of a subject and two of its examples.

    Of a batch the two examples are taken whose outputs one shared draw would tie closest.

    Parameters
    ----------
    subject : Subject
    seed : int
        Of the Monte Carlo draws.
    """
    sheet = Sheet("Flipout: a perturbation of its own for every example")
    subject = _two_examples(subject).in_float64()
    k = 0 if subject.small else len(subject.network.layers) - 1
    layer, p = subject.network.layers[k], subject.parameters.layers[k]
    noise = subject.noise().layers[k]
    h = _inputs(subject, k)
    sigma = reference.sigma(p.scale_shift, p.kernel_rho)
    pair = _closest_pair(h, sigma)
    h, noise = h[pair], noise._replace(sign_input=noise.sign_input[pair],
                                       sign_output=noise.sign_output[pair])  # fmt: skip
    sheet.say(f"layers[{k}] of {subject.name}: {layer.inputs} -> {layer.outputs}.")
    if len(subject.x) > 2:
        before = " Its inputs are those at the posterior means of the layers before it."
        sheet.say(
            f"Of the {len(subject.x)} examples of the next batch these are rows {pair[0]} and "
            f"{pair[1]}, here called 0 and 1: the two whose outputs one shared draw would tie "
            "closest." + (before if k else "")
        )
    sheet.heading("Formula, for example n")
    sheet.formula(
        "a_n = h_n mu + ((h_n * sign_input_n) delta) * sign_output_n + bias",
        "delta = sigma * eps, one draw for the whole batch",
    )
    _one_draw(sheet, h, layer, p, noise, sigma)
    _many_draws(sheet, h, sigma, seed)
    return sheet


def _inputs(subject, k):
    """Return what layer k is given for the batch: posterior means in the layers before it."""
    h = subject.x.reshape(-1, subject.network.inputs)
    for layer, p in zip(subject.network.layers[:k], subject.parameters.layers[:k], strict=True):
        a = h @ p.kernel_mu + (0 if p.bias_mu is None else p.bias_mu)
        h = get_activation(layer.activation).function(a)
    return h


def _two_examples(subject):
    """Return the subject, a batch of one example replaced by the first two of the training rows."""
    if len(subject.x) > 1:
        return subject
    x, y = subject.train
    if len(x) < 2:
        raise expected("training rows", "at least two examples to compare", len(x))
    x = np.asarray(x[:2]).astype(subject.parameters.dtype)
    return replace(subject, x=x, y=y[:2])


def _closest_pair(h, sigma):
    """Return the rows of the two examples with the largest correlation under a shared draw."""
    scaled = h * np.sqrt(np.mean(sigma * sigma, axis=1))
    size = np.linalg.norm(scaled, axis=1)
    scaled = scaled / np.where(size > 0, size, 1)[:, None]
    correlation = np.triu(scaled @ scaled.T, 1)
    return [int(n) for n in np.unravel_index(np.argmax(correlation), correlation.shape)]


def _one_draw(sheet, h, layer, p, noise, sigma):
    """Print two examples, their signs, the draw they share, and their two perturbations."""
    delta = sigma * noise.kernel_eps
    wide = delta.size > 4 * SHOWN
    sheet.heading("One draw, two examples")
    if wide:
        h_shown = np.argsort(-np.abs(h).sum(axis=0), kind="stable")[:SHOWN]
        h_shown.sort()
        outputs = np.arange(min(SHOWN, delta.shape[1]))
        sheet.say(
            f"Shown are inputs {', '.join(map(str, h_shown))} (the largest) and the first "
            f"{len(outputs)} of the outputs. Perturbations and mean path are sums over all inputs."
        )
    else:
        h_shown, outputs = np.arange(h.shape[1]), np.arange(delta.shape[1])
    block = np.ix_(h_shown, outputs)
    sheet.array("eps, shared", noise.kernel_eps[block])
    sheet.array("sigma", sigma[block])
    sheet.array("delta = sigma * eps, shared", delta[block])
    perturbation = layer.forward(p, noise, h).perturbation  # (2, O)
    for n in range(2):
        r, s = noise.sign_input[n], noise.sign_output[n]
        sheet.array(f"example {n}: inputs h", h[n, h_shown][None])
        sheet.array(f"example {n}: sign_input", r[h_shown][None])
        sheet.array(f"example {n}: sign_output", s[outputs][None])
        sheet.array(
            f"example {n}: its own delta = sign_input^T sign_output * delta",
            (np.outer(r, s) * delta)[block],
            "same sizes, other signs",
        )
        title = f"example {n}: perturbation = h (its own delta)"
        sheet.array(title, perturbation[n, outputs][None])
    sheet.array("mean path h mu, of both", (h @ p.kernel_mu)[:, outputs])
    own = [np.outer(r, s) * delta for r, s in zip(noise.sign_input, noise.sign_output, strict=True)]
    by_hand = [[_dot(h[n], own[n][:, o]) for o in range(delta.shape[1])] for n in range(2)]
    worst = np.unravel_index(np.argmax(np.abs(perturbation - by_hand)), perturbation.shape)
    sheet.check(
        f"the perturbation of example {worst[0]}, output {worst[1]}, which differs most",
        perturbation[worst],
        "its inputs times its own delta, one after the other",
        by_hand[worst[0]][worst[1]],
        1e-12,
        float(np.max(np.abs(by_hand))),
    )


def _dot(a, b):
    """Return the sum of products, added up exactly."""
    return math.fsum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def _many_draws(sheet, h, sigma, seed):
    """Print variances and correlation of two examples' outputs with and without the signs."""
    variance = (h * h) @ (sigma * sigma)  # (2, O)
    covariance = (h[0] * h[1]) @ (sigma * sigma)  # (O,) where the draw is shared without signs
    output = int(np.argmax(variance.sum(axis=0)))
    v, c = variance[:, output], covariance[output]
    exact = c / np.sqrt(v[0] * v[1])
    sheet.heading("Many draws: what the signs change and what they do not")
    sheet.formula(
        "var(a_n) = sum_i h_ni^2 sigma_i^2                        with and without signs",
        "cov(a_0, a_1) = sum_i h_0i h_1i sigma_i^2                without: every sign +1",
        "cov(a_0, a_1) = 0                                        with: E[sign_0 sign_1] = 0",
    )
    with_signs, without = _perturbations(h, sigma[:, output], seed)
    rows = []
    for name, a, correlation in (("with signs", with_signs, 0.0), ("without", without, exact)):
        estimate, error = _correlation(a)
        of_mean = np.var(a.mean(axis=1))
        rows.append([name, number(np.var(a[:, 0]), 4), number(np.var(a[:, 1]), 4),
                     f"{estimate:.4f}", f"{correlation:.4f}", number(of_mean, 4)])  # fmt: skip
    sheet.table(
        [f"output {output}, {DRAWS} draws", "var(a_0)", "var(a_1)", "correlation", "exact",
         "var of the mean"],
        rows,
    )  # fmt: skip
    sheet.say(
        "Each example's own variance is the same, so predictions are the same; only the tie "
        "between examples is cut. In a batch of B examples the noise's part in the variance of "
        "the gradient by kernel_mu then falls as 1/B, exactly so for a linear layer and a squared "
        "loss; with one shared draw and no signs it stops falling at the covariance. (The "
        "gradient by kernel_rho keeps a floor: docs/derivation.md.)"
    )
    for name, a, correlation in (
        ("with signs", with_signs, 0.0),
        ("without signs", without, exact),
    ):
        estimate, error = _correlation(a)
        what = f"the correlation of the two examples' outputs {name}, in closed form"
        if correlation < 1 - 1e-12:
            sheet.check_estimate(what, correlation, f"Monte Carlo, {DRAWS} draws", estimate, error)
        else:
            sheet.check(
                what, correlation, f"{DRAWS} draws of two proportional rows", estimate, 1e-9
            )
    estimate = np.mean(with_signs[:, 0] ** 2)
    error = np.std(with_signs[:, 0] ** 2, ddof=1) / np.sqrt(DRAWS)
    sheet.check_estimate("the variance of example 0 with signs, in closed form", v[0],
                         f"Monte Carlo, {DRAWS} draws", estimate, error)  # fmt: skip


def _perturbations(h, sigma, seed):
    """Return the perturbations (DRAWS, 2) of one output, with signs and without.

    Every draw has new eps and new signs: rows of the generator's tables, two rows a draw.
    """
    inputs = h.shape[1]
    with_signs, without = np.empty((DRAWS, 2)), np.empty((DRAWS, 2))
    at_once = min(DRAWS, max(1, CHUNK // inputs))
    for draw, start in enumerate(range(0, DRAWS, at_once)):
        rows = min(at_once, DRAWS - start)
        key = {"step": 2**32 - 1, "draw": draw}  # a step that no training takes
        eps = normals((rows, inputs), seed, "train", "kernel_eps", **key)
        sign_input = signs(2 * rows, inputs, seed, "train", "sign_input", **key)
        sign_output = signs(2 * rows, 1, seed, "train", "sign_output", **key).reshape(rows, 2)
        part = slice(start, start + rows)
        delta = sigma * eps  # (rows, I)
        without[part] = delta @ h.T
        flipped = sign_input.reshape(rows, 2, inputs) * h
        with_signs[part] = np.einsum("rni,ri->rn", flipped, delta) * sign_output
    return with_signs, without


def _correlation(a):
    """Return the correlation of two columns of mean 0 and the estimate's standard error.

    The error is the delta method's: the standard deviation of the influence
    x y - r (x^2 + y^2) / 2 of standardised columns, over sqrt(draws).
    """
    x, y = (a / np.sqrt(np.mean(a * a, axis=0))).T
    r = np.mean(x * y)
    influence = x * y - r * (x * x + y * y) / 2
    return float(r), float(np.std(influence, ddof=1) / np.sqrt(len(a)))
