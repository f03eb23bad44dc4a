"""A draw of a prediction through a chain of Flipout layers. Twin: `reference.draw_outputs`."""

from .activations import activate
from .addresses import memory_at, view
from .arrays import multiply_into, put
from .dense_flipout import flip_outputs, put_signs
from .jit import kernel
from .products import KEPT, packed_product
from .records import FLIPOUT, WEIGHTS


@kernel
def _shared(run, memory):
    """Return where the first layer's x mu is kept for all Flipout draws."""
    return memory_at(run.shared, view(memory.scratch, 0, 1)[0])


@kernel
def _share_mean(first, rows, layer, run, memory):
    """Leave some rows of the first layer's x mu for this draw and those after it."""
    inputs, outputs = layer.inputs, layer.outputs
    if run.again == 0:
        packed_product(memory.x, first * inputs, inputs, 1,
                       memory.parameters, layer.kernel.mu, outputs,
                       _shared(run, memory), first * outputs, outputs, rows, outputs, inputs, False,
                       memory.scratch)  # fmt: skip


@kernel
def predict(task, layers, run, memory):
    """Some rows' outputs, all layers through.

    scratch holds KEPT numbers, a group of random words among them, and three (rows, width).
    """
    first, rows = task.begin, task.end - task.begin
    size = rows * run.width
    signs = KEPT + 2 * size
    last = layers.size - 1
    h, h_at = memory.x, first * layers[0].inputs
    for k in range(last + 1):
        layer = layers[k]
        inputs, outputs = layer.inputs, layer.outputs
        to, place = memory.scratch, KEPT + k % 2 * size
        if k == last:
            to, place = memory.out, first * outputs
        shift = view(memory.work, layer.bias_shift, outputs)
        if run.kind == FLIPOUT:
            if k == 0:
                _share_mean(first, rows, layer, run, memory)
            flip = view(memory.work, layer.bias_flip, outputs)
            sign = view(memory.scratch, signs, rows * inputs)
            put_signs(memory.scratch, signs, first, rows, inputs, layer.sign_input_stream,
                       run, memory)  # fmt: skip
            multiply_into(sign, view(h, h_at, rows * inputs))
            packed_product(memory.scratch, signs, inputs, 1,
                           memory.work, layer.kernel.delta, outputs,
                           to, place, outputs, rows, outputs, inputs, False,
                           memory.scratch)  # fmt: skip
            put_signs(memory.scratch, signs, first, rows, outputs, layer.sign_output_stream,
                       run, memory)  # fmt: skip
            for r in range(rows):
                flip_outputs(view(to, place + r * outputs, outputs),
                              view(memory.scratch, signs + r * outputs, outputs),
                              shift, flip)  # fmt: skip
        else:
            for r in range(rows):
                put(shift, view(to, place + r * outputs, outputs), False)
        if run.kind == FLIPOUT and k == 0:
            mean = view(_shared(run, memory), first * outputs, rows * outputs)
            put(mean, view(to, place, rows * outputs), True)
        else:
            weights, weights_at = memory.parameters, layer.kernel.mu
            if run.kind == WEIGHTS:
                weights, weights_at = memory.work, layer.kernel.delta
            packed_product(h, h_at, inputs, 1, weights, weights_at, outputs,
                           to, place, outputs, rows, outputs, inputs, True,
                           memory.scratch)  # fmt: skip
        activate(view(to, place, rows * outputs), view(memory.scratch, signs, rows * outputs),
                 layer.activation, False, layer.leak, layer.others)  # fmt: skip
        h, h_at = to, place
