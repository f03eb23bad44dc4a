"""The numba back end's plans: which tasks make a run of the layers that `members.py` describes.

The order of a step, phase by phase; in a phase, tasks are done in any order by any thread:

1. draw eps, and from it sigma, delta and the KL of every weight (SAMPLE, SAMPLE_BIAS); draw every
   example's signs, and flip x (FLIP);
2. for each layer, first to last: its outputs, and the next layer's flipped inputs (FORWARD);
3. the likelihood, and its gradient by the last layer's pre-activations (LOSS);
4. for each layer, last to second: that gradient taken on to the layer before (BACKWARD);
5. add up nll and KL, and see whether every gradient is sure to be finite (JUDGE);
6. if so: the gradients by the weights, each used up for its Adam step as it is made (UPDATE,
   UPDATE_BIAS, UPDATE_SCALE).

The way of x: `Trainer.step`, `compiled.train_step`, `Runner.run`, `run` in `kernels/run.py`, then
`flip`, `forward` and `update_kernel` in `kernels/dense_flipout.py`, which hand it to `product` and
its tile; what becomes of it comes back in the outputs, which `Runner.outputs` copies, and in the
parameters.

A plan depends on the network, the number of rows and the dtype, never on the number of threads:
the cut of the work fixes every sum's order, and with it every bit of a result.
"""

import math
from typing import NamedTuple

import numpy as np

from ..kernels import records as at
from ..kernels.philox import ROOM
from ..kernels.processor import (
    ADAM_WEIGHTS,
    BACKWARD_COLUMNS,
    BACKWARD_ROWS,
    BACKWARD_ROWS_WIDE,
    ENOUGH_TASKS,
    FORWARD_COLUMNS,
    FORWARD_ROWS,
    FORWARD_ROWS_WIDE,
    LARGE,
    LONG,
    PANEL,
    PREDICT_ROWS,
    TILE_ROWS,
    UPDATE_COLUMNS,
    UPDATE_ROWS,
    UPDATE_ROWS_MOST,
    UPDATE_WEIGHTS,
    WIDE,
)
from ..kernels.products import KEPT, PACKED
from ..kernels.sample import STRETCH
from .places import SAMPLE_WEIGHTS, cut, cut_evenly

LOSS_ROWS = 32  # of one task, which adds up their nll
FLIP_ROWS = 16


class Plan(NamedTuple):
    """The tasks of a run.

    Attributes
    ----------
    tasks : TASK records (n,)
    parts : PART records (n,)
    phases : int
    """

    tasks: np.ndarray
    parts: np.ndarray
    phases: int


class Tasks:
    """A list of tasks in phases: a task comes after all those of the phases before its own."""

    def __init__(self):
        self.rows, self.counts, self._after = [], {}, 0

    def add(self, kind, layer=0, begin=0, end=0, first=0, last=0):
        """Add a task to the current phase."""
        number = self.counts.get(kind, 0)
        self.counts[kind] = number + 1
        self.rows.append((kind, layer, begin, end, first, last, number, self._after))

    def next_phase(self):
        """Let what is added from here on come after all that was added so far."""
        self._after = len(self.rows)

    def plan(self):
        """Return the `Plan` of these tasks."""
        tasks = np.array(self.rows, at.TASK)
        return Plan(tasks, np.zeros(len(tasks), at.PART), len(np.unique(tasks["after"])))


def _sample(tasks, layers, kernels=True):
    """Add a phase's tasks that sample every layer's weights."""
    for k, layer in enumerate(layers):
        if kernels:
            for begin, end in cut(layer["inputs"] * layer["outputs"], SAMPLE_WEIGHTS):
                tasks.add(at.SAMPLE, k, begin, end)
        tasks.add(at.SAMPLE_BIAS, k)


