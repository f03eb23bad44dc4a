"""What the library warns of by itself: objectives that are hardly what was meant.

Each warns with an `ObjectiveWarning` that says what the value means and what was probably wanted.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..activations import get_activation
from ..errors import ObjectiveWarning
from ..layers.sigmas import sigma
from ..network import bracketed

if TYPE_CHECKING:
    from ..network import Network
    from ..parameters import Parameters

DROWNED = 3.0  # noise of a unit, as a multiple of the deviation of its mean
ENOUGH = 256  # weights of a kernel, for its root mean squares to say something
LEARNED = 0.01  # nats of KL a weight: a posterior below it is hardly distinct from its prior


def _warn(message):
    warnings.warn(message, ObjectiveWarning, stacklevel=4)


def warn_of_kl_weight(kl_weight: float, num_examples: float) -> None:
    """Warn where the factor on the KL is not from 0.1/N to 1/N; 0 is a choice, and silent.

    Parameters
    ----------
    kl_weight : float
    num_examples : float
        N.
    """
    temperature = kl_weight * float(num_examples)
    if kl_weight == 0 or 0.1 - 1e-9 <= temperature <= 1 + 1e-6:
        return
    meant = f"1/N = 1/{num_examples:g} = {1 / float(num_examples):.3g} was probably meant"
    one_over = 1 / kl_weight
    name = f"kl_weight {kl_weight:.4g}"
    if temperature < 1:
        _warn(f"{name}: the temperature is {temperature:.3g} (kl_weight times N), a cold posterior "
              f"far from Bayes'; {meant}")  # fmt: skip
        return
    if one_over > 1 and abs(one_over - round(one_over)) < 1e-6 * one_over:
        name += f" is 1/{round(one_over)}, as 1/batch size would be"
    times = f"{temperature:,.0f}" if temperature >= 10 else f"{temperature:.3g}"
    _warn(f"{name}: the prior counts {times} times; {meant}")


def warn_of_few_examples(num_examples: float, rows: int, given: bool) -> None:
    """Warn where weights sum to much less than there are rows, so that the prior wins.

    Parameters
    ----------
    num_examples : float
        The sum of the weights.
    rows : int
    given : bool
        Whether the person gave N, which says that it is meant.
    """
    if not given and num_examples < 0.1 * rows:
        _warn(
            f"sample_weight: the weights sum to {num_examples:.6g}, so N = {num_examples:.6g} for "
            f"{rows} rows and the prior counts {rows / num_examples:.3g} times as much as with "
            f"weights of 1; give num_examples={rows} where weights are relative"
        )


def warn_of_wide_sigma(parameters: Parameters) -> None:
    """Warn of the first kernel whose initial noise has several times the deviation of its mean.

    For any inputs the two deviations are in the ratio of the root mean squares of sigma and mu.

    Parameters
    ----------
    parameters : Parameters
        As they are before the first step.
    """
    for place, layer, p in parameters.walk():
        for name, _, mu, rho in layer.posteriors(p):
            if name != "kernel" or mu.size < ENOUGH:
                continue
            spread = float(np.sqrt(np.mean(np.square(mu))))
            noise = float(np.sqrt(np.mean(np.square(sigma(p.scale_shift, rho)))))
            if noise > DROWNED * spread:
                _warn(
                    f"{bracketed(place)}: initial sigma {noise:.3g} drowns the means: a unit's "
                    f"noise has {noise / max(spread, 1e-30):.3g} times the deviation of its mean; "
                    f"from sigma {spread:.3g} down it would not"
                )
                return


def warn_of_reach(network: Network, y: NDArray[Any]) -> None:
    """Warn where the last layer's activation cannot give what the likelihood needs.

    Parameters
    ----------
    network : Network
    y : array
        Targets as `check_targets` returns them.
    """
    place = len(network.layers) - 1
    last = network.layers[place]
    while last.layers and not getattr(last, "add", True):  # layers as one: the last gives outputs
        last = last.layers[-1]
    name = getattr(last, "activation", "linear")
    low, high = get_activation(name).reach
    likelihood = type(network.likelihood).__name__
    where = f"layers[{place}] ends in {name}, whose values are from {low:g} to {high:g}"
    if network.likelihood.metric == "rmse":
        out = int(np.sum((y < low) | (y > high)))
        if out:
            _warn(f"{where}: {likelihood} needs the targets' mean, and {out} of {y.size} targets "
                  "cannot be reached; a linear last layer can")  # fmt: skip
    elif network.likelihood.metric == "accuracy" and (np.isfinite(low) or np.isfinite(high)):
        _warn(f"{where}: {likelihood} takes logits, which may be any number, and those outside "
              "cannot be reached; a linear last layer can")  # fmt: skip


def posterior_summary(parameters: Parameters, kl: float) -> tuple[float, float] | None:
    """Return (median of sigma / prior scale, KL per random weight in nats), or None without any.

    Parameters
    ----------
    parameters : Parameters
    kl : float
        Nats, summed over layers.
    """
    ratios, count = [], 0
    for _, layer, p in parameters.walk():
        count += layer.num_random
        for name, prior, _, rho in layer.posteriors(p):
            if hasattr(prior, "scale"):
                scale = layer.bound(name, prior, p, None).scale  # what was learned of it, too
                ratios.append((sigma(p.scale_shift, np.asarray(rho, np.float64)) / scale).ravel())
    if not ratios:
        return None
    return float(np.median(np.concatenate(ratios))), float(kl) / count


def prior_line(parameters: Parameters, kl: float) -> str | None:
    """Return the line that says that the posterior is the prior, or None where it is not.

    Parameters
    ----------
    parameters, kl
        As for `posterior_summary`.
    """
    summary = posterior_summary(parameters, kl)
    if summary is None or summary[1] >= LEARNED or abs(summary[0] - 1) > 0.02:
        return None
    return (
        f"the posterior is the prior (median sigma / prior scale {summary[0]:.3f}, KL "
        f"{summary[1]:.2g} nats a weight): nothing was learned; is the KL's weight 1/N, "
        "and are there steps enough?"
    )
