"""The tasks of a Flipout layer: rows and tiles through it, and its gradients.

Twin: `bnn_ref/layers/dense_flipout.py`. What differs: work is cut into tiles of rows and columns,
and what the backward pass needs is left behind in the form in which it is needed. A task takes
its record and finds its arrays by the layer's and the run's (see `records.py`); what it adds to
sums it leaves in `part`.

Local reparameterisation (twin: `bnn_ref/layers/local.py`) is the same two products of other
numbers, so it runs through the same tasks: delta is sigma^2 and `flipped` h^2, whose product is the
variance v of the pre-activations. Where Flipout has sign_input, which takes the gradient by
`flipped` on to h, there is 2 h; where it has sign_output, first the normals and after the forward
pass eps / (2 sqrt(v)), which takes the gradient by a pre-activation on to v.
"""

import numpy as np

from .activations import activate
from .addresses import view
from .arrays import (
    column_sums,
    fill,
    multiply,
    multiply_into,
    put,
    stretches,
    total_magnitude,
    transpose,
)
from .jit import kernel
from .machine import multiply_add, select, use_whole_vectors
from .philox import GROUP, ROOM, normals, sign_rows
from .products import PACKED, packed_product
from .records import DRAWN, MEAN, ONES, WEIGHTS
from .sample import key_of, sample, take_kl
from .update import update_point, update_tensor

CODES = {"DenseFlipout": 0}  # the one layer of which chains are made
NONE, DETERMINISTIC, NORMAL, NORMAL_FLIPPED = range(4)
BIASES = {
    "none": NONE,
    "deterministic": DETERMINISTIC,
    "normal": NORMAL,
    "normal_flipped": NORMAL_FLIPPED,
}


@kernel
def sample_bias(layer, run, memory, part):
    """Draw a layer's bias: what is added to every row, and what is added flipped."""
    n, kind = layer.outputs, layer.bias_kind
    shift, flip = view(memory.work, layer.bias_shift, n), view(memory.work, layer.bias_flip, n)
    fill(shift, 0.0)
    fill(flip, 0.0)
    if kind != NONE:
        put(view(memory.parameters, layer.bias.mu, n), shift, False)
        take_kl(layer.bias.prior, True, part)
    if kind >= NORMAL and run.kind != MEAN:
        sample(layer.bias, layer.scale_shift, 0, n, False, run, memory, part)
        delta = view(memory.work, layer.bias.delta, n)
        flipped = run.local == 1 or (kind == NORMAL_FLIPPED and run.kind != WEIGHTS)
        put(delta, flip if flipped else shift, True)


@kernel
def put_signs(to, place, first, rows, columns, stream, run, memory):
    """Put the signs of some rows in (rows, columns) from a place on, unless they are given."""
    out = view(to, place, rows * columns)
    if run.signs == DRAWN:
        spare = view(memory.scratch, 0, GROUP)
        sign_rows(out, columns, run.first_row + first, spare, key_of(run, stream))
    elif run.signs == ONES:
        fill(out, 1.0)


@kernel
def _square(h, double, squared):
    """Set double = 2 h and squared = h^2."""
    use_whole_vectors()
    for i in range(h.size):
        double[i] = type(h[0])(2.0) * h[i]
        squared[i] = h[i] * h[i]


@kernel
def _draw_local(task, layers, run, memory):
    """Every layer's normals for some rows, and the first layer's 2 x and x^2."""
    for k in range(layers.size):
        layer = layers[k]
        n, key = layer.outputs, key_of(run, layer.sign_output_stream)
        width = (n + GROUP - 1) // GROUP * GROUP  # each row starts at a group of its own
        for r in range(task.begin, task.end if run.eps == DRAWN else task.begin):
            normals(view(memory.work, layer.sign_output + r * n, n), (run.first_row + r) * width,
                    view(memory.scratch, 0, ROOM), key)  # fmt: skip
    start = task.begin * layers[0].inputs
    n = task.end * layers[0].inputs - start
    _square(view(memory.x, start, n), view(memory.work, layers[0].sign_input + start, n),
            view(memory.work, layers[0].flipped + start, n))  # fmt: skip


