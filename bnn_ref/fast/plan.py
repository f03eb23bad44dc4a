"""The numba back end's plans: where a network's buffers lie, and which tasks make a run.

A plan depends on the network, the number of rows and the dtype, never on the number of threads:
the cut of the work fixes every sum's order, and with it every bit of a result.
"""

import numpy as np

from ..activations import ACTIVATIONS
from ..kernels import layout as at
from ..layers import BIASES

LIKELIHOODS = {"categorical": at.CATEGORICAL, "bernoulli": at.BERNOULLI, "normal": at.NORMAL}
SAMPLE_WEIGHTS = 8192  # of one task
FLIP_ROWS = 16
LOSS_ROWS = 32
UPDATE_WEIGHTS = 4096
TILE_COLUMNS = 128
NARROW_ROWS, WIDE_ROWS, WIDE = 32, 128, 256  # a wide layer's weights are read once, by all rows
PREDICT_ROWS = 64


def _cut(total, size):
    """Return the stretches (begin, end) of that size that make up the total."""
    return [(begin, min(begin + size, total)) for begin in range(0, total, size)]


class Buffers:
    """Places in one flat array, given out one after the other, each a cache line's start.

    Neighbours are kept from sharing their address modulo 4096, which would slow loops that walk
    several of them together.
    """

    def __init__(self):
        self.size = 0
        self._count = 0

    def take(self, length):
        """Return the place of `length` new entries."""
        self._count += 1
        place = self.size + 64 * (self._count % 7)
        self.size = place + -(-length // 64) * 64
        return place


def describe(network, parameters):
    """Return (layers, numbers, names): the tables of `layout.py` as far as no buffer is in them.

    Parameters
    ----------
    network : Network
    parameters : Parameters
        For the settled scale_shift of each layer.
    """
    layers = np.full((len(network.layers), at.LAYER_COLUMNS), -1, np.int64)
    numbers = np.zeros((len(network.layers), 5))
    places, start = {}, 0
    for name, shape in network.parameter_shapes.items():
        places[name] = start
        start += int(np.prod(shape))
    columns = {
        "kernel_mu": at.KERNEL_MU,
        "kernel_rho": at.KERNEL_RHO,
        "bias_mu": at.BIAS_MU,
        "bias_rho": at.BIAS_RHO,
    }
    activations = list(ACTIVATIONS)
    for k, layer in enumerate(network.layers):
        layers[k, at.INPUTS], layers[k, at.OUTPUTS] = layer.inputs, layer.outputs
        layers[k, at.ACTIVATION] = activations.index(layer.activation)
        layers[k, at.BIAS] = BIASES.index(layer.bias)
        for name in layer.parameter_shapes:
            layers[k, columns[name]] = places[f"layers.{k}.{name}"]
        numbers[k, at.SCALE_SHIFT] = parameters.scale_shift[k]
        prior = layer.kernel_prior
        numbers[k, [at.PRIOR_LOC, at.PRIOR_SCALE]] = prior.loc, prior.scale
        prior = layer.bias_prior if layer.bias_is_random else prior
        numbers[k, [at.BIAS_PRIOR_LOC, at.BIAS_PRIOR_SCALE]] = prior.loc, prior.scale
    return layers, numbers, places.get("likelihood.scale_rho", -1)


def place_weights(layers, buffers):
    """Give every layer its places for what the sample sweep leaves behind."""
    for layer in layers:
        kernel = layer[at.INPUTS] * layer[at.OUTPUTS]
        for column in (at.KERNEL_DELTA, at.KERNEL_FACTOR, at.KERNEL_PULL):
            layer[column] = buffers.take(kernel)
        for column in (at.BIAS_DELTA, at.BIAS_FACTOR, at.BIAS_PULL, at.BIAS_SHIFT, at.BIAS_FLIP):
            layer[column] = buffers.take(layer[at.OUTPUTS])


def place_examples(layers, capacity, buffers):
    """Give every layer its places for what belongs to examples, for up to `capacity` rows."""
    for k, layer in enumerate(layers):
        by_input, by_output = capacity * layer[at.INPUTS], capacity * layer[at.OUTPUTS]
        layer[at.SIGN_INPUT], layer[at.FLIPPED] = buffers.take(by_input), buffers.take(by_input)
        for column in (at.SIGN_OUTPUT, at.OUTPUT, at.SLOPE, at.GRAD, at.GRAD_FLIPPED,
                       at.GRAD_ACROSS, at.GRAD_FLIPPED_ACROSS):  # fmt: skip
            layer[column] = buffers.take(by_output)
        if k:
            layer[at.SOURCE] = layers[k - 1, at.OUTPUT]


class Tasks:
    """A list of tasks in phases: a task comes after all those of the phases before its own."""

    def __init__(self):
        self.rows, self._after = [], 0

    def add(self, task, layer=0, begin=0, end=0, first=0, last=0):
        """Add a task to the current phase."""
        self.rows.append((task, layer, begin, end, first, last, self._after))

    def next_phase(self):
        """Let what is added from here on come after all that was added so far."""
        self._after = len(self.rows)

    def table(self):
        """Return the table of `layout.py`."""
        return np.array(self.rows, np.int64).reshape(-1, at.TASK_COLUMNS)


def sample_tasks(tasks, layers, kernels=True):
    """Add a phase's tasks that sample every layer's weights."""
    for k, layer in enumerate(layers):
        if kernels:
            for begin, end in _cut(layer[at.INPUTS] * layer[at.OUTPUTS], SAMPLE_WEIGHTS):
                tasks.add(at.SAMPLE, k, begin, end)
        tasks.add(at.SAMPLE_BIAS, k)


def update_rows(layer):
    """Return how many rows of a layer's kernel one update task takes: a multiple of 8."""
    return max(8, UPDATE_WEIGHTS // int(layer[at.OUTPUTS]) // 8 * 8)


def tile_rows(layer):
    """Return how many rows one tile of a layer's outputs or inputs has."""
    return WIDE_ROWS if layer[at.OUTPUTS] > WIDE else NARROW_ROWS


def step_tasks(layers, rows, learned, by_inputs):
    """Return the tasks of a step: the three sweeps; `by_inputs`: with the gradient by x."""
    tasks = Tasks()
    sample_tasks(tasks, layers)
    for begin, end in _cut(rows, FLIP_ROWS):
        tasks.add(at.FLIP, 0, begin, end)
    for k, layer in enumerate(layers):
        tasks.next_phase()
        for begin, end in _cut(rows, tile_rows(layer)):
            for first, last in _cut(layer[at.OUTPUTS], TILE_COLUMNS):
                tasks.add(at.FORWARD, k, begin, end, first, last)
    tasks.next_phase()
    for j, (begin, end) in enumerate(_cut(rows, LOSS_ROWS)):
        tasks.add(at.LOSS, len(layers) - 1, begin, end, 0, j)
    for k in reversed(range(0 if by_inputs else 1, len(layers))):
        tasks.next_phase()
        for begin, end in _cut(rows, tile_rows(layers[k])):
            for first, last in _cut(layers[k, at.INPUTS], TILE_COLUMNS):
                tasks.add(at.BACKWARD, k, begin, end, first, last)
    tasks.next_phase()
    tasks.add(at.JUDGE)
    tasks.next_phase()
    for k, layer in enumerate(layers):
        for begin, end in _cut(layer[at.INPUTS], update_rows(layer)):
            tasks.add(at.UPDATE, k, begin, end)
        if layer[at.BIAS] != at.BIAS_NONE:
            tasks.add(at.UPDATE_BIAS, k)
    if learned:
        tasks.add(at.UPDATE_SCALE)
    return tasks.table()


def flat_tasks(size):
    """Return the tasks that take an Adam step on flat parameters whose gradients are there."""
    tasks = Tasks()
    for begin, end in _cut(size, SAMPLE_WEIGHTS):
        tasks.add(at.STEP_FLAT, 0, begin, end)
    return tasks.table()


def predict_tasks(layers, rows, kernels):
    """Return the tasks of one draw of the outputs; `kernels`: weights are drawn."""
    tasks = Tasks()
    sample_tasks(tasks, layers, kernels)
    tasks.next_phase()
    for begin, end in _cut(rows, PREDICT_ROWS):
        tasks.add(at.PREDICT, 0, begin, end)
    return tasks.table()


def scratch_size(layers):
    """Return how many numbers a thread needs for itself in a step."""
    widest = int(layers[:, [at.INPUTS, at.OUTPUTS]].max())
    updates = max(update_rows(layer) * int(layer[at.OUTPUTS]) for layer in layers)
    return max(2 * updates, WIDE_ROWS * TILE_COLUMNS, 3 * widest, 2048)


def predict_scratch_size(layers):
    """Return how many numbers a thread needs for itself in a prediction."""
    widest = int(layers[:, [at.INPUTS, at.OUTPUTS]].max())
    return max(3 * PREDICT_ROWS * widest + 64, 2048)
