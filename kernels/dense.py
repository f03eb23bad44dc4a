"""A dense layer of point estimates: tiles of its outputs, and of its gradients.

Twin: `bnn_ref/layers/dense.py`. What differs: work is cut into tiles of rows and columns, as in
`dense_flipout.py`, whose records and order of sums these tasks share.
"""

from .activations import activate
from .addresses import fetch_add, view
from .arrays import multiply, put, transpose
from .dense_flipout import DETERMINISTIC, update_bias
from .entries import entry
from .jit import kernel
from .memory import memory_for
from .products import PACKED, packed_product
from .records import BACKWARD, FORWARD, LOSS, TRAINING, UPDATE
from .tasks import DONE, come, take, wait
from .update import update_point


@kernel
def _forward(task, layer, run, memory):
    """One tile of the outputs, f(h mu + bias), and in training of the activation's slopes."""
    inputs, outputs = layer.inputs, layer.outputs
    first, rows = task.begin, task.end - task.begin
    column, columns = task.first, task.last - task.first
    place = first * outputs + column
    packed_product(memory.x, first * inputs, inputs, 1,
                   memory.parameters, layer.kernel.mu + column, outputs,
                   memory.out, place, outputs, rows, columns, inputs, False,
                   memory.scratch)  # fmt: skip
    training = run.kind == TRAINING
    for r in range(rows):
        h = view(memory.out, place + r * outputs, columns)
        if layer.bias_kind == DETERMINISTIC:
            put(view(memory.parameters, layer.bias.mu + column, columns), h, True)
        slope = view(memory.scratch, 0, columns)
        if training:
            slope = view(memory.work, layer.slope + place + r * outputs, columns)
        activate(h, slope, layer.activation, training, layer.leak, layer.others)


@kernel
def _by_pre_activations(task, layer, run, memory):
    """Some rows of the gradient by the pre-activations, as it lies and transposed."""
    outputs, rows = layer.outputs, task.end - task.begin
    place = task.begin * outputs
    n = rows * outputs
    multiply(view(memory.work, run.targets + place, n), view(memory.work, layer.slope + place, n),
             view(memory.work, layer.grad + place, n))  # fmt: skip
    if run.grad_x >= 0:
        transpose(memory.work, layer.grad + place, outputs,
                  memory.work, layer.grad_transposed + task.begin, run.capacity,
                  rows, outputs)  # fmt: skip


@kernel
def _by_inputs(task, layer, run, memory):
    """One tile of the gradient by the inputs, grad_a mu^T, computed transposed."""
    inputs, outputs = layer.inputs, layer.outputs
    first, rows = task.begin, task.end - task.begin
    column, columns = task.first, task.last - task.first
    packed_product(memory.parameters, layer.kernel.mu + column * outputs, outputs, 1,
                   memory.work, layer.grad_transposed + first, run.capacity,
                   memory.scratch, PACKED, rows, columns, rows, outputs, False,
                   memory.scratch)  # fmt: skip
    transpose(memory.scratch, PACKED, rows,
              memory.work, run.grad_x + first * inputs + column, inputs, columns, rows)  # fmt: skip


@kernel
def _by_kernel(task, layer, run, memory):
    """The gradients of a tile of the kernel: h^T grad_a, and the prior's."""
    inputs, outputs = layer.inputs, layer.outputs
    first, rows = task.begin, task.end - task.begin
    column, columns = task.first, task.last - task.first
    packed_product(memory.x, first, 1, inputs,
                   memory.work, layer.grad + column, outputs,
                   memory.scratch, PACKED, columns, rows, columns, run.rows, False,
                   memory.scratch)  # fmt: skip
    for r in range(rows):
        place = (first + r) * outputs + column
        update_point(layer.kernel, place, view(memory.scratch, PACKED + r * columns, columns),
                     run, memory)  # fmt: skip


@entry
def dense(tasks, layers, settings, x, control, scratch, thread):
    """Take part in a run through one layer, there or back, until every task is done.

    Parameters
    ----------
    tasks : TASK records (n,)
        FORWARD; or LOSS, BACKWARD, UPDATE and UPDATE_BIAS.
    layers, settings : LAYER and RUN records (1,)
        The outputs go to `out`; the gradient by them lies at `targets`.
    x : array (B, I) of the network's dtype
    control, scratch, thread
        As for `run`.
    """
    if not come(control, thread):
        return
    layer, run = layers[0], settings[0]
    memory = memory_for(run, x, scratch)
    count = tasks.size
    begin = phase = 0
    while begin < count:
        after, end = tasks[begin].after, begin + 1
        while end < count and tasks[end].after == after:
            end += 1
        while True:
            j = take(control, phase, end - begin, thread)
            if j < 0:
                break
            wait(control, DONE, after, -1)
            task = tasks[begin + j]
            if task.kind == FORWARD:
                _forward(task, layer, run, memory)
            elif task.kind == LOSS:
                _by_pre_activations(task, layer, run, memory)
            elif task.kind == BACKWARD:
                _by_inputs(task, layer, run, memory)
            elif task.kind == UPDATE:
                _by_kernel(task, layer, run, memory)
            else:
                update_bias(layer, run, memory)
            fetch_add(control, DONE, 1)
        begin, phase = end, phase + 1
    wait(control, DONE, count, -1)
