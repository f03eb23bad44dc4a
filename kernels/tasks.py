"""What each kind of task does: it finds its arrays by the tables and calls the sweeps' functions.

Every function takes its row of `tasks` and what it needs of the run's other tables and arrays (see
`layout.py`), and leaves what it adds to sums in its row of `parts`.
"""

import numpy as np

from . import layout as at
from .elementary import sigmoid, softplus
from .jit import inner, kernel
from .machine import view
from .philox import sign_rows
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
from .sample import sample, total_magnitude
from .update import adam, column_sums, pull_mean, put, through_rho

U = np.uint32


@inner
def _stream(whole, tensor, layer):
    return U(whole[at.PURPOSE] << 28 | tensor << 24 | layer)


@kernel
def task_sample(task, layer, numbers, whole, params, work, scratch, part, training):
    start, n = task[at.BEGIN], task[at.END] - task[at.BEGIN]
    T = type(params[0])
    part[at.PART_KL], part[at.PART_PULL] = sample(
        view(params, layer[at.KERNEL_MU] + start, n),
        view(params, layer[at.KERNEL_RHO] + start, n),
        view(work, layer[at.KERNEL_DELTA] + start, n),
        view(work, layer[at.KERNEL_FACTOR] + start, n),
        view(work, layer[at.KERNEL_PULL] + start, n),
        T(numbers[at.SCALE_SHIFT]), T(numbers[at.PRIOR_LOC]), T(numbers[at.PRIOR_SCALE]),
        scratch, whole[at.EPS] == at.DRAWN, start,
        U(whole[at.SEED_LOW]), U(whole[at.SEED_HIGH]), U(whole[at.STEP]), U(whole[at.DRAW]),
        _stream(whole, 4, task[at.LAYER]), training, whole[at.KIND] == at.WEIGHTS,
    )  # fmt: skip


@kernel
def task_sample_bias(task, layer, numbers, whole, params, work, scratch, part):
    n, kind = layer[at.OUTPUTS], layer[at.BIAS]
    T = type(params[0])
    shift, flip = view(work, layer[at.BIAS_SHIFT], n), view(work, layer[at.BIAS_FLIP], n)
    for o in range(n):
        shift[o] = T(0.0) if kind == at.BIAS_NONE else params[layer[at.BIAS_MU] + o]
        flip[o] = T(0.0)
    if kind >= at.BIAS_NORMAL and whole[at.KIND] != at.MEAN:
        delta = view(work, layer[at.BIAS_DELTA], n)
        part[at.PART_KL], part[at.PART_PULL] = sample(
            view(params, layer[at.BIAS_MU], n),
            view(params, layer[at.BIAS_RHO], n),
            delta,
            view(work, layer[at.BIAS_FACTOR], n),
            view(work, layer[at.BIAS_PULL], n),
            T(numbers[at.SCALE_SHIFT]), T(numbers[at.BIAS_PRIOR_LOC]),
            T(numbers[at.BIAS_PRIOR_SCALE]), scratch, whole[at.EPS] == at.DRAWN, 0,
            U(whole[at.SEED_LOW]), U(whole[at.SEED_HIGH]), U(whole[at.STEP]), U(whole[at.DRAW]),
            _stream(whole, 7, task[at.LAYER]), True, False,
        )  # fmt: skip
        for o in range(n):
            if kind == at.BIAS_NORMAL_FLIPPED and whole[at.KIND] != at.WEIGHTS:
                flip[o] = delta[o]
            else:
                shift[o] += delta[o]


@kernel
def _signs(out, columns, first, tensor, layer, whole, scratch):
    """Put the signs of some rows where a run wants them, unless they are given."""
    T = type(out[0])
    if whole[at.SIGNS] == at.DRAWN:
        sign_rows(out, columns, whole[at.FIRST_ROW] + first, scratch, U(whole[at.SEED_LOW]),
                  U(whole[at.SEED_HIGH]), U(whole[at.STEP]), U(whole[at.DRAW]),
                  _stream(whole, tensor, layer))  # fmt: skip
    elif whole[at.SIGNS] == at.ONES:
        for i in range(out.size):
            out[i] = T(1.0)


@kernel
def task_flip(task, layers, whole, x, work, scratch, part):
    """Every layer's signs for some rows, and x * sign_input."""
    first, rows = task[at.BEGIN], task[at.END] - task[at.BEGIN]
    spare = view(scratch, 0, 64)
    for k in range(layers.shape[0]):
        layer = layers[k]
        inputs, outputs = layer[at.INPUTS], layer[at.OUTPUTS]
        for tensor, column, size in ((5, at.SIGN_INPUT, inputs), (6, at.SIGN_OUTPUT, outputs)):
            place = layer[column] + first * size
            _signs(view(work, place, rows * size), size, first, tensor, k, whole, spare)
    inputs = layers[0, at.INPUTS]
    h = view(x, first * inputs, rows * inputs)
    multiply(h, view(work, layers[0, at.SIGN_INPUT] + first * inputs, h.size),
             view(work, layers[0, at.FLIPPED] + first * inputs, h.size))  # fmt: skip
    part[at.PART_INPUT] = float(total_magnitude(h))


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
def _finish(g, place, whole, real, params, grads, moment_1, moment_2, tiny):
    """Use up a finished gradient of g.size parameters from `place` on, as MODE says."""
    T = type(g[0])
    if whole[at.MODE] == at.ADAM:
        adam(view(params, place, g.size), view(moment_1, place, g.size),
             view(moment_2, place, g.size), g, T(real[at.RATE]), T(real[at.SCALE]),
             T(real[at.BETA_1]), T(real[at.BETA_2]), T(real[at.EPSILON]), tiny)  # fmt: skip
    else:
        put(g, view(grads, place, g.size), whole[at.MODE] == at.ADD)


