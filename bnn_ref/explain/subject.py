"""What is explained: a network small enough to print, or a run's own layers and data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..layers import DenseFlipout
from ..likelihoods import Categorical
from ..network import Network
from ..noise import LayerNoise, Noise, draw_noise
from ..step import State
from ..step import adam as adam_rule
from ..step.statistics import put_statistics
from ..training.examples import Batches

if TYPE_CHECKING:
    from ..parameters import Parameters
    from ..runs.opened import OpenedRun
    from ..step import Result
    from ..step.adam import Adam


@dataclass(frozen=True)
class Subject:
    """A training step to explain: what would be taken next.

    Attributes
    ----------
    name : str
        Said at the top of a sheet.
    network : Network
    state : State
        Parameters, moments and how many steps were taken.
    x : array (B, I)
        Inputs of the step's batch, in the parameters' dtype.
    y : array
        Their targets.
    num_examples : int
        N, how many examples are trained on.
    batch_size : int
        B of a full batch.
    seed : int
        Of the noise.
    kl_weight : float
        The factor on the KL in this step.
    adam : Adam
    draws_per_step : int
        Noise draws that are averaged in a step.
    train : pair (x, y) of all training rows, or None for the small network
    history : list of dict
        The run's records, empty for the small network.
    small : bool
        True for the small network, whose noise is rounded so that a hand can follow.
    """

    name: str
    network: Network
    state: State
    x: NDArray[Any]
    y: NDArray[Any]
    num_examples: int
    batch_size: int
    seed: int
    kl_weight: float
    adam: Adam
    draws_per_step: int = 1
    train: tuple[Any, NDArray[Any]] | None = None
    history: Sequence[dict[str, Any]] = ()
    small: bool = False

    @property
    def parameters(self) -> Parameters:
        """The parameters as they are before the step."""
        return self.state.parameters

    def noise(self, draw: int = 0) -> Noise:
        """Return the noise of the step.

        For the small network normals have two decimals, and the draw is the first one in which the
        two examples differ in their signs (of so few signs all may be equal).
        """
        while True:
            noise = draw_noise(self.network, len(self.x), self.seed, step=self.state.step,
                               draw=draw, dtype=self.parameters.dtype)  # fmt: skip
            if not self.small:
                return noise
            if all(
                np.any(table[0] != table[1])
                for layer in noise.layers
                for table in (layer.sign_input, layer.sign_output)
            ):
                return _rounded(noise)
            draw += 1

    @property
    def shown_tensor(self) -> str:
        """Full name of the tensor of which a sheet shows one weight: the first kernel if any."""
        trained = [name for name in self.parameters if name not in self.network.fixed]
        kernels = [name for name in trained if name.endswith(("kernel_mu", "kernel_rho"))]
        return (kernels or trained)[0]

    def shown_weight(self, result: Result) -> tuple[tuple[int, ...], float, float, float, float]:
        """Return (index, p, g, m, v) of the shown tensor's weight with the largest gradient.

        Parameters
        ----------
        result : Result
        """
        name = self.shown_tensor
        gradient = result.gradients[name]
        at = np.unravel_index(np.argmax(np.abs(gradient)), gradient.shape)
        moments = (self.state.moment_1[name], self.state.moment_2[name])
        p, g, m, v = (float(array[at]) for array in (self.parameters[name], gradient, *moments))
        return tuple(int(i) for i in at), p, g, m, v

    def state_after(self, result: Result) -> State:
        """Return the arrays that the step ends with, of a result's gradients and statistics.

        Parameters
        ----------
        result : Result
        """
        state, step = self.state.copy(), self.state.step + 1
        fixed = [self.network.places[name] for name in self.network.fixed]
        new = adam_rule.after(self.adam, step, state.parameters.flat, result.gradients.flat,
                              state.moment_1.flat, state.moment_2.flat, fixed)  # fmt: skip
        put_statistics(step, self.network, new[0], [result.statistics])
        state.take(*new)
        return state

    def in_float64(self) -> Subject:
        """Return the same subject with everything in float64, the values unchanged."""
        state = State(
            *(
                part.astype("float64")
                for part in (self.state.parameters, self.state.moment_1, self.state.moment_2)
            ),
            self.state.step,
        )
        return replace(self, state=state, x=self.x.astype(np.float64))


def _rounded(noise):
    """Return noise with its normals rounded to two decimals."""
    return Noise(
        tuple(
            LayerNoise(
                np.round(layer.kernel_eps, 2),
                layer.sign_input,
                layer.sign_output,
                None if layer.bias_eps is None else np.round(layer.bias_eps, 2),
            )
            for layer in noise.layers
        )
    )


def small_subject(seed: int = 0) -> Subject:
    """Return the step of a 3-2-2 network with two examples, every number of two decimals.

    The first layer has a random bias, the second a deterministic one; N is 10.

    Parameters
    ----------
    seed : int
        Of parameters and noise.
    """
    from ..step.adam import Adam

    network = Network(
        [DenseFlipout(3, 2, "tanh", bias="normal"), DenseFlipout(2, 2)], Categorical()
    )
    parameters = network.init(seed, "float64")
    for name, array in parameters.items():
        array[...] = np.round(array + 2 if name.endswith("rho") else 4 * array, 2)
    x = np.array([[1.0, 0.5, -1.0], [0.5, 2.0, -1.0]])
    return Subject(
        name="a network of 3, 2 and 2 units, two examples of N = 10, float64",
        network=network,
        state=State.start(parameters),
        x=x,
        y=np.array([0, 1]),
        num_examples=10,
        batch_size=2,
        seed=seed,
        kl_weight=0.1,
        adam=Adam(0.01),
        small=True,
    )


def run_subject(opened: OpenedRun) -> Subject:
    """Return the step that a run would take next, on the batch that is next.

    Parameters
    ----------
    opened : OpenedRun
    """
    trainer, (x, y) = opened.trainer(), opened.dataset.train
    rows, at = len(x), trainer.state.step
    batch_size = min(opened.settings["batch_size"], rows)
    index = Batches(rows, batch_size, trainer.seed).of_step(at)
    return Subject(
        name=f"the run in {opened.folder} after step {at}, {trainer.dtype}",
        network=trainer.network,
        state=trainer.state,
        x=x[index],
        y=y[index],
        num_examples=rows,
        batch_size=batch_size,
        seed=trainer.seed,
        kl_weight=trainer.kl_weight_at(at),
        adam=trainer.adam,
        draws_per_step=trainer.draws_per_step,
        train=(x, y),
        history=tuple(opened.history.records),
    )
