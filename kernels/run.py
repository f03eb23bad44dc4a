"""A run: tasks of the three sweeps, taken in order by whichever thread is free.

The one entry of a step. Every thread that takes part calls `run` with the same arguments but its
number; `tasks.py` says how tasks are shared out. Tasks stand in phases (`bnn_ref/fast/plan.py`
lists them, and with them the order of a step). What a task computes depends on nothing but its
record, and sums are added up in the order of the tasks, so results are the same bits whoever does
what. A run is one call of compiled code: no signal of Python's comes between the parameters, the
moments and the count of steps.
"""

import numpy as np

from .adam import is_plain, set_factors, use_up
from .addresses import fetch_add, memory_at, view
from .arrays import fill, multiply, multiply_into, put, total_magnitude
from .dense_flipout import (
    backward,
    flip,
    forward,
    sample_bias,
    transpose_grads,
    update_bias,
    update_kernel,
)
from .elementary import sigmoid, softplus
from .entries import entry
from .jit import kernel
from .likelihoods import PREDICTED_NORMAL, nll_row
from .machine import largest_of
from .memory import memory_for
from .predict import predict
from .records import (
    ADAM,
    BACKWARD,
    FLIP,
    FORWARD,
    JUDGE,
    LOSS,
    PREDICT,
    SAMPLE,
    SAMPLE_BIAS,
    TAKE,
    UPDATE,
    UPDATE_BIAS,
    UPDATE_PRIOR,
    UPDATE_SCALE,
    WEIGHTS,
)
from .sample import sample
from .tasks import DONE, come, take, wait


@kernel
def _loss(task, layers, run, memory, part):
    """The likelihood of some rows, and the gradient by the last layer's pre-activations."""
    layer = layers[layers.size - 1]
    work, n = memory.work, layer.outputs
    learned = run.scale_rho >= 0
    scale = view(memory.scratch, 0, n)
    grad_scale = view(memory.scratch, n, n if learned else 0)
    T = type(scale[0])
    scale[0] = T(run.noise_scale)
    if learned:
        scale_rho = view(memory.parameters, run.scale_rho, n)
        for o in range(n):
            scale[o] = softplus(scale_rho[o])
        fill(grad_scale, 0.0)
    nll = 0.0
    targets = n // 2 if run.likelihood == PREDICTED_NORMAL else n
    for r in range(task.begin, task.end):
        row = r * n
        grad = view(work, layer.grad + row, n)
        weight = view(work, run.weight + r, 1)[0] if run.weight >= 0 else T(1.0)
        row_nll = nll_row(
            run.likelihood, view(work, layer.output + row, n),
            view(work, run.targets + r * targets, targets), view(memory.labels, r, 1)[0], grad,
            T(weight * T(run.share)), scale, grad_scale, run.noise_floor, run.noise_beta,
        )  # fmt: skip
        nll += row_nll * weight
    place, size = task.begin * n, (task.end - task.begin) * n
    grads = view(work, layer.grad + place, size)
    multiply_into(grads, view(work, layer.slope + place, size))
    multiply(grads, view(work, layer.sign_output + place, size),
             view(work, layer.grad_flipped + place, size))  # fmt: skip
    part.nll, part.grads = nll, total_magnitude(grads)
    if learned:
        sums = view(memory.grad_scale, task.number * n, n)
        for o in range(n):
            sums[o] = grad_scale[o]
    transpose_grads(work, layer.grad + place, layer.grad_flipped + place,
                    task.begin, task.end - task.begin, 0, n, layer, run, memory)  # fmt: skip


@kernel
def _judge(tasks, parts, layers, run, memory, limit):
    """Add up nll, KL and loss; say whether every gradient is sure to be finite.

    A gradient by mu is at most (sum |h|) (sum |grad_a|) in magnitude, one by rho at most 7 times
    that, and the KL adds at most kl_weight times what the parts say of its derivatives. Where
    these bounds are below the limit nothing needs to be looked at.
    """
    last = layers.size - 1
    n = layers[last].outputs
    kl_layers = view(memory.kl_layers, 0, layers.size)
    fill(kl_layers, 0.0)
    nll = kl_slopes = products = 0.0
    for k in range(last + 1):
        inputs = grads = 0.0
        for j in range(tasks.size):
            kind, of, part = tasks[j].kind, tasks[j].layer, parts[j]
            if kind in (SAMPLE, SAMPLE_BIAS):
                if of == k:
                    kl_layers[k] += part.kl
                    kl_slopes += part.kl_slopes
            elif (kind == FLIP and k == 0) or (kind == FORWARD and of == k - 1):
                inputs += part.inputs
            elif (kind == LOSS and k == last) or (kind == BACKWARD and of == k + 1):
                grads += part.grads
                if kind == LOSS:
                    nll += part.nll
                    sums = view(memory.grad_scale, tasks[j].number * n, n)
                    for o in range(n if run.scale_rho >= 0 else 0):
                        products += abs(sums[o])
        products += (inputs + 1.0) * grads  # a sum, for a maximum may lose a NaN
    kl = 0.0
    for k in range(last + 1):
        kl += kl_layers[k]
    run.nll = nll / run.rows
    run.kl = kl
    run.loss = nll / run.rows + run.kl_weight * kl
    bound = 7.0 * products + run.kl_weight * kl_slopes
    if bound < limit and kl < np.inf and abs(nll) < np.inf:  # a NaN is not below anything
        run.safe = 1 if is_plain(run) else 0


