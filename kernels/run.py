"""A run: tasks of the three sweeps, taken in order by whichever thread is free.

The one entry from Python. Every thread that takes part calls `run` with the same arguments but
`slot`. Tasks stand in phases; in each, a thread of even slot takes tasks from the front and one of
odd slot from the back until none is left, so that step by step a thread comes upon the weights
that are in its own cache. It waits until the phases before are done, does its task, and takes
another. What a task computes depends on nothing but its row of `tasks`, and sums
are added up in the order of the tasks, so results are the same bits whoever does what. A thread
that never comes, or comes when all is done, changes nothing: no run waits for a thread that holds
no task, and a task is held only while it is being done.
"""

import numpy as np

from . import layout as at
from .jit import entry, kernel
from .machine import fetch_add, give_way, load_atomic, view
from .tasks_propagate import task_backward, task_forward, task_loss, task_predict
from .tasks_sample import task_flip, task_sample, task_sample_bias
from .tasks_update import task_step_flat, task_update, task_update_bias, task_update_scale

PATIENCE = 2000  # looks at the counter before a waiting thread gives way


@kernel
def _judge(tasks, layers, numbers, whole, real, parts, scale_parts, results, limit):
    """Add up nll, KL and loss; return whether every gradient is sure to be finite.

    A gradient by mu is at most (sum |h|) (sum |grad_a|) in magnitude, one by rho at most 7 times
    that, and the KL adds at most kl_weight times sqrt(2 KL) / s and sum |d KL / d rho|. Where
    these bounds are below the limit nothing needs to be looked at.
    """
    count = layers.shape[0]
    sums = results[at.RESULT_LAYERS :]
    for k in range(count):
        sums[k] = 0.0
    nll = pull = product_bound = 0.0
    for k in range(count):
        size_input = size_grad = 0.0
        for j in range(tasks.shape[0]):
            kind, of = tasks[j, at.TASK], tasks[j, at.LAYER]
            if kind == at.SAMPLE or kind == at.SAMPLE_BIAS:
                if of == k:
                    sums[k] += parts[j, at.PART_KL]
                    pull += parts[j, at.PART_PULL]
            elif (kind == at.FLIP and k == 0) or (kind == at.FORWARD and of == k - 1):
                size_input += parts[j, at.PART_INPUT]
            elif (kind == at.LOSS and k == count - 1) or (kind == at.BACKWARD and of == k + 1):
                size_grad += parts[j, at.PART_GRAD]
                if kind == at.LOSS:
                    nll += parts[j, at.PART_NLL]
        product_bound += (size_input + 1.0) * size_grad  # a sum, for a maximum may lose a NaN
        scale = numbers[k, at.PRIOR_SCALE]
        if layers[k, at.BIAS] >= at.BIAS_NORMAL:
            scale = min(scale, numbers[k, at.BIAS_PRIOR_SCALE])
        pull += np.sqrt(2.0 * sums[k]) / scale
    kl = 0.0
    for k in range(count):
        kl += sums[k]
    results[at.RESULT_NLL] = nll / whole[at.ROWS]
    results[at.RESULT_KL] = kl
    results[at.RESULT_LOSS] = nll / whole[at.ROWS] + real[at.KL_WEIGHT] * kl
    for j in range(scale_parts.shape[0]):
        for o in range(scale_parts.shape[1]):
            product_bound += abs(scale_parts[j, o])
    bound = 7.0 * product_bound + real[at.KL_WEIGHT] * pull
    return bound < limit and kl < np.inf and abs(nll) < np.inf  # a NaN is not below anything


@kernel
def _wait(control, done):
    """Return once that many tasks are done."""
    looks = 0
    while load_atomic(control, at.DONE) < done:
        looks += 1
        if looks > PATIENCE:
            give_way()


