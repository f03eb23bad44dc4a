"""Runs of `kernels/run.py`: their buffers and records, and the call.

What a run is to do, `compiled.py` and `chain.py` say; the plans are `plan.py`'s, the records
`kernels/records.py`'s.
"""

import ctypes
import math
from decimal import Context, Decimal
from functools import lru_cache

import numpy as np

from ..border import aligned
from ..errors import expected
from ..kernels import likelihoods, records
from ..kernels.run import run
from ..noise import PURPOSES
from .crew import plain
from .members import describe, place_examples, place_weights
from .places import Buffers
from .plan import LOSS_ROWS, flat_tasks, scratch_size, step_tasks
from .priors import OtherPriors


@lru_cache(maxsize=64)
def exact_log(x):
    """Return log(x), x >= 0, rounded from 30 decimal digits: no library's own last bit."""
    return float(Context(prec=30).ln(Decimal(x)))


def put_rounded(numbers, to):
    """Put numbers where kernels find them; one that overflows there makes the nll no number."""
    if numbers.dtype == to.dtype:
        to[...] = numbers
        return
    with np.errstate(over="ignore"):
        to[...] = numbers


class Caller:
    """A run's record, the plans that go with it, and the call itself.

    Parameters
    ----------
    crew : Crew
    layers : LAYER records
    scratch : int
        Numbers that a thread needs for itself.

    Attributes
    ----------
    this : Run
        The run's record, whose fields are set and read by name.
    """

    def __init__(self, crew, layers, scratch=1):
        self.crew, self.dtype, self.layers = crew, crew.dtype, layers
        self.weights = int(np.sum(layers["inputs"] * layers["outputs"]))
        self.this = records.Run()
        self.table = np.frombuffer(self.this, records.RUN)
        self.held, self.plans, self.views = {}, {}, {}
        self.scratch = crew.scratch(scratch)

    def give(self, name, array, dtype=None, place=0):
        """Tell kernels where an array lies, once it is certain that they can work on it.

        Parameters
        ----------
        name : str
            The field of the run's record that gets the address.
        array : array
            Held until another takes its place.
        dtype : dtype, optional
            The network's unless given.
        place : int
            Where the array begins in the vector that is meant.

        Raises
        ------
        ValueError
            Where it is strided, read-only, not aligned, or of another dtype.
        """
        if self.held.get(name) is array:
            return
        dtype = self.dtype if dtype is None else dtype
        if not array.flags.carray or array.dtype != dtype:
            wanted = f"a contiguous, aligned, writable array of {np.dtype(dtype)}"
            raise expected(name, wanted, f"{array.dtype}, {str(array.flags).split()}")
        address = ctypes.addressof(ctypes.c_char.from_buffer(array))
        setattr(self.this, name, address - place * array.itemsize)
        self.held[name] = array

    def planned(self, name, make):
        """Return the plan of that name, made once."""
        if name not in self.plans:
            self.plans[name] = make()
        return self.plans[name]

    def run(self, plan, rows, x):
        """Do a plan's tasks on x (rows, I), on several threads where they are worth it."""
        self.this.rows = rows
        arguments = (plan.tasks, plan.parts, self.layers, self.table, x)
        seconds = self.weights * (rows * 12e-11 + 5e-9)
        self.crew.run(run, arguments, plan.phases, self.scratch, seconds)

    def give_state(self, state):
        """Tell kernels where what a step changes lies."""
        self.give("parameters", state.parameters.flat)
        self.give("moment_1", state.moment_1.flat)
        self.give("moment_2", state.moment_2.flat)
        self.give("count", state.count, np.int64)

    def use(self, adam):
        """Take over the settings of Adam."""
        if adam is self.held.get("adam"):
            return
        this = self.this
        this.learning_rate, this.epsilon = adam.learning_rate, adam.epsilon
        this.beta_1, this.beta_2 = adam.beta_1, adam.beta_2
        this.rest_1, this.rest_2 = 1 - adam.beta_1, 1 - adam.beta_2
        this.log_beta_1, this.log_beta_2 = exact_log(adam.beta_1), exact_log(adam.beta_2)
        this.paper = adam.convention == "paper"
        self.held["adam"] = adam


class Update(Caller):
    """The end of a step whose gradients are there: one run, so that the step is whole.

    Parameters
    ----------
    crew : Crew
    size : int
        How many parameters there are.
    """

    def __init__(self, crew, size):
        super().__init__(crew, np.zeros(1, records.LAYER))
        self.weights, self.x = size, np.zeros((1, 1), crew.dtype)
        self.this.gradients_to, self.this.safe = records.ADAM, 1

    def take(self, state, gradients, adam, kinds):
        """Take the step in place and count it; arguments as for `use` and `flat_tasks`."""
        self.give_state(state)
        self.give("gradients", gradients.flat)
        self.use(adam)
        self.run(self.planned(tuple(kinds), lambda: flat_tasks(kinds)), 0, self.x)


