"""A network in training: one step at a time."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..backends import get_backend, name_of
from ..border import check_dtype, check_number, check_size, check_word
from ..errors import expected
from ..network import Network
from ..noise import check_estimator
from ..parameters import Parameters
from ..step import Metrics, State, check_kl_weight, frozen_names
from ..step.adam import Adam
from ..step.checks import leading_shape
from .guards import warn_of_kl_weight, warn_of_wide_sigma
from .schedules import Cosine, kl_share, parse_rate


class Trainer:
    """A network in training: its state, and the settings of a step.

    Parameters
    ----------
    network : Network
    num_examples : int or float, > 0
        N, how many examples are trained on (the sum of their weights, where they have any).
    learning_rate : float, str, Cosine or function of the step
        Of Adam: a number (constant; ignored where `adam` is an `Adam`); "cosine", or a `Cosine`
        with peak, floor and warm-up of its own; or what gives the rate for step = 0, 1, ... (no
        file holds code: a checkpoint records that it was a function, and asks for it again).
    seed : int, 0 <= seed < 2**64
        Of the initial values and of every step's noise.
    backend : "numba", "numpy" or a module
    dtype : "float32" or "float64"
    draws_per_step : int
        Noise draws averaged in a step; the KL counts once.
    kl_weight : float or function of the step, optional
        The factor on the KL, or what gives it for step = 0, 1, ... (annealing); by default
        temperature / N.
    temperature : float, >= 0
        The factor on the KL as a multiple of 1/N. At 1 the posterior is Bayes'; below it is a
        cold posterior, narrower than the data and the prior call for: it serves accuracy where
        rows are many and clean, and hurts log-likelihood and coverage where they are few and noisy
        (Wenzel et al. 2020, "How good is the Bayes posterior in deep neural networks really?").
    kl_warm_up : float, 0 to 1
        The share of `steps` in which the KL's weight rises to its value, see `kl_share`.
    adam : str or Adam
        The convention of the update, "paper", "tensorflow1" or "keras", or all its settings.
    estimator : one of `bnn_ref.noise.ESTIMATORS`
    freeze : str or sequence of str
        Tensors whose gradients are computed and not applied: full names ("layers.0.kernel_mu") or
        what some begin with ("layers.0.kernel", "layers.0").
    threads : int, optional
        Threads of the numba back end; by default those the machine offers.
    state : State, optional
        Where to go on from; new initial values unless given.
    steps : int, optional
        How many steps are planned in all: what "cosine" and `kl_warm_up` are a share of.

    Attributes
    ----------
    state : State
    network : Network

    Raises
    ------
    ValueError
        For a setting that is not one of these.

    Warns
    -----
    ObjectiveWarning
        For a `kl_weight` far from 1/N, or initial sigmas that drown the means.

    Examples
    --------
    >>> from bnn_ref import Categorical, DenseFlipout, Network, Trainer
    >>> layers = [DenseFlipout(4, 3, activation="relu"), DenseFlipout(3, 2)]
    >>> network = Network(layers, Categorical())
    >>> trainer = Trainer(network, num_examples=2, backend="numpy", dtype="float64")
    >>> metrics = trainer.step([[1, 0, 0, 1], [0, 1, 1, 0]], [0, 1])
    >>> bool(abs(metrics.nll + metrics.kl / 2 - metrics.loss) < 1e-12)
    True
    """

    network: Network
    num_examples: float
    learning_rate: float | Cosine | Callable[[int], float]
    seed: int
    backend: ModuleType
    dtype: np.dtype[Any]
    draws_per_step: int
    kl_weight: float | Callable[[int], float] | None
    temperature: float
    kl_warm_up: float
    adam: Adam
    is_constant: bool
    estimator: str
    freeze: tuple[str, ...]
    threads: int | None
    state: State
    steps: int | None
    _workspace: Any

    def __init__(
        self,
        network: Network,
        num_examples: float,
        learning_rate: float | str | Callable[[int], float] | Cosine = 1e-3,
        seed: int = 0,
        backend: str | ModuleType = "numba",
        dtype: DTypeLike = "float32",
        *,
        draws_per_step: int = 1,
        kl_weight: float | Callable[[int], float] | None = None,
        temperature: float = 1.0,
        kl_warm_up: float = 0.0,
        adam: str | Adam = "paper",
        estimator: str = "flipout",
        freeze: str | Sequence[str] | None = None,
        threads: int | None = None,
        state: State | None = None,
        steps: int | None = None,
    ) -> None:
        if not isinstance(network, Network):
            raise expected("network", "a Network", type(network).__name__)
        check_number(num_examples, "num_examples", "(0, inf)")
        self.network = network
        self.num_examples = num_examples
        self.seed = check_word(seed, "seed", 64)
        self.backend = get_backend(backend)
        self.dtype = check_dtype(dtype, ("float32", "float64"))
        self.draws_per_step = check_size(draws_per_step, "draws_per_step")
        self.kl_weight = kl_weight
        self.temperature = check_number(temperature, "temperature")
        self.kl_warm_up = check_number(kl_warm_up, "kl_warm_up", "[0, 1]")
        if kl_weight is not None and temperature != 1:
            raise expected("temperature", "1 where kl_weight is given", temperature)
        if kl_weight is not None and not callable(kl_weight):
            self.kl_weight = check_kl_weight(kl_weight)
            warn_of_kl_weight(self.kl_weight, num_examples)
        self.learning_rate = parse_rate(learning_rate)
        self.steps = None if steps is None else check_size(steps, "steps", 0)
        if self.steps is None and (isinstance(self.learning_rate, Cosine) or self.kl_warm_up):
            raise expected("steps", "how many are planned, for a cosine or kl_warm_up", "none")
        constant = not callable(self.learning_rate) and not isinstance(self.learning_rate, Cosine)
        if not isinstance(adam, Adam):
            adam = Adam(self.learning_rate if constant else 1e-3, convention=adam)
        self.adam, self.is_constant = adam, constant
        self.estimator = check_estimator(estimator, network)
        self.freeze = frozen_names(network, freeze)
        self.threads = None if threads is None else check_size(threads, "threads")
        if state is None:
            state = State.start(network.init(seed, self.dtype))
            warn_of_wide_sigma(state.parameters)
        elif state.parameters.dtype != self.dtype:
            raise expected("state", f"parameters of dtype {self.dtype}", state.parameters.dtype)
        elif state.parameters.network.to_json(self.dtype) != network.to_json(self.dtype):
            raise expected("state", "parameters of this network (network.parameters makes them of "
                           "arrays)", "those of another")  # fmt: skip
        self.state = state
        self._workspace, self._rows = None, -1
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        layers = self.network.layers
        sizes = "-".join(str(n) for n in (layers[0].inputs, *(layer.outputs for layer in layers)))
        return (
            f"Trainer({sizes}, N = {self.num_examples:g}, {self.state.step} steps taken, "
            f"{self.dtype}, {name_of(self.backend)})"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle or a copy holds: buffers and threads are made anew where it goes."""
        kept = {name: value for name, value in vars(self).items() if name != "_lock"}
        return {**kept, "backend": self.backend.__name__, "_workspace": None, "_rows": -1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what `__getstate__` returned.

        Parameters
        ----------
        state : dict
        """
        vars(self).update(state, backend=import_module(state["backend"]), _lock=threading.Lock())

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting of a step by its name, as `Trainer` takes it; a function is itself."""
        names = ("num_examples", "learning_rate", "draws_per_step", "kl_weight", "temperature",
                 "kl_warm_up", "adam", "estimator", "freeze", "steps")  # fmt: skip
        return {name: getattr(self, name) for name in names}

    @property
    def parameters(self) -> Parameters:
        """The `Parameters` as they are now: updated in place by every step."""
        return self.state.parameters

    def kl_weight_at(self, step: int) -> float:
        """Return the factor on the KL in that step, step 0 being the first."""
        weight = self.kl_weight
        if weight is None:
            weight = self.temperature / float(self.num_examples)
        elif callable(weight):
            weight = check_kl_weight(weight(step))
        return weight * kl_share(step, self.steps, self.kl_warm_up) if self.kl_warm_up else weight

    @property
    def final_temperature(self) -> float:
        """The KL's weight as a multiple of 1/N, once it has risen."""
        weight = self.kl_weight
        if weight is None:
            return self.temperature
        if callable(weight):
            weight = check_kl_weight(weight(max(0, (self.steps or 1) - 1)))
        return weight * float(self.num_examples)

    def adam_at(self, step: int) -> Adam:
        """Return the `Adam` of that step, step 0 being the first."""
        if self.is_constant:
            return self.adam
        if isinstance(self.learning_rate, Cosine):
            return self.adam.at(self.learning_rate.rate(step, self.steps))
        return self.adam.at(check_number(self.learning_rate(step), f"learning_rate({step})"))

    def workspace(self, rows: int) -> Any:
        """Return the back end's workspace for batches of up to that many rows."""
        if rows > self._rows:
            self._workspace = self.backend.prepare(self.network, rows, self.dtype, self.threads)
            self._rows = rows
        return self._workspace

    def step(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Metrics:
        """Take one training step and return its `Metrics` (loss, nll, kl: of before the update).

        Parameters, moments and the count of steps change together: an exception, a signal's
        included, finds all of them before the step or all after it. Threads that call at the
        same time take turns.

        Parameters
        ----------
        x : array (..., I), rank >= 2
        y : array
            As the likelihood takes them: class ids (...), else (..., O).
        sample_weight : array, shape of x without its last dimension, optional

        Raises
        ------
        NonFinite
            Where the loss or a gradient is not finite; the state is as before the step.
        ValueError, TypeError
            Where something does not fit; the message names it.
        """
        rows = math.prod(leading_shape(self.network, np.shape(x)))
        more = {"freeze": self.freeze} if self.freeze else {}
        with self._lock:
            return self.backend.train_step(
                self.state,
                x,
                y,
                seed=self.seed,
                kl_weight=self.kl_weight_at(self.state.step),
                adam=self.adam_at(self.state.step),
                draws=self.draws_per_step,
                estimator=self.estimator,
                sample_weight=sample_weight,
                workspace=self.workspace(rows),
                **more,
            )
