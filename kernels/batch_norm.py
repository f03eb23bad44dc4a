"""Columns normalised by the batch's mean and deviation. Twin: `bnn_ref/layers/batch_norm.py`.

What differs: some rows at a time, in phases: sums, sums of squares about the mean, the outputs;
on the way back sums, the gradient by the inputs. How columns are summed, `normalising.py` says.
"""

from collections import namedtuple

import numpy as np

from .addresses import fetch_add, memory_of, view
from .arrays import fill, put
from .entries import entry
from .jit import kernel
from .machine import multiply_add, use_whole_vectors
from .normalising import add_parts, add_products, fold, spread, width_of
from .tasks import DONE, come, take, wait

TRAIN, RUN, BACK = range(3)  # by the batch's statistics, by the running ones; the way back
BATCH_NORM = np.dtype(
    [
        ("epsilon", np.float64),
        *(
            (name, np.int64)
            for name in (
                *("features", "rows", "chunk"),  # C; rows of C: all, of a task
                "keeps",  # whether a way back follows RUN
                "running",  # whether the way back is of RUN
                "statistics",  # place in what is kept, behind normalised: mean, variance, factor
                "part",  # float64 numbers of a task: its sums (C,) twice, and room for them
                "by_inputs",  # whether the gradient by the inputs is asked for
            )
        ),
    ]
)

Columns = namedtuple("Columns", "x out scale shift mean variance kept sums scratch")


@kernel
def _add(x, sums):
    """Add numbers to their columns' sums."""
    use_whole_vectors()
    for start in range(0, x.size, sums.size):
        n = min(sums.size, x.size - start)
        row = view(x, start, n)
        for j in range(n):
            sums[j] += row[j]


@kernel
def _add_squares(x, mean, sums):
    """Add the squares of x - mean to their columns' sums."""
    use_whole_vectors()
    for start in range(0, x.size, sums.size):
        n = min(sums.size, x.size - start)
        row = view(x, start, n)
        for j in range(n):
            away = row[j] - mean[j]
            sums[j] = multiply_add(away, away, sums[j])


@kernel
def _normalise(x, y, out, mean, factor, scale, shift):
    """Set y = (x - mean) * factor and out = y * scale + shift, columns repeated."""
    use_whole_vectors()
    for start in range(0, x.size, mean.size):
        n = min(mean.size, x.size - start)
        row, own, to = view(x, start, n), view(y, start, n), view(out, start, n)
        for j in range(n):
            own[j] = (row[j] - mean[j]) * factor[j]
            to[j] = multiply_add(own[j], scale[j], shift[j])


@kernel
def _predict(x, out, mean, factor, scale, shift):
    """Set out = ((x - mean) * factor) * scale + shift, columns repeated."""
    use_whole_vectors()
    for start in range(0, x.size, mean.size):
        n = min(mean.size, x.size - start)
        row, to = view(x, start, n), view(out, start, n)
        for j in range(n):
            to[j] = multiply_add((row[j] - mean[j]) * factor[j], scale[j], shift[j])


@kernel
def _by_inputs(g, y, out, factor, mean, along):
    """Set out = factor * (g - mean - y * along), columns repeated."""
    use_whole_vectors()
    for start in range(0, g.size, factor.size):
        n = min(factor.size, g.size - start)
        row, own, to = view(g, start, n), view(y, start, n), view(out, start, n)
        for j in range(n):
            to[j] = factor[j] * multiply_add(own[j], -along[j], row[j] - mean[j])


@kernel
def _sum(j, first, last, phase, kind, norm, these, parts):
    """One task's sums of its phase."""
    n = norm.features
    width, begin, count = width_of(n), j * norm.part, (last - first) * n
    room = view(these.sums, begin + 2 * n, width)
    more = view(these.sums, begin + 2 * n + width, width)
    fill(room, 0.0)
    if kind == BACK:
        fill(more, 0.0)
        add_products(view(these.out, first * n, count), view(these.kept, first * n, count),
                     room, more)  # fmt: skip
        fold(more, view(these.sums, begin + n, n))
    elif phase == 0:
        _add(view(these.x, first * n, count), room)
    else:
        mean = view(these.sums, begin + 2 * n + 2 * width, n)
        add_parts(these.sums, 0, norm.part, parts, mean)
        for c in range(n):
            mean[c] /= norm.rows
        spread(mean, more)
        _add_squares(view(these.x, first * n, count), more, room)
    fold(room, view(these.sums, begin + (n if kind == TRAIN and phase == 1 else 0), n))


