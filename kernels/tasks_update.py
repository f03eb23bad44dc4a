"""Tasks of the third sweep: gradients by the weights, used up at once. See `tasks_sample`."""

from . import layout as at
from .elementary import sigmoid
from .jit import kernel
from .machine import view
from .products import product
from .update import adam, column_sums, pull_mean, put, through_rho


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