@entry
def run(tasks, layers, numbers, whole, real, x, params, grads, moment_1, moment_2, work, labels,
        scratch, slot, parts, scale_parts, results, control, out, width):  # fmt: skip
    """Take part in a run until every task is done.

    Parameters
    ----------
    tasks, layers, numbers, whole, real, parts, results, control
        The tables of `layout.py`; `control` is all 0 before a run and used for one run only.
    x : flat array (B * I,)
    params, grads, moment_1, moment_2 : flat arrays (P,) of x's dtype; unused ones may be empty
    work : flat array of x's dtype
    labels : int64 array (B,)
    scratch : array (slots, n) of x's dtype
    slot : int
        This thread's row of scratch.
    scale_parts : float64 array (LOSS tasks, O), or (0, 0)
    out : flat array (B * O,), of predictions
    width : int
        The widest layer's inputs or outputs.
    """
    x, params, grads = view(x, 0, x.size), view(params, 0, params.size), view(grads, 0, grads.size)
    moment_1, moment_2 = view(moment_1, 0, moment_1.size), view(moment_2, 0, moment_2.size)
    work, out = view(work, 0, work.size), view(out, 0, out.size)
    mine = view(scratch.ravel(), slot * scratch.shape[1], scratch.shape[1])
    count = tasks.shape[0]
    training = whole[at.KIND] == at.TRAINING
    tiny = np.finfo(work.dtype).tiny
    limit = np.sqrt(float(np.finfo(work.dtype).max)) / 16.0  # so that a square is finite too
    begin = phase = 0
    while begin < count:
        after, end = tasks[begin, at.AFTER], begin + 1
        while end < count and tasks[end, at.AFTER] == after:
            end += 1
        place = at.CONTROL_COLUMNS + phase * at.PHASE_COLUMNS
        while fetch_add(control, place + at.ASKED, 1) < end - begin:
            if slot % 2 == 0:
                j = begin + fetch_add(control, place + at.FRONT, 1)
            else:
                j = end - 1 - fetch_add(control, place + at.BACK, 1)
            _wait(control, after)
            task = tasks[j]
            kind, k = task[at.TASK], task[at.LAYER]
            layer, part = layers[k], parts[j]
            if kind == at.SAMPLE:
                task_sample(task, layer, numbers[k], whole, params, work, mine, part, training)
            elif kind == at.SAMPLE_BIAS:
                task_sample_bias(task, layer, numbers[k], whole, params, work, mine, part)
            elif kind == at.FLIP:
                task_flip(task, layers, whole, x, work, mine, part)
            elif kind == at.FORWARD:
                task_forward(task, layers, k, whole, x, params, work, part)
            elif kind == at.LOSS:
                task_loss(task, layers, whole, real, params, work, labels, mine, part, scale_parts)
            elif kind == at.BACKWARD:
                task_backward(task, layers, k, whole, params, work, mine, part)
            elif kind == at.JUDGE:
                if _judge(tasks, layers, numbers, whole, real, parts, scale_parts, results, limit):
                    control[at.SAFE] = 1
            elif kind == at.PREDICT:
                task_predict(task, layers, whole, x, params, work, out, mine, width)
            elif whole[at.MODE] != at.ADAM or control[at.SAFE] == 1 or kind == at.STEP_FLAT:
                if kind == at.UPDATE:
                    task_update(task, layers, k, numbers[k], whole, real, x, params, grads,
                                moment_1, moment_2, work, mine, tiny)  # fmt: skip
                elif kind == at.UPDATE_BIAS:
                    task_update_bias(layer, numbers[k], whole, real, params, grads, moment_1,
                                     moment_2, work, mine, tiny)  # fmt: skip
                elif kind == at.UPDATE_SCALE:
                    task_update_scale(whole, real, params, grads, moment_1, moment_2, scale_parts,
                                      mine, tiny)  # fmt: skip
                else:
                    task_step_flat(task, whole, real, params, grads, moment_1, moment_2, tiny)
            fetch_add(control, at.DONE, 1)
        begin, phase = end, phase + 1
    _wait(control, count)
