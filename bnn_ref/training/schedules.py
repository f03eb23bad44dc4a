"""Schedules: Adam's rate and the KL's weight as functions of the step.

Both are pure functions of the step and of the steps planned, so a run that goes on after an
interruption takes the values that it would have taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..border import check_number
from ..errors import expected
from ..noise.series import cos_half_turns

if TYPE_CHECKING:
    from ..network import Network

PEAK, FLOOR = 0.01, 0.01
RISE = 0.5  # the share of the steps in which the KL's weight rises, by default


@dataclass(frozen=True)
class Cosine:
    """A rate that falls from its peak along half a cosine: what "cosine" stands for.

    rate(s) = peak * w * (floor + (1 - floor) * (1 + cos(pi * u)) / 2), where u in [0, 1] is the
    share of the steps after the warm-up that is done, and w rises linearly to 1 within it. Beyond
    the steps planned it stays at ``peak * floor``.

    Parameters
    ----------
    peak : float, > 0
    floor : float, 0 to 1
        The last rate, as a share of the peak.
    warm_up : float, 0 <= warm_up < 1
        The share of the steps in which the rate rises to its peak.

    Raises
    ------
    ValueError
        For a number outside its range.

    Source: Loshchilov and Hutter (2017), "SGDR", equation 5, without restarts.
    """

    peak: float = PEAK
    floor: float = FLOOR
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        for name, interval in (("peak", "(0, inf)"), ("floor", "[0, 1]"), ("warm_up", "[0, 1)")):
            value = check_number(getattr(self, name), f"learning_rate.{name}", interval)
            object.__setattr__(self, name, value)

    def rate(self, step: int, steps: int) -> float:
        """Return the rate of that step, step 0 being the first of `steps`."""
        rising = self.warm_up * steps
        if step < rising:
            return self.peak * min(1.0, (step + 1) / rising)
        done = (step - rising) / (steps - rising) if step < steps else 1.0
        return self.peak * (self.floor + (1 - self.floor) * 0.5 * (1 + cos_half_turns(done)))

    def __str__(self) -> str:
        return f"cosine:{self.peak!r}:{self.floor!r}:{self.warm_up!r}"


def parse_rate(
    value: float | str | Cosine | Callable[[int], float], thing: str = "learning_rate"
) -> float | Cosine | Callable[[int], float]:
    """Return a learning rate as given: a number, a `Cosine`, or a function of the step.

    Parameters
    ----------
    value : float, str, Cosine or function of the step
        As text a number, or "cosine", "cosine:PEAK", "cosine:PEAK:FLOOR:WARM_UP".
    thing : str
        What the message calls it.

    Raises
    ------
    ValueError
        For anything else.
    """
    if not isinstance(value, str):
        if isinstance(value, Cosine) or callable(value):
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise expected(thing, "a number, 'cosine' or a function of the step", repr(value))
        return value
    name, *numbers = value.split(":")
    try:
        if name == "cosine" and len(numbers) <= 3:
            return Cosine(*map(float, numbers))
        if not numbers:
            return float(name)
    except ValueError as error:
        if name == "cosine" and "expected" in str(error):
            raise
    wanted = "a number, 'cosine' or 'cosine:PEAK:FLOOR:WARM_UP'"
    raise expected(thing, wanted, repr(value))


def rise_of(
    learning_rate: float | str | Cosine | Callable[[int], float], network: Network
) -> float:
    """Return the share of the steps in which the KL's weight rises, where nobody says.

    Half with a cosine, where a scale is learned or predicted or the network has more than one
    hidden layer with a posterior, see `kl_share`. None with a number or a function, so that a
    constant rate is as it was.

    Parameters
    ----------
    learning_rate
        As `parse_rate` takes it.
    network : Network
    """
    if not isinstance(parse_rate(learning_rate), Cosine):
        return 0.0
    likelihood = network.likelihood
    random = sum("kernel" in layer.priors for _, layer, _ in network.walk())
    return RISE if likelihood.learn_scale or likelihood.scale_by_row or random > 2 else 0.0


def kl_share(step: int, steps: int, warm_up: float) -> float:
    """Return the share of the KL's weight in that step: it rises linearly over the first steps.

    min(1, (step + 1) / (warm_up * steps)).

    A learned noise scale starts at the deviation of the targets. There the flat function, every
    weight at its prior, is a local optimum of the objective: at that scale a fit gains less nll
    than the KL costs, and without a fit the scale stays. With the KL's weight rising from 0 the
    fit comes first, the scale falls with the residuals, and the KL then meets a fit worth its
    price. The rule knows no scale of its own, so it holds for noisy and for exact targets.

    In a deep network the noise of one layer's weights is multiplied by the next layer's. Where the
    KL takes sigmas to the prior before the means have grown, it drowns what a fit would use, and
    units are given up; docs/scikit-learn.md has what the rise gains there. With one hidden layer
    of a classifier it gains little, and may leave margins too wide far from the data.

    Parameters
    ----------
    step, steps : int
    warm_up : float, 0 to 1
        The share of the steps in which the weight rises; 0: never less than whole.

    Source: Bowman et al. (2016), "Generating sentences from a continuous space", section 3.1;
    Sønderby et al. (2016), "Ladder variational autoencoders", section 2.3.
    """
    rising = warm_up * steps
    return min(1.0, (step + 1) / rising) if rising else 1.0
