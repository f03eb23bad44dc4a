"""Pooling by the maximum and by the mean, example by example. Twin: `bnn_ref/layers/pool.py`.

What differs: no patches are taken; of a maximum the number of the pixel in its window is kept.
"""

import numpy as np

from .addresses import fetch_add, memory_of, view
from .arrays import fill
from .entries import entry
from .jit import kernel
from .machine import select, use_whole_vectors
from .tasks import DONE, come, take, wait
from .window import WINDOW

MAXIMUM, MEAN = range(2)
POOL = np.dtype(
    [
        ("window", WINDOW),
        *((name, np.int64) for name in ("kind", "rows", "chunk")),  # examples: all, of a task
    ]
)


@kernel
def _keep_larger(source, best, taken, p, first):
    """Set best to the larger number of each place, a NaN being the largest; earlier ones stay."""
    use_whole_vectors()
    number = type(taken[0])(p)
    if first:
        for c in range(best.size):
            best[c] = source[c]
            taken[c] = number
    else:
        for c in range(best.size):
            a, b = source[c], best[c]
            wins = (a > b) | ((a != a) & (b == b))
            best[c] = select(wins, a, b)
            taken[c] = select(wins, number, taken[c])


@kernel
def _add(source, out, first):
    """Set out to source, or add it."""
    use_whole_vectors()
    for c in range(out.size):
        out[c] = source[c] if first else out[c] + source[c]


@kernel
def _count(w, u, v):
    """Return how many pixels under the window at a place lie in the image."""
    top, left = u * w.stride_down - w.top, v * w.stride_right - w.left
    down = min(top + w.window_height, w.height) - max(top, 0)
    return down * (min(left + w.window_width, w.width) - max(left, 0))


@kernel
def _scale(out, factor):
    """Multiply out by a number."""
    for c in range(out.size):
        out[c] *= factor


@kernel
def _pool(n, this, x, out, taken):
    """Pool one example."""
    w = this.window
    channels = w.channels
    image = n * w.height * w.width * channels
    place = n * w.places_down * w.places_right * channels
    for u in range(w.places_down):
        for v in range(w.places_right):
            best = view(out, place, channels)
            its = view(taken, place if this.kind == MAXIMUM else 0, channels)
            first = True
            for i in range(w.window_height):
                y = u * w.stride_down - w.top + i
                if y < 0 or y >= w.height:
                    continue
                for j in range(w.window_width):
                    z = v * w.stride_right - w.left + j
                    if z < 0 or z >= w.width:
                        continue
                    source = view(x, image + (y * w.width + z) * channels, channels)
                    if this.kind == MAXIMUM:
                        _keep_larger(source, best, its, i * w.window_width + j, first)
                    else:
                        _add(source, best, first)
                    first = False
            if this.kind == MEAN:
                T = type(best[0])
                _scale(best, T(1.0) / T(_count(w, u, v)))
            place += channels


@kernel
def _pool_back(n, this, grad, taken, grad_x):
    """Give one example's gradients to the pixels that they are of."""
    w = this.window
    channels = w.channels
    image = n * w.height * w.width * channels
    fill(view(grad_x, image, w.height * w.width * channels), 0.0)
    place = n * w.places_down * w.places_right * channels
    for u in range(w.places_down):
        for v in range(w.places_right):
            top, left = u * w.stride_down - w.top, v * w.stride_right - w.left
            g = view(grad, place, channels)
            if this.kind == MAXIMUM:
                its = view(taken, place, channels)
                to = view(grad_x, image, w.height * w.width * channels)
                for c in range(channels):
                    y, z = top + its[c] // w.window_width, left + its[c] % w.window_width
                    to[(y * w.width + z) * channels + c] += g[c]
            else:
                T = type(g[0])
                share = T(1.0) / T(_count(w, u, v))
                for y in range(max(top, 0), min(top + w.window_height, w.height)):
                    for z in range(max(left, 0), min(left + w.window_width, w.width)):
                        to = view(grad_x, image + (y * w.width + z) * channels, channels)
                        for c in range(channels):
                            to[c] += g[c] * share
            place += channels


@entry
def pool(x, out, taken, settings, back, control, scratch, thread):
    """Set the outputs of examples; or, `back`, from the gradient by them that by the inputs.

    Parameters
    ----------
    x, out : flat arrays (B, I), (B, O) of one dtype
        Inputs and outputs, or with `back` the gradients by them.
    taken : flat int32 array (B, O)
        Which pixel of its window each maximum is.
    settings : POOL record (1,)
    back : bool
    control, scratch, thread
        As `tasks.py` says.
    """
    if not come(control, thread):
        return
    this = settings[0]
    count = (this.rows + this.chunk - 1) // this.chunk
    while True:
        j = take(control, 0, count, thread)
        if j < 0:
            break
        for n in range(j * this.chunk, min((j + 1) * this.chunk, this.rows)):
            if back:
                _pool_back(n, this, memory_of(out), memory_of(taken), memory_of(x))
            else:
                _pool(n, this, memory_of(x), memory_of(out), memory_of(taken))
        fetch_add(control, DONE, 1)
    wait(control, DONE, count, -1)