@kernel
def _statistics(j, kind, norm, these, parts):
    """Put mean, variance and factor of every column in scratch; the first task keeps them."""
    n = norm.features
    columns = view(these.scratch, 0, 3 * n)
    mean, variance, factor = view(columns, 0, n), view(columns, n, n), view(columns, 2 * n, n)
    T = type(columns[0])
    for c in range(n if kind == RUN else 0):
        mean[c], variance[c] = view(these.mean, c, 1)[0], view(these.variance, c, 1)[0]
    if kind == TRAIN:
        own = view(these.sums, j * norm.part + 2 * n, n)
        add_parts(these.sums, 0, norm.part, parts, own)
        for c in range(n):
            mean[c] = T(own[c] / norm.rows)
        add_parts(these.sums, n, norm.part, parts, own)
        for c in range(n):
            variance[c] = T(own[c] / norm.rows)
    for c in range(n):
        factor[c] = T(1.0) / np.sqrt(variance[c] + T(norm.epsilon))
    if j == 0 and norm.keeps:
        put(columns, view(these.kept, norm.statistics, 3 * n), False)


@kernel
def _forward(j, first, last, kind, norm, these, parts):
    """One task's outputs."""
    n = norm.features
    width, begin, count = width_of(n), first * n, (last - first) * n
    _statistics(j, kind, norm, these, parts)
    wide = view(these.scratch, 3 * n, 4 * width)
    spread(view(these.scratch, 0, n), view(wide, 0, width))
    spread(view(these.scratch, 2 * n, n), view(wide, width, width))
    spread(view(these.scale, 0, n), view(wide, 2 * width, width))
    spread(view(these.shift, 0, n), view(wide, 3 * width, width))
    x, out = view(these.x, begin, count), view(these.out, begin, count)
    mean, factor = view(wide, 0, width), view(wide, width, width)
    scale, shift = view(wide, 2 * width, width), view(wide, 3 * width, width)
    if norm.keeps:
        _normalise(x, view(these.kept, begin, count), out, mean, factor, scale, shift)
    else:
        _predict(x, out, mean, factor, scale, shift)


@kernel
def _backward(j, first, last, norm, these, parts):
    """One task's gradient by its inputs."""
    n = norm.features
    width, begin, count = width_of(n), first * n, (last - first) * n
    three = view(these.scratch, 0, 3 * n)
    T = type(three[0])
    own = view(these.sums, j * norm.part + 2 * n, n)
    for k in range(2):
        add_parts(these.sums, k * n, norm.part, parts, own)
        for c in range(n):
            three[(1 + k) * n + c] = T(0.0) if norm.running else T(own[c] / norm.rows)
    factor = view(these.kept, norm.statistics + 2 * n, n)
    for c in range(n):
        three[c] = factor[c] * view(these.scale, c, 1)[0]
    wide = view(these.scratch, 3 * n, 3 * width)
    for k in range(3):
        spread(view(three, k * n, n), view(wide, k * width, width))
    _by_inputs(view(these.out, begin, count), view(these.kept, begin, count),
               view(these.x, begin, count), view(wide, 0, width), view(wide, width, width),
               view(wide, 2 * width, width))  # fmt: skip


@entry
def batch_norm(x, out, scale, shift, mean, variance, kept, sums, by_scale, by_shift, settings, kind,
               control, scratch, thread):  # fmt: skip
    """Set the outputs of rows; or, of kind BACK, from the gradient by them those by all else.

    Parameters
    ----------
    x, out : flat arrays (B, I) of one dtype
        Inputs and outputs, or of kind BACK the gradients by them.
    scale, shift, mean, variance : arrays (C,)
        The last two are the running ones, and read by RUN alone.
    kept : flat array
        What was normalised (B, I); mean, variance and factor (C,).
    sums : float64 array (tasks, part)
        Room.
    by_scale, by_shift : arrays (C,)
        Set by BACK.
    settings : BATCH_NORM record (1,)
    kind : int
    control, scratch, thread
        As `tasks.py` says.
    """
    if not come(control, thread):
        return
    norm = settings[0]
    these = Columns(memory_of(x), memory_of(out), memory_of(scale), memory_of(shift),
                    memory_of(mean), memory_of(variance), memory_of(kept), memory_of(sums),
                    memory_of(scratch))  # fmt: skip
    parts = (norm.rows + norm.chunk - 1) // norm.chunk
    last_phase = (2, 0, 1)[kind]
    for phase in range(last_phase + 1):
        while True:
            j = take(control, phase, parts, thread)
            if j < 0:
                break
            wait(control, DONE, phase * parts, -1)
            first, last = j * norm.chunk, min((j + 1) * norm.chunk, norm.rows)
            if phase < last_phase:
                _sum(j, first, last, phase, kind, norm, these, parts)
            elif kind != BACK:
                _forward(j, first, last, kind, norm, these, parts)
            elif norm.by_inputs:
                _backward(j, first, last, norm, these, parts)
            fetch_add(control, DONE, 1)
    wait(control, DONE, (last_phase + 1) * parts, -1)
    if thread == 0 and kind == BACK:
        n = norm.features
        own = view(these.sums, 2 * n, n)
        add_parts(these.sums, 0, norm.part, parts, own)
        put(own, by_shift, False)
        add_parts(these.sums, n, norm.part, parts, own)
        put(own, by_scale, False)
