"""The third sweep, over the weights: weight gradients, the KL's gradient, Adam.

Twins: the part of `reference.backward_layer` that has no example axis, and `adam.update`. What
differs: a gradient exists for some rows of a kernel at a time, in a buffer that stays in the
cache, and is used up at once.
"""

import numpy as np

from .jit import kernel
from .machine import select, use_whole_vectors, view


@kernel
def adam(p, m, v, g, rate, scale, beta_1, beta_2, epsilon, tiny):
    """Take an Adam step in place. Twin: `adam.update`.

    Moments below `tiny`, the smallest normal number, become 0: a gradient that is 0 for long
    would leave subnormal numbers there, which are slow.
    """
    use_whole_vectors()
    T = type(rate)
    rest_1, rest_2 = T(1.0) - beta_1, T(1.0) - beta_2
    for i in range(p.size):
        first = beta_1 * m[i] + rest_1 * g[i]
        second = beta_2 * v[i] + rest_2 * g[i] * g[i]
        first = select(abs(first) < tiny, T(0.0), first)
        second = select(second < tiny, T(0.0), second)
        m[i] = first
        v[i] = second
        p[i] -= rate * first / (np.sqrt(second) * scale + epsilon)


@kernel
def pull_mean(g, mu, loc, prior_scale, kl_weight):
    """Add to g, the nll's gradient by mu, the KL's: kl_weight (mu - m) / s^2."""
    use_whole_vectors()
    T = type(prior_scale)
    inverse, weight = T(1.0) / prior_scale, kl_weight / prior_scale
    for i in range(g.size):
        g[i] += weight * ((mu[i] - loc) * inverse)


@kernel
def through_rho(g, factor, pull, kl_weight):
    """Turn g from the nll's gradient by delta into the loss's by rho."""
    use_whole_vectors()
    for i in range(g.size):
        g[i] = g[i] * factor[i] + kl_weight * pull[i]


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
