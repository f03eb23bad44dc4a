"""The checks of a step: outputs by whole weights, gradients by the complex step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import reference
from ..activations import get_activation

if TYPE_CHECKING:
    from ..noise.draws import Noise
    from ..step.results import Result
    from .sheet import Sheet
    from .subject import Subject

STEP = 1e-30  # of the complex step: below every rounding unit, no difference is taken
LIMIT = 1e-12


def check_outputs(sheet: Sheet, subject: Subject, noise: Noise, result: Result) -> None:
    """Hold an example's outputs against a pass through whole weights of its own.

    Flipout's two products are, for one example, one product with
    kernel_mu + kernel_delta * (sign_input^T sign_output), Wen et al. (2018), equation 3.

    Parameters
    ----------
    sheet : Sheet
    subject : Subject
    noise : Noise
    result : Result
        With its trace.
    """
    others = sorted({layer.type for layer in subject.network.layers} - {"DenseFlipout"})
    if others:
        sheet.leave_out("the outputs by whole weights", f"not written for {', '.join(others)}")
        return
    row = int(np.argmax(np.max(np.abs(result.trace[-1].outputs), axis=1)))
    h = subject.x.reshape(-1, subject.network.inputs)[row]
    layers = zip(subject.network.layers, subject.parameters.layers, noise.layers, result.trace,
                 strict=True)  # fmt: skip
    for layer, p, n, t in layers:
        own = p.kernel_mu + t.kernel_delta * np.outer(n.sign_input[row], n.sign_output[row])
        a = np.array([math.fsum(h * column) for column in own.T])
        if layer.bias != "none":
            a = a + p.bias_mu
        if layer.bias_is_random:
            a = a + t.bias_delta * (n.sign_output[row] if layer.bias == "normal_flipped" else 1)
        h = get_activation(layer.activation).function(a)
    found = result.trace[-1].outputs[row]
    o = int(np.argmax(np.abs(found - h)))
    by = "whole weights of this example's own, one product a layer"
    sheet.check(f"outputs[{row}, {o}]", found[o], by, h[o], LIMIT, np.max(np.abs(h)))


def check_gradients(
    sheet: Sheet, subject: Subject, noise: Noise, result: Result, seed: int
) -> None:
    """Hold every gradient against the complex step, which uses the forward pass alone.

    d loss / d p = Im loss(p + i h) / h. In a small network for every entry, in a large one along
    one random direction of +1 and -1 for every tensor that a gradient reaches. The limit is of the
    length of all gradients together, for some are rounding alone (a bias before batch
    normalisation), of which no more can be asked than that they be so small beside the others.

    Parameters
    ----------
    sheet : Sheet
    subject : Subject
    noise : Noise
    result : Result
    seed : int
        Of the directions.
    """
    sheet.heading("Every gradient against the complex step")
    sheet.formula("d loss / d p = Im( loss(p + i h) ) / h,  h = 1e-30: the forward pass alone")
    rng = np.random.default_rng(seed)
    whole = float(np.linalg.norm(result.gradients.flat))
    for name in (*subject.parameters, "x"):
        gradient = result.grad_x if name == "x" else result.gradients[name]
        if name in subject.network.fixed and not gradient.any():  # a running statistic
            continue
        if gradient.size <= 16 and subject.small:
            found = _every_entry(subject, noise, name, gradient.shape)
            worst = np.unravel_index(np.argmax(np.abs(found - gradient)), gradient.shape)
            largest = max(np.max(np.abs(found)), whole)
            sheet.check(f"grad {name}, the entry that differs most of {gradient.size}",
                        gradient[worst], "complex step", found[worst], LIMIT, largest)  # fmt: skip
            continue
        direction = rng.choice([-1.0, 1.0], gradient.shape)
        along = loss_along(subject, noise, {name: direction})
        scale = max(float(np.linalg.norm(gradient)), whole)  # such a direction's derivative
        sheet.check(f"grad {name} along a random direction of +1 and -1",
                    np.sum(gradient * direction), "complex step", along, LIMIT, scale)  # fmt: skip


def _every_entry(subject, noise, name, shape):
    """Return the derivative by every entry of one tensor, each by its own complex step."""
    found = np.zeros(shape)
    for index in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[index] = 1.0
        found[index] = loss_along(subject, noise, {name: unit})
    return found


def loss_along(subject: Subject, noise: Noise, directions: Mapping[str, NDArray[Any]]) -> float:
    """Return the derivative of the loss along directions, by the complex step.

    Parameters
    ----------
    subject : Subject
    noise : Noise
    directions : dict of str to array
        Names of parameters, or "x", to directions of their shapes.
    """
    network = subject.network
    parameters = subject.parameters.astype("complex128")
    x = subject.x.astype(np.complex128)
    for name, direction in directions.items():
        part = x if name == "x" else parameters[name]
        part += 1j * STEP * direction
    layers = zip(network.layers, parameters.layers, noise.layers, strict=True)
    h = x.reshape(-1, network.inputs)
    for layer, p, n in layers:
        h = layer.forward(p, n, h).outputs
    y = network.likelihood.check_targets(subject.y, subject.x.shape[:-1], network.outputs)
    rows = network.likelihood.nll_rows(h, y, parameters.likelihood)
    kl = np.sum(reference.kl(network, parameters))
    return (np.sum(rows) / len(rows) + subject.kl_weight * kl).imag / STEP
