"""The Adam update, in the three conventions of its epsilon that are in use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..border import check_choice, check_number
from ..errors import NonFinite

BLOCK = 16_384
EPSILONS = {"paper": 1e-8, "tensorflow1": 1e-8, "keras": 1e-7}


@dataclass(frozen=True)
class Adam:
    """The settings of Adam.

    With m and v the moments after step t (m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2):

    - "paper" (Kingma and Ba, algorithm 1; PyTorch, optax):
      p -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon), epsilon 1e-8;
    - "tensorflow1" (`tf.compat.v1.train.AdamOptimizer`; the paper's "epsilon hat"):
      p -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon), epsilon 1e-8;
    - "keras": the same as tensorflow1 with Keras' epsilon, 1e-7.

    TensorFlow and Keras round b2 to float32 even for float64 variables; pass
    ``float(numpy.float32(0.999))`` to follow them.

    Parameters
    ----------
    learning_rate : float, > 0
    beta_1, beta_2 : float, 0 <= beta < 1
    epsilon : float, >= 0, optional
        The convention's own unless given.
    convention : "paper", "tensorflow1" or "keras"

    Raises
    ------
    ValueError
        For a number outside its range or an unknown convention.
    """

    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float | None = None
    convention: str = "paper"

    def __post_init__(self) -> None:
        check_choice(self.convention, "adam", EPSILONS)
        if self.epsilon is None:
            object.__setattr__(self, "epsilon", EPSILONS[self.convention])
        for name, interval in (("learning_rate", "(0, inf)"), ("beta_1", "[0, 1)"),
                               ("beta_2", "[0, 1)"), ("epsilon", "[0, inf)")):  # fmt: skip
            object.__setattr__(self, name, check_number(getattr(self, name), name, interval))

    def at(self, rate: float) -> Adam:
        """Return these settings with another learning rate, a float >= 0 that is trusted."""
        other = object.__new__(Adam)
        settings = other.__dict__
        settings.update(self.__dict__)
        settings["learning_rate"] = rate
        return other

    def factors(self, step: int) -> tuple[float, float]:
        """Return (rate, scale) of step t >= 1: p -= rate * m / (sqrt(v) * scale + epsilon).

        The one form in which both kinds of epsilon are computed: rate = lr / (1 - b1^t) and
        scale = 1 / sqrt(1 - b2^t) for "paper"; rate = lr sqrt(1 - b2^t) / (1 - b1^t) and scale = 1
        for the others.
        """
        correct_1 = -math.expm1(step * math.log(self.beta_1)) if self.beta_1 else 1.0
        correct_2 = -math.expm1(step * math.log(self.beta_2)) if self.beta_2 else 1.0
        if self.convention == "paper":
            return self.learning_rate / correct_1, 1 / math.sqrt(correct_2)  # E17
        return self.learning_rate * math.sqrt(correct_2) / correct_1, 1.0  # E17


def after(
    adam: Adam,
    step: int,
    parameters: NDArray[Any],
    gradients: NDArray[Any],
    moment_1: NDArray[Any],
    moment_2: NDArray[Any],
    fixed: Sequence[slice] = (),
) -> list[NDArray[Any]]:
    """Return the parameters and both moments after one Adam step, new arrays.

    Parameters
    ----------
    adam : Adam
    step : int
        t >= 1, the number of this step.
    parameters, gradients, moment_1, moment_2 : arrays (P,) of one float dtype
        What is computed on the way is made in blocks that stay in the cache.
    fixed : sequence of slice
        Stretches that stay as they are, their moments too.

    Raises
    ------
    NonFinite
        Where one of them would not be finite.

    Source: Kingma and Ba (2015), algorithm 1 and the note on its efficiency below it.
    """
    rate, scale = (parameters.dtype.type(factor) for factor in adam.factors(step))
    new = [array.copy() for array in (parameters, moment_1, moment_2)]
    for start in range(0, len(parameters), BLOCK):
        part = slice(start, start + BLOCK)
        p, m, v = (array[part] for array in new)
        g = gradients[part]
        m *= adam.beta_1  # E17
        m += (1 - adam.beta_1) * g  # E17
        v *= adam.beta_2  # E17
        v += (1 - adam.beta_2) * g * g  # E17
        p -= rate * m / (np.sqrt(v) * scale + adam.epsilon)  # E17
    for part in fixed:
        for array, old in zip(new, (parameters, moment_1, moment_2), strict=True):
            array[part] = old[part]
    if not all(np.all(np.isfinite(array)) for array in new):
        raise NonFinite(step, "the update")
    return new


def update(
    adam: Adam,
    step: int,
    parameters: NDArray[Any],
    gradients: NDArray[Any],
    moment_1: NDArray[Any],
    moment_2: NDArray[Any],
) -> None:
    """Take one Adam step in place, or none where `after` raises.

    Parameters
    ----------
    adam, step, parameters, gradients, moment_1, moment_2
        As for `after`.
    """
    new = after(adam, step, parameters, gradients, moment_1, moment_2)
    for array, its in zip((parameters, moment_1, moment_2), new, strict=True):
        array[...] = its