@kernel
def _update_scale(task, layers, run, memory):
    """The gradient of the Normal likelihood's scale_rho: the sums that the loss tasks left."""
    n = layers[layers.size - 1].outputs
    g = view(memory.scratch, 0, n)
    scale_rho = view(memory.parameters, run.scale_rho, n)
    for o in range(n):
        summed = 0.0
        for j in range(task.begin, task.end):
            summed += view(memory.grad_scale, j * n + o, 1)[0]
        g[o] = type(g[0])(summed) * sigmoid(scale_rho[o])
    use_up(g, run.scale_rho, run, memory)


@kernel
def _update_prior(prior, run, memory):
    """The gradient of what a prior learns: loc, rho or both, which are neighbours."""
    learned = (prior.loc >= 0) + (prior.rho >= 0)
    g, by_own = view(memory.scratch, 0, learned), view(memory.work, prior.own, learned)
    for i in range(learned):
        g[i] = type(g[0])(run.kl_weight) * by_own[i]
    use_up(g, prior.loc if prior.loc >= 0 else prior.rho, run, memory)


@kernel
def _use_flat(task, run, memory):
    """An Adam step of some parameters with the gradients there, or the values there themselves."""
    n = task.end - task.begin
    g = view(memory.gradients, task.begin, n)
    if task.kind == TAKE:
        put(g, view(memory.parameters, task.begin, n), False)
    else:
        use_up(g, task.begin, run, memory)


@entry
def run(tasks, parts, layers, settings, x, control, scratch, thread):
    """Take part in a run until every task is done.

    Parameters
    ----------
    tasks, parts, layers, settings
        Records of `records.py`: TASK (n,), PART (n,), LAYER (L,), RUN (1,).
    x : array (B, I) of the network's dtype
    control : int64 array (CONTROL + phases * PHASE,)
        All 0 before a run, and used for one run only.
    scratch : array (n,) of x's dtype
        This thread's own.
    thread : int
        0 for the caller, whom the others wait for.
    """
    this = settings[0]
    if thread == 0 and this.gradients_to == ADAM:
        set_factors(this, view(memory_at(this.count, np.int64(0)), 0, 1)[0] + 1)
    if not come(control, thread):
        return
    memory = memory_for(this, x, scratch)
    limit = np.sqrt(np.float64(largest_of(scratch[0]))) / 16.0  # a square is finite too
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
            task, part = tasks[begin + j], parts[begin + j]
            kind, layer = task.kind, layers[task.layer]
            if kind == SAMPLE:
                sample(layer.kernel, layer.scale_shift, task.begin, task.end,
                       this.kind == WEIGHTS, this, memory, part)  # fmt: skip
            elif kind == SAMPLE_BIAS:
                sample_bias(layer, this, memory, part)
            elif kind == FLIP:
                flip(task, layers, this, memory, part)
            elif kind == FORWARD:
                forward(task, layers, this, memory, part)
            elif kind == LOSS:
                _loss(task, layers, this, memory, part)
            elif kind == BACKWARD:
                backward(task, layers, this, memory, part)
            elif kind == PREDICT:
                predict(task, layers, this, memory)
            elif kind == JUDGE:
                _judge(tasks, parts, layers, this, memory, limit)
            elif this.gradients_to != ADAM or this.safe == 1:
                if kind == UPDATE:
                    update_kernel(task, layers, this, memory)
                elif kind == UPDATE_BIAS:
                    update_bias(layer, this, memory)
                elif kind == UPDATE_PRIOR:
                    tensor = layer.bias if task.begin == 1 else layer.kernel
                    _update_prior(tensor.prior, this, memory)
                elif kind == UPDATE_SCALE:
                    _update_scale(task, layers, this, memory)
                else:
                    _use_flat(task, this, memory)
            fetch_add(control, DONE, 1)
        begin, phase = end, phase + 1
    wait(control, DONE, count, -1)
    if thread == 0 and this.gradients_to == ADAM and this.safe == 1:
        steps = view(memory_at(this.count, np.int64(0)), 0, 1)
        steps[0] += 1
