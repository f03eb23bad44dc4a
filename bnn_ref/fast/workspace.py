"""A network's runs on compiled kernels: their buffers, tables and helper threads, and the call.

`compiled.py` fills in what a run is to do; the plans are `plan.py`'s, the tables
`kernels/layout.py`'s.
"""

import math

import numpy as np

from ..border import check_dtype
from ..kernels import layout as at
from ..kernels.run import run
from ..noise import PURPOSES
from .plan import (
    LIKELIHOODS,
    Buffers,
    describe,
    place_examples,
    place_weights,
    predict_scratch_size,
    scratch_size,
    step_tasks,
)
from .threads import Helpers, count_threads

SMALL = 3e-4  # seconds on one thread (estimated) below which a second one is not worth its call


class Workspace:
    """What a network's runs need again and again: buffers, tables, helper threads.

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

    def for_step(self, parameters, rows):
        """Return the `Runner` of training steps."""
        if self.step is None or rows > self.step.capacity:
            self.step = Runner(self, parameters, max(rows, self.rows))
        return self.step

    def for_prediction(self, parameters):
        """Return the `Runner` of predictions."""
        if self.prediction is None:
            self.prediction = Runner(self, parameters, 0)
        return self.prediction


class Runner:
    """The arrays of one kind of run, and the call itself.

    Parameters
    ----------
    workspace : Workspace
    parameters : Parameters
    capacity : int
        Rows that the buffers hold; 0 for predictions, which keep nothing of an example.
    """

    def __init__(self, workspace, parameters, capacity):
        network = workspace.network
        self.capacity, self.dtype = capacity, workspace.dtype
        self.threads, self.helpers = workspace.threads, workspace.helpers
        self.layers, self.numbers, scale_rho = describe(network, parameters)
        self.weights = int(np.sum(self.layers[:, at.INPUTS] * self.layers[:, at.OUTPUTS]))
        self.width = int(self.layers[:, [at.INPUTS, at.OUTPUTS]].max())
        buffers = Buffers()
        place_weights(self.layers, buffers)
        self.whole_table = np.full(at.WHOLE_COLUMNS, -1, np.int64)
        self.real_table = np.zeros(at.REAL_COLUMNS)
        self.whole, self.real = memoryview(self.whole_table), memoryview(self.real_table)
        if capacity:
            place_examples(self.layers, capacity, buffers)
            self.whole[at.TARGETS] = buffers.take(capacity * network.outputs)
            self.whole[at.WEIGHT] = buffers.take(capacity)
        self.whole[at.CAPACITY], self.whole[at.SCALE_RHO] = capacity, scale_rho
        self.whole[at.LIKELIHOOD] = LIKELIHOODS[network.likelihood.to_json()["type"]]
        self.real[at.NOISE_SCALE] = getattr(network.likelihood, "scale", 1.0)
        self.output_place = int(self.layers[-1, at.OUTPUT])
        self.outputs_count = network.outputs
        self.work = np.zeros(buffers.size + 64, self.dtype)
        need = scratch_size(self.layers) if capacity else predict_scratch_size(self.layers)
        self.scratch = np.empty((self.threads, need + 64), self.dtype)
        self.labels = np.zeros(max(capacity, 1), np.int64)
        self.results = np.zeros(at.RESULT_LAYERS + len(self.layers))
        self.nothing = np.empty(0, self.dtype)
        self.weighted = -1  # rows whose weight is 1, of the last step
        self.tasks = {}

    def part(self, place, shape):
        """Return the view of `work` from a place on."""
        return self.work[place : place + math.prod(shape)].reshape(shape)

    def key(self, seed, step, draw, purpose):
        """Set the key of the noise."""
        whole = self.whole
        whole[at.SEED_LOW], whole[at.SEED_HIGH] = seed & 0xFFFFFFFF, seed >> 32
        whole[at.STEP], whole[at.DRAW], whole[at.PURPOSE] = step, draw, PURPOSES[purpose]

    def planned(self, name, make):
        """Return (tasks, parts, scale parts, number of phases) of that name, made once."""
        if name not in self.tasks:
            tasks = make()
            losses = int(np.sum(tasks[:, at.TASK] == at.LOSS)) * (self.whole[at.SCALE_RHO] >= 0)
            outputs = int(self.layers[-1, at.OUTPUTS])
            self.tasks[name] = (
                tasks,
                np.zeros((len(tasks), at.PART_COLUMNS)),
                np.zeros((losses, outputs)),
                len(np.unique(tasks[:, at.AFTER])),
            )
        return self.tasks[name]

    def run(self, plan, rows, x, params, grads=None, moments=None, out=None):
        """Run a plan's tasks, on several threads where they are worth it; return `control`."""
        tasks, parts, scale_parts, phases = plan
        nothing = self.nothing
        first, second = moments or (nothing, nothing)
        control = np.zeros(at.CONTROL_COLUMNS + phases * at.PHASE_COLUMNS, np.int64)
        self.whole[at.ROWS] = rows
        before = (tasks, self.layers, self.numbers, self.whole_table, self.real_table,
                  x.reshape(-1), params, nothing if grads is None else grads, first, second,
                  self.work, self.labels, self.scratch)  # fmt: skip
        after = (parts, scale_parts, self.results, control,
                 nothing if out is None else out.reshape(-1), self.width)  # fmt: skip
        estimate = self.weights * (rows * 12e-11 + 5e-9)
        if self.threads > 1 and estimate > SMALL:
            self.helpers.call(run, [(*before, slot, *after) for slot in range(1, self.threads)])
        run(*before, 0, *after)
        return control

    def fill(self, x, y, weight):
        """Put a batch's targets and weights where kernels find them; return x as they take it."""
        rows = len(x)
        if self.whole[at.LIKELIHOOD] == at.CATEGORICAL:
            self.labels[:rows] = y
        else:
            self.part(self.whole[at.TARGETS], y.shape)[...] = y
        if weight is not None or self.weighted != rows:  # else ones are there
            self.part(self.whole[at.WEIGHT], (rows,))[...] = 1 if weight is None else weight
            self.weighted = rows if weight is None else -1
        return plain(x)

    def step_plan(self, rows):
        """Return the plan of a training step of that many rows."""
        learned = self.whole[at.SCALE_RHO] >= 0
        return self.planned(rows, lambda: step_tasks(self.layers, rows, learned, False))

    def outputs(self, leading):
        """Return a copy of the last layer's outputs, (*leading, O)."""
        return self.part(self.output_place, (*leading, self.outputs_count)).copy()


def plain(array):
    """Return the array as compiled code takes it: C order, aligned, writable; else a copy."""
    return array if array.flags.carray else array.copy(order="C")
