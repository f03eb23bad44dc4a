"""What a step takes and gives: the state, one step's loss and derivatives, what it reports."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import repeat
from operator import setitem
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..parameters import Parameters


class Result(NamedTuple):
    """One step's loss and derivatives.

    Attributes
    ----------
    outputs : array (..., O)
        The last layer's outputs, leading dimensions as those of x.
    nll : float64
        Nats, the (weighted) mean over the batch, summed over output dimensions.
    kl : float64
        Nats, the sum over layers, unweighted.
    kl_layers : array (L,)
        Each layer's KL, kernel plus bias, nats.
    loss : float64
        nll + kl_weight * kl.
    gradients : Parameters
        The gradient of the loss by every parameter, under the parameter's name.
    grad_x : array (..., I)
        The gradient of the loss by the inputs.
    trace : list of LayerTrace or None
        Every intermediate, where asked for.
    statistics : mapping of str to array
        Full name to next value of each tensor that no gradient reaches.
    """

    outputs: NDArray[Any]
    nll: float
    kl: float
    kl_layers: NDArray[Any]
    loss: float
    gradients: Parameters
    grad_x: NDArray[Any]
    trace: list[Any] | None = None
    statistics: Mapping[str, NDArray[Any]] = MappingProxyType({})


class Metrics(NamedTuple):
    """What a training step reports; all of it from before the update. Units as in `Result`.

    Attributes
    ----------
    loss, nll : float64
        With several draws in a step the means over them.
    kl : float64
    kl_layers : array (L,)
    outputs : array (..., O)
        Means over the draws, too.
    """

    loss: float
    nll: float
    kl: float
    kl_layers: NDArray[Any]
    outputs: NDArray[Any]


class State:
    """What training changes: parameters, Adam's two moments, and the number of steps taken.

    Parameters
    ----------
    parameters : Parameters
    moment_1, moment_2 : Parameters
        Adam's running means of the gradient and of its square.
    step : int
        How many steps have been taken.

    Attributes
    ----------
    count : int64 array (1,)
        What `step` reads: in memory, so that a step can change it together with the rest.
    """

    parameters: Parameters
    moment_1: Parameters
    moment_2: Parameters
    count: NDArray[np.int64]

    def __init__(
        self, parameters: Parameters, moment_1: Parameters, moment_2: Parameters, step: int = 0
    ) -> None:
        self.parameters, self.moment_1, self.moment_2 = parameters, moment_1, moment_2
        self.count = np.array([step], np.int64)

    def __repr__(self) -> str:
        return (
            f"State({self.step} steps taken, {self.parameters.flat.size:,} {self.parameters.dtype})"
        )

    @property
    def step(self) -> int:
        """How many steps have been taken."""
        return self.count.item()

    @step.setter
    def step(self, step: int) -> None:
        self.count[0] = step

    def __reduce__(self) -> tuple[type[State], tuple[Parameters, Parameters, Parameters, int]]:
        return State, (self.parameters, self.moment_1, self.moment_2, self.step)

    @classmethod
    def start(cls, parameters: Parameters) -> State:
        """Return the state before the first step: moments 0.

        Parameters
        ----------
        parameters : Parameters
            Taken as they are, not copied.
        """
        return cls(parameters, parameters.zeros_like(), parameters.zeros_like(), 0)

    def copy(self) -> State:
        """Return a copy that shares nothing with this one."""
        return State(self.parameters.copy(), self.moment_1.copy(), self.moment_2.copy(), self.step)

    def take(
        self, parameters: NDArray[Any], moment_1: NDArray[Any], moment_2: NDArray[Any]
    ) -> None:
        """Take over the numbers after a step and count it, all at once.

        One call of C code, so that no signal's handler sees, or leaves, a part of them.

        Parameters
        ----------
        parameters, moment_1, moment_2 : arrays (P,)
        """
        mine = (self.parameters.flat, self.moment_1.flat, self.moment_2.flat, self.count)
        new = (parameters, moment_1, moment_2, self.count + 1)
        deque(map(setitem, mine, repeat(...), new), maxlen=0)
