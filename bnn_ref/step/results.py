"""What a step takes and gives: the state, one step's loss and derivatives, what it reports."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..network import Parameters


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
    """

    outputs: np.ndarray
    nll: float
    kl: float
    kl_layers: np.ndarray
    loss: float
    gradients: Parameters
    grad_x: np.ndarray
    trace: list | None = None


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
    kl_layers: np.ndarray
    outputs: np.ndarray


@dataclass
class State:
    """What training changes: parameters, Adam's two moments, and the number of steps taken.

    Parameters
    ----------
    parameters : Parameters
    moment_1, moment_2 : Parameters
        Adam's running means of the gradient and of its square.
    step : int
        How many steps have been taken.
    """

    parameters: Parameters
    moment_1: Parameters
    moment_2: Parameters
    step: int = 0

    @classmethod
    def start(cls, parameters):
        """Return the state before the first step: moments 0.

        Parameters
        ----------
        parameters : Parameters
            Taken as they are, not copied.
        """
        return cls(parameters, parameters.zeros_like(), parameters.zeros_like(), 0)

    def copy(self):
        """Return a copy that shares nothing with this one."""
        return State(self.parameters.copy(), self.moment_1.copy(), self.moment_2.copy(), self.step)