class Runner(Caller):
    """The arrays of one kind of run through some layers, a network's or a part of them.

    Every run fills in what it depends on: `settle` and `give` what lies elsewhere, `fill` its
    targets and weights, `key` or `take_noise` its noise; a plan belongs to a number of rows.

    Parameters
    ----------
    crew : Crew
    members : list of Member
        That `is_compiled`.
    places : dict
        As `places_of` the network.
    capacity : int
        Rows that the buffers hold; 0 for predictions, which keep nothing of an example.
    likelihood : Likelihood, optional
        Of the last layer's outputs, where one follows.
    by_inputs : bool
        Make room for the gradient by x.
    estimator : str
        Of the noise.
    """

    def __init__(self, crew, members, places, capacity, likelihood=None, by_inputs=False,
                 estimator="flipout"):  # fmt: skip
        layers = describe(members, places, crew.dtype, capacity > 0, estimator)
        super().__init__(crew, layers, scratch_size(layers, capacity))
        self.capacity, self.scale_shift = capacity, None
        this, inputs, outputs = self.this, layers["inputs"], layers["outputs"]
        this.width, this.capacity = int(max(inputs.max(), outputs.max())), capacity
        this.scale_rho = places.get("likelihood.scale_rho", -1) if likelihood else -1
        this.weight = this.grad_x = -1
        this.local = estimator == "local"
        this.likelihood = likelihoods.CODES[likelihood.type] if likelihood else likelihoods.GIVEN
        this.noise_scale = getattr(likelihood, "scale", 1.0)
        this.noise_floor = getattr(likelihood, "floor", 0.0)
        this.noise_beta = getattr(likelihood, "beta", 0.0)
        self.outputs_count = count = int(outputs[-1])
        buffers = Buffers()
        place_weights(layers, buffers)
        if capacity:
            place_examples(layers, capacity, buffers)
            this.targets = buffers.take(capacity * count)
            self.weight_place = buffers.take(capacity)
        if by_inputs:
            this.grad_x = buffers.take(capacity * int(inputs[0]))
            this.grad_x_flipped = buffers.take(capacity * int(inputs[0]))
        self.output_place = int(layers[-1]["output"])
        self.work = aligned(buffers.size + 64, self.dtype)
        self.give("work", self.work)
        its = [member.layer for member in members] if capacity else []
        self.priors = OtherPriors(its, layers if capacity else [], self.work)
        self.labels = np.zeros(max(capacity, 1), np.int64)
        self.give("labels", self.labels, np.int64)
        self.kl_layers = np.zeros(len(layers))
        self.give("kl_layers", self.kl_layers, np.float64)
        self.give("grad_scale", np.zeros((1 + capacity // LOSS_ROWS) * count), np.float64)

    def settle(self, scale_shift):
        """Take over the scale_shift of each layer that the parameters were settled with."""
        if scale_shift is not self.scale_shift and scale_shift != self.scale_shift:
            self.scale_shift = scale_shift
            self.layers["scale_shift"] = scale_shift

    def fill(self, x, y, weight):
        """Put a batch's targets and weights where kernels find them; return x as they take it."""
        this, rows = self.this, len(x)
        if this.likelihood == likelihoods.CATEGORICAL:
            self.labels[:rows] = y
        else:
            put_rounded(y, self.targets(y.shape))
        this.weight = -1
        if weight is not None:
            this.weight = self.weight_place
            put_rounded(weight, self.part(this.weight, (rows,)))
        return plain(x)

    def key(self, seed, step, draw, purpose):
        """Set the key of the noise, and have its normals drawn."""
        this = self.this
        this.seed_low, this.seed_high = seed & 0xFFFFFFFF, seed >> 32
        this.step, this.draw, this.stream = step, draw, PURPOSES[purpose] << 28
        this.eps = records.DRAWN

    def take_noise(self, noise):
        """Take the noise of every layer as it is given; buffers need room for the gradient by x.

        Parameters
        ----------
        noise : sequence of LayerNoise, or of LocalLayerNoise where the estimator is "local"
        """
        for layer, given in zip(self.layers, noise, strict=True):
            places = {
                "kernel_eps": layer["kernel"]["delta"],
                "bias_eps": layer["bias"]["delta"],
                "sign_input": layer["sign_input"],
                "sign_output": layer["sign_output"],
                "output_eps": layer["sign_output"],
            }
            for name, place in places.items():
                array = getattr(given, name, None)
                if array is not None:
                    self.part(place, array.shape)[...] = array
        self.this.eps = self.this.signs = records.GIVEN

    def run_step(self, plan, rows, x):
        """Do a plan that begins with the layers' noise, after the KL of their unusual priors."""
        self.priors.run(self.crew, self.layers, self.table)
        self.run(plan, rows, x)

    def step_plan(self, rows):
        """Return the plan of a step of that many rows."""
        if rows not in self.plans:
            learned, by_inputs = self.this.scale_rho >= 0, self.this.grad_x >= 0
            self.plans[rows] = step_tasks(self.layers, rows, learned, by_inputs)
        return self.plans[rows]

    def part(self, place, shape):
        """Return the view of `work` from a place on."""
        return self.work[place : place + math.prod(shape)].reshape(shape)

    def targets(self, shape):
        """Return the view of the targets that are numbers, or the gradient by the outputs."""
        name = "targets", shape
        if name not in self.views:
            self.views[name] = self.part(self.this.targets, shape)
        return self.views[name]

    def outputs(self, leading):
        """Return the view of the last layer's outputs, (*leading, O), made once."""
        if leading not in self.views:
            shape = (*leading, self.outputs_count)
            self.views[leading] = self.part(self.output_place, shape)
        return self.views[leading]
