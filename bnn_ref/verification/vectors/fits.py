"""Numbers that a mistake leaves open, fitted to an answer: the KL's weight, those of sigma."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...elementary import softplus
from .variants import compute, forward, results

if TYPE_CHECKING:
    from .variants import Problem, Variant

_SHIFTS = {
    0.0: "0",
    float(np.finfo(np.float32).eps): "the machine epsilon of float32",
    float(np.finfo(np.float64).eps): "the machine epsilon of float64",
    1e-7: "Keras' epsilon",
}

# Where the numbers of sigma are looked for; `number_name` has a text for each.
GRIDS: dict[str, list[float]] = {
    "shift": [0.0, *np.logspace(-16, 1, 35)],
    "beta": [*np.logspace(-1.5, 1.5, 31)],
    "steepness": [*np.logspace(-1.5, 1.5, 31)],
    "noise_factor": [0.0, *np.logspace(-2, 2, 41)],
    "sigma_factor": [*np.logspace(-2, 2, 41)],
}

# What a fitted weight of the KL may have been meant as, by (kl_weight, batch size, weights).
MEANT: dict[str, Callable[[float, int, int], float]] = {
    " = 1/B, the batch size": lambda weight, rows, count: 1 / rows,
    " = 1": lambda weight, rows, count: 1.0,
    " = kl_weight + 1: added twice, once undivided (Keras adds model.losses by itself)":
        lambda weight, rows, count: weight + 1,
    " = kl_weight + 1/B: added twice, once divided by the batch size":
        lambda weight, rows, count: weight + 1 / rows,
    " = kl_weight^2: divided by N twice": lambda weight, rows, count: weight**2,
    " = 1/the number of weights": lambda weight, rows, count: 1 / count,
    " = kl_weight / B": lambda weight, rows, count: weight / rows,
    " = kl_weight * B": lambda weight, rows, count: weight * rows,
}  # fmt: skip


def fit_kl_weight(out: SimpleNamespace, results: Mapping[str, NDArray[Any]]) -> list[float]:
    """Return candidate weights of the KL: by least squares over gradients, and from the loss.

    The gradient is nll_grads + weight * kl_grads and the loss nll + weight * kl: linear both.

    Parameters
    ----------
    out : SimpleNamespace
        As `variants.compute` returns it.
    results : dict of str to array
        The answer's results.
    """
    top = bottom = 0.0
    for name, slope in out.kl_grads.items():
        size = np.max(np.abs(results[name])) or 1.0
        rest = results[name] - out.nll_grads[name]
        top += np.sum(rest * slope) / size**2
        bottom += np.sum(slope * slope) / size**2
    weights = []
    if bottom > 0:
        weights.append(float(top / bottom))
    kl = np.sum(out.kl_used)
    if kl > 0:
        weights += [float((results["loss"] - nll) / kl) for nll in (out.nll, results["nll"])]
    return [weight for weight in dict.fromkeys(weights) if np.isfinite(weight)]


def kl_weight_name(weight: float, problem: Problem) -> str:
    """Return a fitted weight in words: its value and, where it is one, the number people mean."""
    rows = len(problem.x)
    count = sum(layer.num_random for layer in problem.network.layers)
    text = f"weight {weight:.6g}"
    for name, function in MEANT.items():
        value = function(problem.kl_weight, rows, count)
        if abs(weight - value) <= 1e-4 * value:
            return text + name
    inverse = round(1 / weight) if 1e-9 < weight < 0.6 else 0
    return f"{text} = 1/{inverse}" if abs(weight * inverse - 1) <= 1e-6 else text


def fit_number(
    problem: Problem, variant: Variant, given: Mapping[str, NDArray[Any]], field: str
) -> float | None:
    """Return the number in place of a variant's field that gives the answer's outputs, or None.

    Gauss-Newton from the best of a grid. The derivative of the outputs is a complex step; where
    they do not depend on sigma (eps 0, inputs 0, units that are off), the gradients are fitted
    instead, by differences: the KL's part of them always depends on it.

    Parameters
    ----------
    problem : Problem
    variant : Variant
    given : dict of str to array
        The answer's results.
    field : str
        Of `GRIDS`.
    """
    grid, least = GRIDS[field], 0.0 if field == "noise_factor" else 1e-3
    if field == "shift":  # sigma stays above 0
        rhos = [value for name, value in problem.parameters.items() if name.endswith("_rho")]
        least = -min(float(np.min(softplus(rho))) for rho in rhos) + 1e-300

    def outputs(number):
        return forward(problem, replace(variant, **{field: number}))[-1].h

    def output_slope(number):
        moved = outputs(number + 1e-100j)
        return moved.real, moved.imag / 1e-100

    def gradients(number):
        named = results(compute(problem, replace(variant, **{field: number})))
        return np.concatenate([np.ravel(named[name] / scale) for name, scale in scales.items()])

    def gradient_slope(number):
        step = 1e-6 * (1e-6 + abs(number))
        now = gradients(number)
        return now, (gradients(number + step) - now) / step

    number = _gauss_newton(outputs, output_slope, given["outputs"], grid, least)
    if number is not None:
        return number
    scales = {name: np.max(np.abs(value)) or 1.0 for name, value in given.items()
              if name.endswith("_rho")}  # fmt: skip
    target = np.concatenate([np.ravel(given[name] / scale) for name, scale in scales.items()])
    return _gauss_newton(gradients, gradient_slope, target, grid, least)


def _gauss_newton(values, value_and_slope, target, grid, least):
    """Return the number whose values are nearest to a target, None where none matters."""
    best = min(grid, key=lambda c: np.sum((values(c) - target) ** 2))
    for _ in range(30):
        now, slope = value_and_slope(best)
        size = np.sum(slope * slope)
        if not (np.isfinite(size) and size > 0):
            return None
        step = float(np.sum(slope * (target - now)) / size)
        best = max(best + step, least)
        if abs(step) <= 1e-17 + 1e-16 * abs(best):
            break
    return best


def number_name(field: str, number: float) -> str:
    """Return a fitted number in words."""
    if field == "shift":
        return _shift_name(number)
    return f"{field.replace('_factor', ' times')} {number:.6g}"


def _shift_name(shift):
    """Return a fitted shift in words: its value and, where it is one, what people use."""
    for value, name in _SHIFTS.items():
        if abs(shift - value) <= 1e-12 + 1e-3 * value:
            return f"shift {shift:.6g} = {name}" if value else "shift 0"
    return f"shift {shift:.6g}"
