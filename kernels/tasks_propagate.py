"""Tasks of the second sweep, and of a prediction: rows through the layers. See `tasks_sample`."""

from . import layout as at
from .elementary import softplus
from .jit import kernel
from .machine import view
from .products import product
from .propagate import (
    activate,
    bend,
    bernoulli_row,
    categorical_row,
    join,
    join_inputs,
    multiply,
    multiply_into,
    normal_row,
    transpose,
)
from .sample import total_magnitude
from .tasks_sample import put_signs
from .update import put


@kernel
def task_forward(task, layers, k, whole, x, params, work, part):
    """One tile of a layer's outputs. Twin: `reference.forward_layer`."""
    layer = layers[k]
    inputs, outputs = layer[at.INPUTS], layer[at.OUTPUTS]
    first, rows = task[at.BEGIN], task[at.END] - task[at.BEGIN]
    column, columns = task[at.FROM], task[at.TO] - task[at.FROM]
    out = layer[at.OUTPUT] + first * outputs + column
    product(work, layer[at.FLIPPED] + first * inputs, inputs, 1,
            work, layer[at.KERNEL_DELTA] + column, outputs,
            work, out, outputs, rows, columns, inputs, False)  # fmt: skip
    shift = view(work, layer[at.BIAS_SHIFT] + column, columns)
    flip = view(work, layer[at.BIAS_FLIP] + column, columns)
    sign = layer[at.SIGN_OUTPUT] + first * outputs + column
    for r in range(rows):
        bend(view(work, out + r * outputs, columns), view(work, sign + r * outputs, columns),
             shift, flip)  # fmt: skip
    h, h_at = (x, 0) if k == 0 else (work, layer[at.SOURCE])
    product(h, h_at + first * inputs, inputs, 1, params, layer[at.KERNEL_MU] + column, outputs,
            work, out, outputs, rows, columns, inputs, True)  # fmt: skip
    slope = layer[at.SLOPE] + first * outputs + column
    last = k == layers.shape[0] - 1
    found = 0.0
    for r in range(rows):
        row = view(work, out + r * outputs, columns)
        activate(row, view(work, slope + r * outputs, columns), layer[at.ACTIVATION], True)
        if not last:
            place = (first + r) * outputs + column
            multiply(row, view(work, layers[k + 1, at.SIGN_INPUT] + place, columns),
                     view(work, layers[k + 1, at.FLIPPED] + place, columns))  # fmt: skip
            found += float(total_magnitude(row))
    part[at.PART_INPUT] = found


@kernel
def task_loss(task, layers, whole, real, params, work, labels, scratch, part, scale_parts):
    """The likelihood of some rows, and the gradient by the last layer's pre-activations."""
    k = layers.shape[0] - 1
    layer = layers[k]
    T = type(work[0])
    outputs, kind = layer[at.OUTPUTS], whole[at.LIKELIHOOD]
    learned = whole[at.SCALE_RHO] >= 0
    scale, grad_scale = view(scratch, 0, outputs), view(scratch, outputs, outputs)
    scale[0] = T(real[at.NOISE_SCALE])
    if learned:
        for o in range(outputs):
            scale[o] = softplus(params[whole[at.SCALE_RHO] + o])
            grad_scale[o] = T(0.0)
    nll = magnitude = 0.0
    for r in range(task[at.BEGIN], task[at.END]):
        z = view(work, layer[at.OUTPUT] + r * outputs, outputs)
        grad = view(work, layer[at.GRAD] + r * outputs, outputs)
        target = view(work, whole[at.TARGETS] + r * outputs, outputs)
        weight = work[whole[at.WEIGHT] + r]
        factor = T(weight * T(real[at.SHARE]))
        if kind == at.CATEGORICAL:
            found = categorical_row(z, labels[r], grad, factor)
        elif kind == at.BERNOULLI:
            found = bernoulli_row(z, target, grad, factor)
        else:
            found = normal_row(z, target, grad, factor, scale, grad_scale, learned)
        nll += float(found) * float(weight)
        multiply_into(grad, view(work, layer[at.SLOPE] + r * outputs, outputs))
        multiply(grad, view(work, layer[at.SIGN_OUTPUT] + r * outputs, outputs),
                 view(work, layer[at.GRAD_FLIPPED] + r * outputs, outputs))  # fmt: skip
        magnitude += float(total_magnitude(grad))
    part[at.PART_NLL], part[at.PART_GRAD] = nll, magnitude
    if learned:
        for o in range(outputs):
            scale_parts[task[at.TO], o] = float(grad_scale[o])
    _across(task[at.BEGIN], task[at.END] - task[at.BEGIN], 0, outputs, layer, whole, work)


