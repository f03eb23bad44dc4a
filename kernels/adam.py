"""What becomes of a finished gradient: an Adam step, or a place. Twin: `bnn_ref/step/adam.py`.

A gradient exists for some weights at a time, in a buffer that stays in the cache, and is used up at
once.
"""

import numpy as np

from .arrays import put
from .jit import kernel
from .machine import select, use_whole_vectors, view
from .records import ADAM, ADD


@kernel
def use_up(g, place, run, memory):
    """Use up a finished gradient g of the parameters from `place` on, as the run wants it."""
    if run.gradients_to == ADAM:
        adam(view(memory.parameters, place, g.size), view(memory.moment_1, place, g.size),
             view(memory.moment_2, place, g.size), g, run)  # fmt: skip
    else:
        put(g, view(memory.gradients, place, g.size), run.gradients_to == ADD)


@kernel
def adam(p, m, v, g, run):
    """Take an Adam step in place, with the factors in `run`. Twin: `adam.update`.

    Moments below the smallest normal number become 0: a gradient that is 0 for long would leave
    subnormal numbers there, which are slow.
    """
    use_whole_vectors()
    T = type(p[0])
    tiny = np.finfo(p.dtype).tiny
    rate, scale, epsilon = T(run.rate), T(run.scale), T(run.epsilon)
    beta_1, beta_2 = T(run.beta_1), T(run.beta_2)
    rest_1, rest_2 = T(run.rest_1), T(run.rest_2)
    for i in range(p.size):
        first = beta_1 * m[i] + rest_1 * g[i]
        second = beta_2 * v[i] + rest_2 * g[i] * g[i]
        first = select(abs(first) < tiny, T(0.0), first)
        second = select(second < tiny, T(0.0), second)
        m[i] = first
        v[i] = second
        p[i] -= rate * first / (np.sqrt(second) * scale + epsilon)