@kernel
def flip(task, layers, run, memory, part):
    """Every layer's signs for some rows, and x * sign_input.

    The first layer's input signs are kept only where the gradient by x will ask for them.
    """
    first, rows = task.begin, task.end - task.begin
    if run.local == 1:
        _draw_local(task, layers, run, memory)
        return
    for k in range(layers.size):
        layer = layers[k]
        place = layer.flipped if k == 0 and run.grad_x < 0 else layer.sign_input
        put_signs(memory.work, place + first * layer.inputs, first, rows, layer.inputs,
                   layer.sign_input_stream, run, memory)  # fmt: skip
        put_signs(memory.work, layer.sign_output + first * layer.outputs, first, rows,
                   layer.outputs, layer.sign_output_stream, run, memory)  # fmt: skip
    start, n = first * layers[0].inputs, rows * layers[0].inputs
    h, flipped = view(memory.x, start, n), view(memory.work, layers[0].flipped + start, n)
    if run.grad_x < 0:
        multiply_into(flipped, h)
    else:
        multiply(h, view(memory.work, layers[0].sign_input + start, n), flipped)
    part.inputs = total_magnitude(h)


@kernel
def flip_outputs(out, sign, shift, flip):
    """Set out = (out + flip) * sign + shift for a row: what noise and bias add to h mu."""
    use_whole_vectors()
    for i in range(out.size):
        out[i] = (out[i] + flip[i]) * sign[i] + shift[i]


@kernel
def _perturb_outputs(out, eps, shift, variance):
    """Set out = sqrt(out + variance) * eps + shift for a row, and eps to eps / (2 that root).

    Twins: `local.perturb`, and `perturb_backward`'s factor, which is 0 where the root is.
    """
    use_whole_vectors()
    T = type(out[0])
    for i in range(out.size):
        root = np.sqrt(out[i] + variance[i])
        half = select(root == T(0.0), T(0.0), T(0.5) * eps[i] / root)
        out[i] = multiply_add(root, eps[i], shift[i])
        eps[i] = half


@kernel
def forward(task, layers, run, memory, part):
    """One tile of a layer's outputs: h mu + ((h * sign_input) delta) * sign_output + bias."""
    k = task.layer
    layer = layers[k]
    inputs, outputs = layer.inputs, layer.outputs
    first, rows = task.begin, task.end - task.begin
    column, columns = task.first, task.last - task.first
    place = first * outputs + column
    work, out = memory.work, memory.scratch  # where rows of the tile lie together
    packed_product(work, layer.flipped + first * inputs, inputs, 1,
                   work, layer.kernel.delta + column, outputs,
                   out, PACKED, columns, rows, columns, inputs, False, memory.scratch)  # fmt: skip
    shift = view(work, layer.bias_shift + column, columns)
    flip = view(work, layer.bias_flip + column, columns)
    for r in range(rows):
        out_row = view(out, PACKED + r * columns, columns)
        sign = view(work, layer.sign_output + place + r * outputs, columns)
        if run.local == 1:
            _perturb_outputs(out_row, sign, shift, flip)
        else:
            flip_outputs(out_row, sign, shift, flip)
    packed_product(memory.x if k == 0 else work, layer.input + first * inputs, inputs, 1,
                   memory.parameters, layer.kernel.mu + column, outputs,
                   out, PACKED, columns, rows, columns, inputs, True, memory.scratch)  # fmt: skip
    magnitude = 0.0
    count, n = stretches(rows, columns, outputs)
    for r in range(count):
        at = place + r * outputs
        h = view(out, PACKED + r * n, n)
        activate(h, view(work, layer.slope + at, n), layer.activation, True,
                 layer.leak, layer.others)  # fmt: skip
        put(h, view(work, layer.output + at, n), False)
        if k < layers.size - 1:
            after = layers[k + 1]
            if run.local == 1:
                _square(h, view(work, after.sign_input + at, n),
                        view(work, after.flipped + at, n))  # fmt: skip
                continue
            multiply(h, view(work, after.sign_input + at, n), view(work, after.flipped + at, n))
            magnitude += total_magnitude(h)
    part.inputs = magnitude


@kernel
def transpose_grads(source, by_mu, by_delta, first, rows, column, columns, layer, run, memory):
    """Leave a tile of the gradients by a layer's pre-activations in transposed form too."""
    work, target = memory.work, column * run.capacity + first
    transpose(source, by_mu, columns,
              work, layer.grad_transposed + target, run.capacity, rows, columns)  # fmt: skip
    transpose(source, by_delta, columns,
              work, layer.grad_flipped_transposed + target, run.capacity,
              rows, columns)  # fmt: skip


@kernel
def _add_flipped(grad, flipped, sign):
    """Set grad = grad + flipped * sign: the gradient by a layer's inputs."""
    use_whole_vectors()
    for i in range(grad.size):
        grad[i] = grad[i] + flipped[i] * sign[i]


@kernel
def _add_flipped_before(grad, flipped, sign, slope, sign_output):
    """Go on to the layer before: grad = (grad + flipped * sign) slope, flipped = that flipped."""
    use_whole_vectors()
    for i in range(grad.size):
        g = (grad[i] + flipped[i] * sign[i]) * slope[i]
        grad[i] = g
        flipped[i] = g * sign_output[i]


