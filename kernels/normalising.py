"""Sums by columns that layer and batch normalisation share. Twin: `bnn_ref/layers/normalising.py`.

What differs: rows of C numbers that follow one another are taken as rows of a multiple of C, so
that loops are long where C is small; sums are float64, each task's in a part of its own, and the
parts are added in order.
"""

from .addresses import view
from .arrays import fill
from .jit import kernel
from .machine import use_whole_vectors

LONG = 64  # numbers that a loop over columns has at least, unless there are fewer


@kernel
def width_of(columns):
    """Return how many numbers are taken as one row: a multiple of the columns."""
    return columns * max(1, LONG // columns)


@kernel
def spread(a, out):
    """Repeat the numbers of a as often as they fit into out."""
    for j in range(out.size):
        out[j] = a[j % a.size]


@kernel
def fold(sums, out):
    """Set out (C,) to the sums over the repetitions of the columns in sums, a multiple of C."""
    fill(out, 0.0)
    for start in range(0, sums.size, out.size):
        for j in range(out.size):
            out[j] += sums[start + j]


@kernel
def add_products(g, y, sums, products):
    """Add the numbers of g to their columns' sums, and g * y to those of the products."""
    use_whole_vectors()
    for start in range(0, g.size, sums.size):
        n = min(sums.size, g.size - start)
        left, right = view(g, start, n), view(y, start, n)
        for j in range(n):
            sums[j] += left[j]
            products[j] += left[j] * right[j]


@kernel
def add_parts(sums, place, stride, parts, out):
    """Set out to the sum of a stretch of each part, in order."""
    fill(out, 0.0)
    for part in range(parts):
        own = view(sums, place + part * stride, out.size)
        for j in range(out.size):
            out[j] += own[j]
