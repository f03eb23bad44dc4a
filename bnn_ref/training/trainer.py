"""A network in training: one step at a time."""

import math
from importlib import import_module

import numpy as np

from ..backends import get_backend
from ..border import check_dtype, check_size, check_word
from ..errors import expected
from ..network import Network
from ..noise import check_estimator
from ..step import State, check_kl_weight
from ..step.adam import Adam


class Trainer:
    """A network in training: its state, and the settings of a step.

    Parameters
    ----------
    network : Network
    num_examples : int or float, > 0
        N, how many examples are trained on (the sum of their weights, where they have any).
    learning_rate : float
        Of Adam; ignored where `adam` is an `Adam`.
    seed : int, 0 <= seed < 2**64
        Of the initial values and of every step's noise.
    backend : "numba", "numpy" or a module
    dtype : "float32" or "float64"
    draws_per_step : int
        Noise draws averaged in a step; the KL counts once.
    kl_weight : float or function of the step, optional
        The factor on the KL, or what gives it for step = 0, 1, ... (annealing); 1/N by default.
    adam : str or Adam
        The convention of the update, "paper", "tensorflow1" or "keras", or all its settings.
    estimator : "flipout", "shared" or "local"
    threads : int, optional
        Threads of the numba back end; by default those the machine offers.
    state : State, optional
        Where to go on from; new initial values unless given.

    Attributes
    ----------
    state : State
    network : Network

    Raises
    ------
    ValueError
        For a setting that is not one of these.

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

    def __init__(
        self,
        network,
        num_examples,
        learning_rate=1e-3,
        seed=0,
        backend="numba",
        dtype="float32",
        *,
        draws_per_step=1,
        kl_weight=None,
        adam="paper",
        estimator="flipout",
        threads=None,
        state=None,
    ):
        if not isinstance(network, Network):
            raise expected("network", "a Network", type(network).__name__)
        if isinstance(num_examples, bool) or not isinstance(num_examples, (int, float, np.number)):
            raise expected("num_examples", "a number above 0", repr(num_examples))
        if not 0 < num_examples < np.inf:
            raise expected("num_examples", "a finite number above 0", num_examples)
        self.network = network
        self.num_examples = num_examples
        self.seed = check_word(seed, "seed", 64)
        self.backend = get_backend(backend)
        self.dtype = check_dtype(dtype, ("float32", "float64"))
        self.draws_per_step = check_size(draws_per_step, "draws_per_step")
        self.kl_weight = kl_weight
        if kl_weight is not None and not callable(kl_weight):
            check_kl_weight(kl_weight)
        self.adam = adam if isinstance(adam, Adam) else Adam(learning_rate, convention=adam)
        self.estimator = check_estimator(estimator)
        self.threads = None if threads is None else check_size(threads, "threads")
        if state is None:
            state = State.start(network.init(seed, self.dtype))
        elif state.parameters.dtype != self.dtype:
            raise expected("state", f"parameters of dtype {self.dtype}", state.parameters.dtype)
        elif state.parameters.network.parameter_shapes != network.parameter_shapes:
            raise expected("state", "parameters of this network", "those of another")
        self.state = state
        self._workspace, self._rows = None, -1

    def __getstate__(self):
        """Return what a pickle or a copy holds: buffers and threads are made anew where it goes."""
        return {**vars(self), "backend": self.backend.__name__, "_workspace": None, "_rows": -1}

    def __setstate__(self, state):
        """Take what `__getstate__` returned.

        Parameters
        ----------
        state : dict
        """
        vars(self).update(state, backend=import_module(state["backend"]))

    @property
    def parameters(self):
        """The `Parameters` as they are now: updated in place by every step."""
        return self.state.parameters

    def kl_weight_at(self, step):
        """Return the factor on the KL in that step, step 0 being the first."""
        if self.kl_weight is None:
            return 1.0 / float(self.num_examples)
        weight = self.kl_weight(step) if callable(self.kl_weight) else self.kl_weight
        return check_kl_weight(weight)

    def workspace(self, rows):
        """Return the back end's workspace for batches of up to that many rows."""
        if rows > self._rows:
            self._workspace = self.backend.prepare(self.network, rows, self.dtype, self.threads)
            self._rows = rows
        return self._workspace

    def step(self, x, y, sample_weight=None):
        """Take one training step and return its `Metrics` (loss, nll, kl: of before the update).

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
        rows = math.prod(np.shape(x)[:-1])
        return self.backend.train_step(
            self.state,
            x,
            y,
            seed=self.seed,
            kl_weight=self.kl_weight_at(self.state.step),
            adam=self.adam,
            draws=self.draws_per_step,
            estimator=self.estimator,
            sample_weight=sample_weight,
            workspace=self.workspace(rows),
        )