@kernel
def _across(first, rows, column, columns, layer, whole, work):
    """Leave a tile of GRAD and GRAD_FLIPPED in transposed form too."""
    outputs, capacity = layer[at.OUTPUTS], whole[at.CAPACITY]
    source, target = first * outputs + column, column * capacity + first
    transpose(work, layer[at.GRAD] + source, outputs,
              work, layer[at.GRAD_ACROSS] + target, capacity, rows, columns)  # fmt: skip
    transpose(work, layer[at.GRAD_FLIPPED] + source, outputs,
              work, layer[at.GRAD_FLIPPED_ACROSS] + target, capacity, rows, columns)  # fmt: skip


@kernel
def task_backward(task, layers, k, whole, params, work, scratch, part):
    """One tile of the gradient by a layer's inputs. Twin: `reference.backward_layer`.

    grad_h = grad_a mu^T + ((grad_a * sign_output) delta^T) * sign_input, computed transposed, for
    the weights are read along rows as they lie.
    """
    layer = layers[k]
    inputs, outputs, capacity = layer[at.INPUTS], layer[at.OUTPUTS], whole[at.CAPACITY]
    first, rows = task[at.BEGIN], task[at.END] - task[at.BEGIN]
    column, columns = task[at.FROM], task[at.TO] - task[at.FROM]
    if k == 0:
        grad, flipped = whole[at.GRAD_X], whole[at.GRAD_X_FLIPPED]
    else:
        grad, flipped = layers[k - 1, at.GRAD], layers[k - 1, at.GRAD_FLIPPED]
    place = first * inputs + column
    product(params, layer[at.KERNEL_MU] + column * outputs, outputs, 1,
            work, layer[at.GRAD_ACROSS] + first, capacity,
            scratch, 0, rows, columns, rows, outputs, False)  # fmt: skip
    transpose(scratch, 0, rows, work, grad + place, inputs, columns, rows)
    product(work, layer[at.KERNEL_DELTA] + column * outputs, outputs, 1,
            work, layer[at.GRAD_FLIPPED_ACROSS] + first, capacity,
            scratch, 0, rows, columns, rows, outputs, False)  # fmt: skip
    transpose(scratch, 0, rows, work, flipped + place, inputs, columns, rows)
    found = 0.0
    for r in range(rows):
        row = place + r * inputs
        grad_row, flipped_row = view(work, grad + row, columns), view(work, flipped + row, columns)
        sign = view(work, layer[at.SIGN_INPUT] + row, columns)
        if k == 0:
            join_inputs(grad_row, flipped_row, sign)
        else:
            join(grad_row, flipped_row, sign, view(work, layers[k - 1, at.SLOPE] + row, columns),
                 view(work, layers[k - 1, at.SIGN_OUTPUT] + row, columns))  # fmt: skip
            found += float(total_magnitude(grad_row))
    part[at.PART_GRAD] = found
    if k > 0 and (k > 1 or whole[at.GRAD_X] >= 0):
        _across(first, rows, column, columns, layers[k - 1], whole, work)


@kernel
def task_predict(task, layers, whole, x, params, work, out, scratch, width):
    """Some rows' outputs. Twin: `reference.draw_outputs`.

    scratch holds three (rows, width) and 64 more.
    """
    first, rows = task[at.BEGIN], task[at.END] - task[at.BEGIN]
    size = rows * width
    signs, spare = 2 * size, view(scratch, 3 * size, 64)
    h, h_at = x, first * layers[0, at.INPUTS]
    flips = whole[at.KIND] == at.FLIPOUT
    count = layers.shape[0]
    for k in range(count):
        layer = layers[k]
        inputs, outputs = layer[at.INPUTS], layer[at.OUTPUTS]
        target, target_at = (out, first * outputs) if k == count - 1 else (scratch, k % 2 * size)
        shift, flip = (
            view(work, layer[at.BIAS_SHIFT], outputs),
            view(work, layer[at.BIAS_FLIP], outputs),
        )
        if flips:
            sign = view(scratch, signs, rows * inputs)
            put_signs(sign, inputs, first, 5, k, whole, spare)
            multiply_into(sign, view(h, h_at, rows * inputs))
            product(scratch, signs, inputs, 1, work, layer[at.KERNEL_DELTA], outputs,
                    target, target_at, outputs, rows, outputs, inputs, False)  # fmt: skip
            put_signs(view(scratch, signs, rows * outputs), outputs, first, 6, k, whole, spare)
            for r in range(rows):
                bend(view(target, target_at + r * outputs, outputs),
                     view(scratch, signs + r * outputs, outputs), shift, flip)  # fmt: skip
        else:
            for r in range(rows):
                put(shift, view(target, target_at + r * outputs, outputs), False)
        if whole[at.KIND] == at.WEIGHTS:
            kernel_array, kernel_at = work, layer[at.KERNEL_DELTA]
        else:
            kernel_array, kernel_at = params, layer[at.KERNEL_MU]
        product(h, h_at, inputs, 1, kernel_array, kernel_at, outputs,
                target, target_at, outputs, rows, outputs, inputs, True)  # fmt: skip
        whole_target = view(target, target_at, rows * outputs)
        activate(whole_target, view(scratch, signs, rows * outputs), layer[at.ACTIVATION], False)
        h, h_at = target, target_at