@kernel
def task_update(task, layers, k, numbers, whole, real, x, params, grads, moment_1, moment_2, work,
                scratch, tiny):  # fmt: skip
    """The gradients of some rows of a kernel. Twin: `reference.backward_layer`."""
    layer = layers[k]
    T = type(params[0])
    inputs, outputs = layer[at.INPUTS], layer[at.OUTPUTS]
    first, rows = task[at.BEGIN], task[at.END] - task[at.BEGIN]
    n, start = rows * outputs, first * outputs
    by_mu, by_rho = view(scratch, 0, n), view(scratch, n, n)
    h, h_at = (x, 0) if k == 0 else (work, layer[at.SOURCE])
    product(h, h_at + first, 1, inputs, work, layer[at.GRAD], outputs,
            by_mu, 0, outputs, rows, outputs, whole[at.ROWS], False)  # fmt: skip
    product(work, layer[at.FLIPPED] + first, 1, inputs, work, layer[at.GRAD_FLIPPED], outputs,
            by_rho, 0, outputs, rows, outputs, whole[at.ROWS], False)  # fmt: skip
    weight = T(real[at.KL_WEIGHT])
    pull_mean(by_mu, view(params, layer[at.KERNEL_MU] + start, n), T(numbers[at.PRIOR_LOC]),
              T(numbers[at.PRIOR_SCALE]), weight)  # fmt: skip
    through_rho(by_rho, view(work, layer[at.KERNEL_FACTOR] + start, n),
                view(work, layer[at.KERNEL_PULL] + start, n), weight)  # fmt: skip
    _finish(by_mu, layer[at.KERNEL_MU] + start, whole, real, params, grads, moment_1, moment_2,
            tiny)  # fmt: skip
    _finish(by_rho, layer[at.KERNEL_RHO] + start, whole, real, params, grads, moment_1, moment_2,
            tiny)  # fmt: skip


@kernel
def task_update_bias(layer, numbers, whole, real, params, grads, moment_1, moment_2, work, scratch,
                     tiny):  # fmt: skip
    """The gradients of a layer's bias."""
    T = type(params[0])
    n, kind = layer[at.OUTPUTS], layer[at.BIAS]
    by_mu, by_rho = view(scratch, 0, n), view(scratch, n, n)
    block = view(scratch, 2 * n, n)
    weight = T(real[at.KL_WEIGHT])
    if kind == at.BIAS_NONE:
        return
    column_sums(work, layer[at.GRAD], whole[at.ROWS], n, by_mu, block)
    if kind >= at.BIAS_NORMAL:
        by_delta = at.GRAD_FLIPPED if kind == at.BIAS_NORMAL_FLIPPED else at.GRAD
        column_sums(work, layer[by_delta], whole[at.ROWS], n, by_rho, block)
        pull_mean(by_mu, view(params, layer[at.BIAS_MU], n), T(numbers[at.BIAS_PRIOR_LOC]),
                  T(numbers[at.BIAS_PRIOR_SCALE]), weight)  # fmt: skip
        through_rho(by_rho, view(work, layer[at.BIAS_FACTOR], n),
                    view(work, layer[at.BIAS_PULL], n), weight)  # fmt: skip
        _finish(by_rho, layer[at.BIAS_RHO], whole, real, params, grads, moment_1, moment_2, tiny)
    _finish(by_mu, layer[at.BIAS_MU], whole, real, params, grads, moment_1, moment_2, tiny)


@kernel
def task_update_scale(whole, real, params, grads, moment_1, moment_2, scale_parts, scratch, tiny):
    """The gradient of the Normal likelihood's scale_rho."""
    T = type(params[0])
    place, n = whole[at.SCALE_RHO], scale_parts.shape[1]
    g = view(scratch, 0, n)
    for o in range(n):
        found = 0.0
        for j in range(scale_parts.shape[0]):
            found += scale_parts[j, o]
        g[o] = T(found) * sigmoid(params[place + o])
    _finish(g, place, whole, real, params, grads, moment_1, moment_2, tiny)


@kernel
def task_step_flat(task, whole, real, params, grads, moment_1, moment_2, tiny):
    """Adam on some parameters, whose gradients are there."""
    n = task[at.END] - task[at.BEGIN]
    _finish(view(grads, task[at.BEGIN], n), task[at.BEGIN], whole, real, params, grads, moment_1,
            moment_2, tiny)  # fmt: skip


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
            _signs(sign, inputs, first, 5, k, whole, spare)
            multiply_into(sign, view(h, h_at, rows * inputs))
            product(scratch, signs, inputs, 1, work, layer[at.KERNEL_DELTA], outputs,
                    target, target_at, outputs, rows, outputs, inputs, False)  # fmt: skip
            _signs(view(scratch, signs, rows * outputs), outputs, first, 6, k, whole, spare)
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
