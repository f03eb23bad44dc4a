"""A network's runs on compiled kernels: their buffers, records and helper threads, and the call.

`compiled.py` says what a run is to do; the plans are `plan.py`'s, the records
`kernels/records.py`'s.
"""

import ctypes
import math

import numpy as np

from ..border import check_dtype
from ..errors import expected
from ..kernels import likelihoods, records
from ..kernels.run import CONTROL, PHASE, run
from ..noise import PURPOSES
from .plan import (
    LOSS_ROWS,
    Buffers,
    code_of,
    describe,
    place_examples,
    place_weights,
    scratch_size,
    step_tasks,
)
from .threads import Helpers, count_threads

CACHE_LINE = 64  # bytes
SMALL = 3e-4  # seconds on one thread (estimated) below which a second one is not worth its call


class Workspace:
    """What a network's runs need again and again: buffers, records, helper threads.

    Made by `prepare`; two threads must not use one at the same time.

    Parameters
    ----------
    network : Network
    rows : int
        How many rows the buffers hold; more in a step make them grow.
    dtype : float32 or float64
    threads : int or None
    """

    def __init__(self, network, rows, dtype, threads):
        self.network, self.dtype = network, check_dtype(dtype, ("float32", "float64"))
        self.rows, self.threads = rows, count_threads(threads)
        self.helpers = Helpers(self.threads - 1)
        self.step = self.prediction = None

    def for_step(self, rows):
        """Return the `Runner` of training steps."""
        if self.step is None or rows > self.step.capacity:
            self.step = Runner(self, max(rows, self.rows))
        return self.step

    def for_prediction(self):
        """Return the `Runner` of predictions."""
        if self.prediction is None:
            self.prediction = Runner(self, 0)
        return self.prediction


class Runner:
    """The arrays of one kind of run, and the call itself.

    Every run fills in what it depends on: `settle` and `give` what lies elsewhere, `fill` its
    targets and weights, `key` its noise; a plan belongs to a number of rows.

    Parameters
    ----------
    workspace : Workspace
    capacity : int
        Rows that the buffers hold; 0 for predictions, which keep nothing of an example.
    by_inputs : bool
        Make room for the gradient by x.

    Attributes
    ----------
    this : Run
        The run's record, whose fields are set and read by name.
    """

    def __init__(self, workspace, capacity, by_inputs=False):
        network = workspace.network
        self.capacity, self.dtype = capacity, np.dtype(workspace.dtype)
        self.threads, self.helpers = workspace.threads, workspace.helpers
        self.layers, scale_rho = describe(network, training=capacity > 0)
        inputs, outputs = self.layers["inputs"], self.layers["outputs"]
        self.weights = int(np.sum(inputs * outputs))
        self.this = this = records.Run()
        self.table = np.frombuffer(this, records.RUN)
        self.held, self.plans, self.scale_shift = {}, {}, None
        this.width, this.capacity = int(max(inputs.max(), outputs.max())), capacity
        this.scale_rho, this.weight, this.grad_x = scale_rho, -1, -1
        self.likelihood = likelihood = network.likelihood
        this.likelihood = code_of(likelihoods.CODES, likelihood.type, "likelihood")
        this.noise_scale = getattr(likelihood, "scale", 1.0)
        this.noise_floor = getattr(likelihood, "floor", 0.0)
        this.noise_beta = getattr(likelihood, "beta", 0.0)
        self.outputs_count = network.outputs
        buffers = Buffers()
        place_weights(self.layers, buffers)
        if capacity:
            place_examples(self.layers, capacity, buffers)
            this.targets = buffers.take(capacity * network.outputs)
            self.weight_place = buffers.take(capacity)
        if by_inputs:
            this.grad_x = buffers.take(capacity * network.inputs)
            this.grad_x_flipped = buffers.take(capacity * network.inputs)
        self.output_place = int(self.layers[-1]["output"])
        self.work = aligned(buffers.size + 64, self.dtype)
        self.give("work", self.work)
        self.labels = np.zeros(max(capacity, 1), np.int64)
        self.give("labels", self.labels, np.int64)
        self.kl_layers = np.zeros(len(self.layers))
        self.give("kl_layers", self.kl_layers, np.float64)
        sums = np.zeros((1 + capacity // LOSS_ROWS) * network.outputs)
        self.give("grad_scale", sums, np.float64)
        need = scratch_size(self.layers, capacity)
        self.scratch = [aligned(need, self.dtype) for _ in range(self.threads)]

    def give(self, name, array, dtype=None):
        """Tell kernels where an array lies, once it is certain that they can work on it.

        Parameters
        ----------
        name : str
            The field of the run's record that gets the address.
        array : array
            Held until another takes its place.
        dtype : dtype, optional
            The network's unless given.

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
        setattr(self.this, name, ctypes.addressof(ctypes.c_char.from_buffer(array)))
        self.held[name] = array

    def settle(self, parameters):
        """Take over the scale_shift that the parameters were settled with."""
        if parameters.scale_shift is not self.scale_shift:
            self.scale_shift = parameters.scale_shift
            self.layers["scale_shift"] = parameters.scale_shift

    def fill(self, x, y, weight):
        """Put a batch's targets and weights where kernels find them; return x as they take it."""
        this, rows = self.this, len(x)
        if this.likelihood == likelihoods.CATEGORICAL:
            self.labels[:rows] = y
        else:
            self.part(this.targets, y.shape)[...] = y
        this.weight = -1
        if weight is not None:
            this.weight = self.weight_place
            self.part(this.weight, (rows,))[...] = weight
        return plain(x)

    def key(self, seed, step, draw, purpose):
        """Set the key of the noise, and have it drawn."""
        this = self.this
        this.seed_low, this.seed_high = seed & 0xFFFFFFFF, seed >> 32
        this.step, this.draw, this.stream = step, draw, PURPOSES[purpose] << 28
        this.eps = records.DRAWN

    def planned(self, name, make):
        """Return the plan of that name, made once."""
        if name not in self.plans:
            self.plans[name] = make()
        return self.plans[name]

    def step_plan(self, rows):
        """Return the plan of a step of that many rows."""

        def make():
            return step_tasks(self.layers, rows, self.this.scale_rho >= 0, self.this.grad_x >= 0)

        return self.planned(rows, make)

    def run(self, plan, rows, x):
        """Do a plan's tasks on x (rows, I), on several threads where they are worth it."""
        self.this.rows = rows
        control = np.zeros(CONTROL + plan.phases * PHASE, np.int64)
        shared = (plan.tasks, plan.parts, self.layers, self.table, x, control)
        if self.threads > 1 and self.weights * (rows * 12e-11 + 5e-9) > SMALL:
            scratch = enumerate(self.scratch[1:], 1)
            self.helpers.call(run, [(*shared, one, thread) for thread, one in scratch])
        run(*shared, self.scratch[0], 0)

    def part(self, place, shape):
        """Return the view of `work` from a place on."""
        return self.work[place : place + math.prod(shape)].reshape(shape)

    def outputs(self, leading):
        """Return a copy of the last layer's outputs, (*leading, O)."""
        return self.part(self.output_place, (*leading, self.outputs_count)).copy()


def aligned(size, dtype):
    """Return zeros (size,) that begin with a cache line, as Buffers' places take for granted."""
    memory = np.zeros(size + CACHE_LINE, dtype)
    skipped = -memory.ctypes.data % CACHE_LINE // memory.itemsize
    return memory[skipped : skipped + size]


def plain(array):
    """Return the array as compiled code takes it: C order, aligned, writable; else a copy."""
    return array if array.flags.carray else array.copy(order="C")
