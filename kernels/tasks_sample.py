"""Tasks of the first sweep: they find their arrays by the tables and call `sample.py`.

Every function takes its row of `tasks` and what it needs of the run's other tables and arrays (see
`layout.py`), and leaves what it adds to sums in its row of `parts`.
"""

import numpy as np

from . import layout as at
from .jit import inner, kernel
from .machine import view
from .philox import sign_rows
from .propagate import multiply, multiply_into
from .sample import sample, total_magnitude

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
def put_signs(out, columns, first, tensor, layer, whole, scratch):
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
    """Every layer's signs for some rows, and x * sign_input.

    The first layer's input signs are kept only where the gradient by x will ask for them.
    """
    first, rows = task[at.BEGIN], task[at.END] - task[at.BEGIN]
    spare = view(scratch, 0, 64)
    for k in range(layers.shape[0]):
        layer = layers[k]
        for tensor, column, size in ((5, at.SIGN_INPUT, layer[at.INPUTS]),
                                     (6, at.SIGN_OUTPUT, layer[at.OUTPUTS])):  # fmt: skip
            place = layer[column]
            if k == 0 and column == at.SIGN_INPUT and whole[at.GRAD_X] < 0:
                place = layer[at.FLIPPED]
            put_signs(view(work, place + first * size, rows * size), size, first, tensor, k,
                      whole, spare)  # fmt: skip
    start, n = first * layers[0, at.INPUTS], rows * layers[0, at.INPUTS]
    h, flipped = view(x, start, n), view(work, layers[0, at.FLIPPED] + start, n)
    if whole[at.GRAD_X] < 0:
        multiply_into(flipped, h)
    else:
        multiply(h, view(work, layers[0, at.SIGN_INPUT] + start, n), flipped)
    part[at.PART_INPUT] = float(total_magnitude(h))
