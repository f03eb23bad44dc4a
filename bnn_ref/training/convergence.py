"""Whether training has settled, told from its records: do gradients still agree, does loss fall?

A falling rate brings any objective to rest, so a flat end of the loss proves nothing. What does not
depend on the rate is whether gradients still point somewhere. Adam's moments are running means of
the gradient g and of its square: where g is noise around 0, E[m^2] = (1 - b1) / (1 + b1) E[v],
.053 for b1 = .9; where sigmas still climb to the prior under the KL, g keeps its sign and m^2 / v
goes to 1. `drift` is the mean of m^2 / v over the parameters.

Measured, mean over the last quarter of a run at the default rate (two moons, breast cancer,
diabetes, concrete, energy, a sine with a gap, digits; two seeds each): .21 to .73 after 200 steps,
.09 to .18 after 600, .06 to .09 after 1,200, .04 to .07 after 2,000, .02 to .07 after 6,000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..step.adam import Adam
    from ..step.results import State

TOO_MUCH = 1.5  # times the drift of pure noise
FALL = 0.1  # nats a row that the loss may fall by in the last quarter of a constant rate's run


class Convergence(NamedTuple):
    """What the records of a run say of its end.

    Attributes
    ----------
    settled : bool
    line : str
        What moves, and what to raise; or that nothing does.
    drift, noise_drift : float or None
        Over the last quarter, and what noise alone would show; None without records.
    """

    settled: bool
    line: str
    drift: float | None
    noise_drift: float | None


def drift(state: State, adam: Adam) -> float:
    """Return the mean over the parameters of m^2 / v, each corrected for its start; 0 at v = 0.

    Parameters
    ----------
    state : State
        After at least one step.
    adam : Adam
    """
    first = state.moment_1.flat / (1 - adam.beta_1**state.step)
    second = state.moment_2.flat / (1 - adam.beta_2**state.step)
    with np.errstate(over="ignore", under="ignore"):
        ratio = np.divide(first * first, second, out=np.zeros_like(second), where=second > 0)
    return float(np.mean(ratio, dtype=np.float64))


def convergence(
    drifts: Sequence[float], losses: Sequence[float], beta_1: float = 0.9, is_constant: bool = False
) -> Convergence:
    """Return the `Convergence` of a run.

    Parameters
    ----------
    drifts, losses : sequence of float
        One of each record, evenly spaced over the run.
    beta_1 : float
        Of Adam.
    is_constant : bool
        Whether rate and KL weight were constant: then the loss itself may be compared.
    """
    if not len(drifts):
        return Convergence(False, "training has not begun", None, None)
    quarter = max(1, len(drifts) // 4)
    last_drift, noise = float(np.mean(drifts[-quarter:])), (1 - beta_1) / (1 + beta_1)
    if last_drift > TOO_MUCH * noise:
        line = (
            "training has not settled: gradients still agree from step to step (drift "
            f"{last_drift:.2f}, noise alone {noise:.2f}), so the sigmas and the KL still move; "
            "raise the number of steps (or passes)"
        )
        return Convergence(False, line, last_drift, noise)
    last, before = losses[-quarter:], losses[-2 * quarter : -quarter]
    if is_constant and quarter >= 3:
        fall = float(np.mean(before) - np.mean(last))
        error = float(np.hypot(np.std(last), np.std(before)) / np.sqrt(quarter))
        if fall > max(FALL, 3 * error):
            line = (
                f"training has not settled: the loss fell by {fall:.2f} nats in the last quarter "
                "of the steps; raise the number of steps (or passes), or let the rate fall "
                "(learning_rate='cosine')"
            )
            return Convergence(False, line, last_drift, noise)
    line = f"training has settled (drift {last_drift:.2f}, noise alone {noise:.2f})"
    return Convergence(True, line, last_drift, noise)