def _large_tile(rows, columns):
    """Return how many rows and columns each task takes of a large product; rows: whole tiles."""
    few, many = LARGE
    side = many if rows * columns >= ENOUGH_TASKS * many * many else few
    tasks = -(-rows // side)
    return -(-rows // (tasks * TILE_ROWS)) * TILE_ROWS, side // 64 * 64  # whole panels of B


def _is_large(layer, rows):
    """Return whether a layer's tasks are large, see `LONG`."""
    return layer["outputs"] > WIDE and rows > LONG


def _tiles(tasks, kind, k, rows, columns):
    """Add a phase's tasks that compute tiles: of some stretches of rows, and of columns."""
    tasks.next_phase()
    for begin, end in rows:
        for first, last in columns:
            tasks.add(kind, k, begin, end, first, last)


def update_tile(layer, rows):
    """Return how many rows and columns of a layer's kernel one update task takes: whole tiles.

    Parameters
    ----------
    layer : LAYER record
    rows : int
        B.
    """
    outputs = int(layer["outputs"])
    if _is_large(layer, rows):
        return _large_tile(int(layer["inputs"]), outputs)
    columns = min(outputs, UPDATE_COLUMNS)
    most = min(UPDATE_WEIGHTS // columns, UPDATE_ROWS_MOST)
    return max(UPDATE_ROWS, most // TILE_ROWS * TILE_ROWS), columns


def _forward(tasks, layers, rows):
    """Add the phases of a step up to the last layer's outputs.

    Rows are flipped at both ends of their phase: a thread comes upon those that it flipped then.
    """
    flips = cut(rows, FLIP_ROWS)
    half = len(flips) // 2
    for begin, end in flips[:half]:
        tasks.add(at.FLIP, 0, begin, end)
    _sample(tasks, layers)
    for begin, end in flips[half:]:
        tasks.add(at.FLIP, 0, begin, end)
    _outputs(tasks, layers, rows)
    tasks.next_phase()


def _outputs(tasks, layers, rows):
    """Add the phases of every layer's outputs."""
    for k, layer in enumerate(layers):
        outputs = int(layer["outputs"])
        if _is_large(layer, rows):
            height, width = _large_tile(rows, outputs)
            tiles = cut(rows, height), cut(outputs, width)
        else:
            height = FORWARD_ROWS_WIDE if outputs > WIDE else FORWARD_ROWS
            tiles = (cut_evenly(rows, height, TILE_ROWS),
                     cut_evenly(outputs, FORWARD_COLUMNS, PANEL))  # fmt: skip
        _tiles(tasks, at.FORWARD, k, *tiles)


def _backward(tasks, layers, rows, by_inputs):
    """Add the phases that take the gradient by the last layer's outputs to the layers before."""
    for begin, end in cut(rows, LOSS_ROWS):
        tasks.add(at.LOSS, len(layers) - 1, begin, end)
    for k in reversed(range(0 if by_inputs else 1, len(layers))):
        inputs = int(layers[k]["inputs"])
        if _is_large(layers[k], rows):
            width, height = _large_tile(inputs, rows)
            tiles = cut(rows, height), cut(inputs, width)
        else:
            height = BACKWARD_ROWS_WIDE if layers[k]["outputs"] > WIDE else BACKWARD_ROWS
            tiles = (cut_evenly(rows, height, PANEL),
                     cut_evenly(inputs, BACKWARD_COLUMNS, TILE_ROWS))  # fmt: skip
        _tiles(tasks, at.BACKWARD, k, *tiles)
    tasks.next_phase()


def _update(tasks, layers, rows, learned):
    """Add the phase of the gradients by the weights."""
    for k, layer in enumerate(layers):
        height, width = update_tile(layer, rows)
        for begin, end in cut(layer["inputs"], height):
            for first, last in cut(layer["outputs"], width):
                tasks.add(at.UPDATE, k, begin, end, first, last)
        if layer["bias"]["mu"] >= 0:
            tasks.add(at.UPDATE_BIAS, k)
        _update_priors(tasks, k, layer)
    if learned:
        tasks.add(at.UPDATE_SCALE, 0, 0, tasks.counts[at.LOSS])


def _update_priors(tasks, k, layer):
    """Add the gradients by what the priors of layer k learn."""
    for bias, tensor in enumerate(("kernel", "bias")):
        if layer[tensor]["prior"]["own"] >= 0:
            tasks.add(at.UPDATE_PRIOR, k, bias)


def prior_tasks(layers):
    """Return the plan of the gradients by what layers' priors learn, and of nothing else."""
    tasks = Tasks()
    for k, layer in enumerate(layers):
        _update_priors(tasks, k, layer)
    return tasks.plan()


def step_tasks(layers, rows, learned, by_inputs):
    """Return the plan of a step (the order above); `by_inputs`: with the gradient by x."""
    tasks = Tasks()
    _forward(tasks, layers, rows)
    _backward(tasks, layers, rows, by_inputs)
    tasks.add(at.JUDGE)
    tasks.next_phase()
    _update(tasks, layers, rows, learned)
    return tasks.plan()


def sample_tasks(layers, kernels=True):
    """Return the plan that draws layers' weights and adds up their KL; or their biases alone."""
    tasks = Tasks()
    _sample(tasks, layers, kernels)
    tasks.next_phase()
    tasks.add(at.JUDGE)
    return tasks.plan()


def forward_tasks(layers, rows):
    """Return the plan of a chain's way forward: its outputs, and the KL."""
    tasks = Tasks()
    _forward(tasks, layers, rows)
    tasks.add(at.JUDGE)
    return tasks.plan()


def outputs_tasks(layers, rows):
    """Return the plan of the outputs of layers without noise."""
    tasks = Tasks()
    _outputs(tasks, layers, rows)
    return tasks.plan()


def backward_tasks(layers, rows, by_inputs):
    """Return the plan of a chain's way back, from the gradient by its outputs (see `GIVEN`)."""
    tasks = Tasks()
    _backward(tasks, layers, rows, by_inputs)
    _update(tasks, layers, rows, False)
    return tasks.plan()


def flat_tasks(kinds):
    """Return the plan that changes flat parameters whose gradients, or next values, are there.

    Parameters
    ----------
    kinds : list of (kind, begin, end)
        UPDATE_FLAT: an Adam step with the gradients; TAKE: what lies there is the next value.
        A stretch that is in none stays as it is.
    """
    tasks = Tasks()
    for kind, start, stop in kinds:
        for begin, end in cut(stop - start, ADAM_WEIGHTS):
            tasks.add(kind, 0, start + begin, start + end)
    return tasks.plan()


def predict_tasks(layers, rows, kernels):
    """Return the plan of one draw of the outputs; `kernels`: weights are drawn."""
    tasks = Tasks()
    _sample(tasks, layers, kernels)
    tasks.next_phase()
    for begin, end in cut(rows, PREDICT_ROWS):
        tasks.add(at.PREDICT, 0, begin, end)
    return tasks.plan()


def scratch_size(layers, capacity):
    """Return how many numbers a thread needs for itself; capacity 0 is a prediction."""
    widest = int(max(layers["inputs"].max(), layers["outputs"].max()))
    sampling = 2 * STRETCH + ROOM
    if capacity == 0:
        return max(sampling, KEPT + 3 * PREDICT_ROWS * widest)
    updates = max(2 * math.prod(update_tile(layer, capacity)) for layer in layers)
    tile = BACKWARD_ROWS_WIDE * BACKWARD_COLUMNS
    if any(_is_large(layer, capacity) for layer in layers):
        tile = LARGE[-1] ** 2
    return max(sampling, PACKED + max(updates, 3 * tile), 3 * widest)
