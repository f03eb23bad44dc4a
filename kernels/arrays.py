"""Small loops over flat arrays, and the transpose, that several kernels share."""

from .addresses import numbers_in, transpose_block, view
from .jit import kernel
from .machine import lane_sum, use_whole_vectors

# the sum of a flat array, and of its magnitudes, in an order that is the same everywhere
total, total_magnitude = lane_sum(magnitudes=False), lane_sum(magnitudes=True)


@kernel
def stretches(rows, columns, width):
    """Return how many stretches a tile's rows make in an array (n, width), and each one's length.

    Whole rows are one: a call a row would take longer than the work on a short one.
    """
    if columns == width:
        return 1, rows * columns
    return rows, columns


@kernel
def fill(a, value):
    """Set every entry of a to a value."""
    use_whole_vectors()
    T = type(a[0])
    for i in range(a.size):
        a[i] = T(value)


@kernel
def multiply(a, b, out):
    """Set out = a * b for flat arrays."""
    use_whole_vectors()
    for i in range(a.size):
        out[i] = a[i] * b[i]


@kernel
def multiply_into(a, b):
    """Multiply a by b in place, for flat arrays."""
    use_whole_vectors()
    for i in range(a.size):
        a[i] *= b[i]


@kernel
def put(g, out, add):
    """Set out = g, or add g to it."""
    use_whole_vectors()
    if add:
        for i in range(g.size):
            out[i] += g[i]
    else:
        for i in range(g.size):
            out[i] = g[i]


@kernel
def column_sums(a, a_at, rows, columns, out, block):
    """Set out (columns,) to the sums over the rows of a (rows, columns).

    Sixty-four rows at a time in `block` (columns,), whose sums are added in order, so that a sum
    over many rows keeps its digits.
    """
    use_whole_vectors()
    T = type(out[0])
    for j in range(columns):
        out[j] = T(0.0)
    for first in range(0, rows, 64):
        for j in range(columns):
            block[j] = T(0.0)
        for r in range(first, min(first + 64, rows)):
            row = view(a, a_at + r * columns, columns)
            for j in range(columns):
                block[j] += row[j]
        for j in range(columns):
            out[j] += block[j]


@kernel
def transpose(a, a_at, a_row, b, b_at, b_row, rows, columns):
    """Set b[j, i] = a[i, j] for i < rows, j < columns, rows being a_row and b_row apart."""
    block = numbers_in(64, a)  # rows and columns taken at a time: a cache line each
    for i in range(0, rows, block):
        height = min(block, rows - i)
        for j in range(0, columns, block):
            source, target = a_at + i * a_row + j, b_at + j * b_row + i
            width = min(block, columns - j)
            if height == block and width == block:
                transpose_block(a, source, a_row, b, target, b_row)
            else:
                for m in range(width):
                    column = view(a, source + m, height * a_row)
                    out = view(b, target + m * b_row, height)
                    for n in range(height):
                        out[n] = column[n * a_row]
