"""Rows normalised by their own mean and deviation. Twin: `bnn_ref/layers/layer_norm.py`.

What differs: some rows at a time; sums over a row in the order of `arrays.total`, over rows as
`normalising.py` says.
"""

from collections import namedtuple

import numpy as np

from .addresses import fetch_add, memory_of, view
from .arrays import fill, multiply, put, total
from .entries import entry
from .jit import kernel
from .machine import multiply_add, use_whole_vectors
from .normalising import add_parts, add_products, fold, width_of
from .tasks import DONE, come, take, wait

LAYER_NORM = np.dtype(
    [
        ("epsilon", np.float64),
        *(
            (name, np.int64)
            for name in (
                *("features", "rows", "chunk"),  # C; rows of C: all, of a task
                "keeps",  # whether a way back follows, or comes
                "inverse",  # its place in what is kept, behind normalised
                "part",  # float64 numbers of a task: its sums (C,) twice, and room for them
                "by_inputs",  # whether the gradient by the inputs is asked for
            )
        ),
    ]
)

Rows = namedtuple("Rows", "x out scale shift kept scratch")


@kernel
def _centre(x, mean, out):
    """Set out = x - mean."""
    use_whole_vectors()
    for i in range(x.size):
        out[i] = x[i] - mean


@kernel
def _scale_and_shift(y, inverse, scale, shift, out):
    """Set y = y * inverse and out = y * scale + shift."""
    use_whole_vectors()
    for i in range(y.size):
        y[i] *= inverse
        out[i] = multiply_add(y[i], scale[i], shift[i])


@kernel
def _by_row(g, y, mean, along, inverse, out):
    """Set out = inverse * (g - mean - y * along)."""
    use_whole_vectors()
    for i in range(g.size):
        out[i] = inverse * multiply_add(y[i], -along, g[i] - mean)


@kernel
def _forward(r, norm, these):
    """Normalise one row."""
    n = norm.features
    x, square = view(these.x, r * n, n), view(these.scratch, 0, n)
    y = view(these.kept, r * n, n) if norm.keeps else view(these.scratch, n, n)
    T = type(x[0])
    _centre(x, total(x) / T(n), y)
    multiply(y, y, square)
    inverse = T(1.0) / np.sqrt(total(square) / T(n) + T(norm.epsilon))
    if norm.keeps:
        view(these.kept, norm.inverse + r, 1)[0] = inverse
    _scale_and_shift(y, inverse, view(these.scale, 0, n), view(these.shift, 0, n),
                     view(these.out, r * n, n))  # fmt: skip


@kernel
def _backward(r, norm, these):
    """The gradient by one row."""
    n = norm.features
    g, product = view(these.scratch, 0, n), view(these.scratch, n, n)
    y = view(these.kept, r * n, n)
    T = type(y[0])
    multiply(view(these.out, r * n, n), view(these.scale, 0, n), g)
    multiply(g, y, product)
    inverse = view(these.kept, norm.inverse + r, 1)[0]
    _by_row(g, y, total(g) / T(n), total(product) / T(n), inverse, view(these.x, r * n, n))


@kernel
def _sums(j, first, last, norm, these, sums):
    """A task's sums of the gradient by its rows, and of that times what was normalised."""
    n = norm.features
    width, begin = width_of(n), j * norm.part
    own, products = view(sums, begin + 2 * n, width), view(sums, begin + 2 * n + width, width)
    fill(own, 0.0)
    fill(products, 0.0)
    count = (last - first) * n
    add_products(view(these.out, first * n, count), view(these.kept, first * n, count),
                 own, products)  # fmt: skip
    fold(own, view(sums, begin, n))
    fold(products, view(sums, begin + n, n))


@entry
def layer_norm(x, out, scale, shift, kept, sums, by_scale, by_shift, settings, back, control,
               scratch, thread):  # fmt: skip
    """Set the outputs of rows; or, `back`, from the gradient by them those by all else.

    Parameters
    ----------
    x, out : flat arrays (B, I) of one dtype
        Inputs and outputs, or with `back` the gradients by them.
    scale, shift : arrays (C,)
    kept : flat array
        What was normalised (B, I), and each row's factor.
    sums : float64 array (tasks, part)
        Room.
    by_scale, by_shift : arrays (C,)
        Set with `back`.
    settings : LAYER_NORM record (1,)
    back : bool
    control, scratch, thread
        As `tasks.py` says.
    """
    if not come(control, thread):
        return
    norm = settings[0]
    these = Rows(memory_of(x), memory_of(out), memory_of(scale), memory_of(shift), memory_of(kept),
                 memory_of(scratch))  # fmt: skip
    at = memory_of(sums)
    count = (norm.rows + norm.chunk - 1) // norm.chunk
    while True:
        j = take(control, 0, count, thread)
        if j < 0:
            break
        first, last = j * norm.chunk, min((j + 1) * norm.chunk, norm.rows)
        if back:
            _sums(j, first, last, norm, these, at)
        for r in range(first, last if norm.by_inputs or not back else first):
            if back:
                _backward(r, norm, these)
            else:
                _forward(r, norm, these)
        fetch_add(control, DONE, 1)
    wait(control, DONE, count, -1)
    if thread == 0 and back:
        n = norm.features
        total_of = view(at, 2 * n, n)  # the first task's room
        add_parts(at, 0, norm.part, count, total_of)
        put(total_of, by_shift, False)
        add_parts(at, n, norm.part, count, total_of)
        put(total_of, by_scale, False)
