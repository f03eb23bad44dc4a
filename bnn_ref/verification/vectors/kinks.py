"""ReLU units whose side a dtype cannot decide.

At a pre-activation nearer to 0 than the rounding of the file's dtype, another program may honestly
find itself on the other side of the kink: the outputs hardly move, the gradients do. Such units
are found by a running bound on rounding errors, and the slope that the answer used, anything from
0 to 1, is read off the answer's gradients. Everything else must still agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...activations import get_activation
from .variants import compute, results

if TYPE_CHECKING:
    from .variants import Problem, Variant

_MOST = 200  # units looked at, the nearest first: each costs one backward pass


def undecided(
    problem: Problem, traces: Sequence[SimpleNamespace], dtype: DTypeLike
) -> list[tuple[int, int, int]]:
    """Return the ReLU units, as (layer, row, unit), that the dtype cannot place; nearest first.

    The bound on the error of a pre-activation of I inputs is (4 + sqrt(I)) eps times the sum of
    the magnitudes added, plus what the error of the inputs makes of it.
    """
    eps, error, kinks = np.finfo(dtype).eps, np.zeros_like(problem.x), []
    for k, t in enumerate(traces):
        most = np.max(np.abs(t.local_eps), axis=0) if t.is_local else None  # (O,) of any row
        size = np.abs(t.mu) + (t.sigma * most if t.is_local else np.abs(t.delta))
        total = np.abs(t.x) @ size
        if t.layer.bias != "none":
            total = total + np.abs(t.p.bias_mu)
        if t.layer.bias_is_random:
            total = total + np.abs(t.bias_sigma) * (most if t.is_local else np.abs(t.bias_eps))
        error = (4 + np.sqrt(t.layer.inputs)) * eps * total + error @ size
        activation = get_activation(t.layer.activation)
        for kink in activation.kinks:
            gap = np.abs(t.a - kink)
            for row, unit in np.argwhere(gap <= error):
                kinks.append((gap[row, unit], (k, int(row), int(unit))))
        error = activation.steepest * error + eps * np.abs(t.h)
    return [place for _, place in sorted(kinks)][:_MOST]


def fit_slopes(
    problem: Problem,
    variant: Variant,
    answer: Mapping[str, NDArray[Any]],
    units: Sequence[tuple[int, int, int]],
    dtype: DTypeLike,
) -> dict[tuple[int, int, int], float]:
    """Return {(layer, row, unit): slope in [0, 1]} that brings the gradients nearest to an answer.

    Parameters
    ----------
    problem : Problem
    variant : Variant
    answer : dict of str to array
        The results of the file.
    units : list of (layer, row, unit)
        As `undecided` returns them.
    dtype : dtype
        The file's; slopes within sqrt(eps) of 0 or 1 are taken for 0 or 1.

    Notes
    -----
    The gradients are linear in the slopes of one layer, so a least-squares fit finds them; with
    several layers it is repeated.
    """
    snap = np.sqrt(np.finfo(dtype).eps)
    base = compute(problem, variant)
    slopes = {(k, n, j): float(base.traces[k].a[n, j] > 0) for k, n, j in units}
    for _ in range(3 if len({k for k, _, _ in units}) > 1 else 1):
        now = _gradients(problem, variant, slopes, answer)
        sides = [_gradients(problem, variant, {**slopes, unit: 1 - slopes[unit]}, answer) - now
                 for unit in units]  # fmt: skip
        target = _flat({name: answer[name] for name in base.nll_grads}, answer) - now
        columns = np.stack(sides, axis=1)
        if not (np.all(np.isfinite(columns)) and np.all(np.isfinite(target))):
            break  # LAPACK would print it, or raise
        moved = np.linalg.lstsq(columns, target, rcond=None)[0]
        for unit, part in zip(units, moved, strict=True):
            slope = np.clip(slopes[unit] + part * (1 - 2 * slopes[unit]), 0, 1)
            slopes[unit] = float(np.round(slope) if abs(slope - np.round(slope)) < snap else slope)
    return slopes


def _gradients(problem, variant, slopes, answer):
    out = compute(problem, variant, slopes)
    named = results(out)
    return _flat({name: named[name] for name in out.nll_grads}, answer)


def _flat(named, answer):
    """Return tensors as one vector, each divided by the largest magnitude in the answer's."""
    return np.concatenate(
        [np.ravel(value) / (np.max(np.abs(answer[name])) or 1.0) for name, value in named.items()]
    )