@kernel
def backward(task, layers, run, memory, part):
    """One tile of the gradient by a layer's inputs, taken on to the layer before.

    grad_h = grad_a mu^T + ((grad_a * sign_output) delta^T) * sign_input, computed transposed, for
    the weights are read along rows as they lie.
    """
    k = task.layer
    layer, before = layers[k], layers[k - 1 if k > 0 else 0]
    inputs, outputs, work = layer.inputs, layer.outputs, memory.work
    first, rows = task.begin, task.end - task.begin
    column, columns = task.first, task.last - task.first
    grad, flipped = before.grad, before.grad_flipped
    if k == 0:
        grad, flipped = run.grad_x, run.grad_x_flipped
    place = first * inputs + column
    scratch, size = memory.scratch, rows * columns
    by_mu, by_delta = PACKED + size, PACKED + 2 * size  # where rows of the tile lie together
    packed_product(memory.parameters, layer.kernel.mu + column * outputs, outputs, 1,
                   work, layer.grad_transposed + first, run.capacity,
                   scratch, PACKED, rows, columns, rows, outputs, False, scratch)  # fmt: skip
    transpose(scratch, PACKED, rows, scratch, by_mu, columns, columns, rows)
    packed_product(work, layer.kernel.delta + column * outputs, outputs, 1,
                   work, layer.grad_flipped_transposed + first, run.capacity,
                   scratch, PACKED, rows, columns, rows, outputs, False, scratch)  # fmt: skip
    transpose(scratch, PACKED, rows, scratch, by_delta, columns, columns, rows)
    magnitude = 0.0
    count, n = stretches(rows, columns, inputs)
    for r in range(count):
        at = place + r * inputs
        grad_here = view(scratch, by_mu + r * n, n)
        flipped_here = view(scratch, by_delta + r * n, n)
        sign = view(work, layer.sign_input + at, n)
        if k == 0:
            _add_flipped(grad_here, flipped_here, sign)
        else:
            _add_flipped_before(grad_here, flipped_here, sign, view(work, before.slope + at, n),
                                view(work, before.sign_output + at, n))  # fmt: skip
            magnitude += total_magnitude(grad_here)
        put(grad_here, view(work, grad + at, n), False)
        put(flipped_here, view(work, flipped + at, n), False)
    part.grads = magnitude
    if k > 1 or (k == 1 and run.grad_x >= 0):
        transpose_grads(scratch, by_mu, by_delta, first, rows, column, columns, before, run,
                        memory)  # fmt: skip


@kernel
def update_kernel(task, layers, run, memory):
    """The gradients of a tile of a kernel: h^T grad_a, and with both flipped that by delta."""
    k = task.layer
    layer = layers[k]
    inputs, outputs = layer.inputs, layer.outputs
    first, rows = task.begin, task.end - task.begin
    column, columns = task.first, task.last - task.first
    n = rows * columns
    packed_product(memory.x if k == 0 else memory.work, layer.input + first, 1, inputs,
                   memory.work, layer.grad + column, outputs,
                   memory.scratch, PACKED, columns, rows, columns, run.rows, False,
                   memory.scratch)  # fmt: skip
    packed_product(memory.work, layer.flipped + first, 1, inputs,
                   memory.work, layer.grad_flipped + column, outputs,
                   memory.scratch, PACKED + n, columns, rows, columns, run.rows, False,
                   memory.scratch)  # fmt: skip
    count, length = stretches(rows, columns, outputs)
    for r in range(count):
        update_tensor(layer.kernel, first * outputs + column + r * outputs,
                      view(memory.scratch, PACKED + r * length, length),
                      view(memory.scratch, PACKED + n + r * length, length),
                      run, memory)  # fmt: skip


@kernel
def update_bias(layer, run, memory):
    """The gradients of a layer's bias: sums of grad_a over the rows."""
    n, kind = layer.outputs, layer.bias_kind
    by_mu, by_delta = view(memory.scratch, 0, n), view(memory.scratch, n, n)
    block = view(memory.scratch, 2 * n, n)
    column_sums(memory.work, layer.grad, run.rows, n, by_mu, block)
    if kind == DETERMINISTIC:
        update_point(layer.bias, 0, by_mu, run, memory)
    else:
        flipped = kind == NORMAL_FLIPPED or run.local == 1
        grad = layer.grad_flipped if flipped else layer.grad
        column_sums(memory.work, grad, run.rows, n, by_delta, block)
        update_tensor(layer.bias, 0, by_mu, by_delta, run, memory)
