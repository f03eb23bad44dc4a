"""What becomes of a finished gradient: an Adam step, or a place. Twin: `bnn_ref/step/adam.py`.

A gradient exists for some weights at a time, in a buffer that stays in the cache, and is used up at
once.
"""

import numpy as np

from .addresses import view
from .arrays import put
from .elementary import exp_series, less_exponent, power_of_2
from .jit import kernel
from .machine import multiply_add, select, tiny_of, use_whole_vectors
from .records import ADAM, ADD

LARGE_RATE, SMALL_EPSILON = 1e6, 1e-30  # from here on an update may overflow, see `is_plain`


@kernel
def _correction(log_beta, step):
    """Return 1 - beta^t = -expm1(t log(beta)), by no library's functions."""
    x = np.float64(step) * log_beta
    if x < -40.0:  # exp(x) is lost beside 1
        return 1.0
    n = np.floor(x * 1.4426950408889634 + 0.5)
    r = less_exponent(n, x)
    power = power_of_2(n)
    return multiply_add(-power, multiply_add(r * r, exp_series(r), r), 1.0 - power)


@kernel
def set_factors(run, step):
    """Set the run's rate and scale of step t >= 1. Twin: `Adam.factors`."""
    correct_1 = _correction(run.log_beta_1, step)
    correct_2 = np.sqrt(_correction(run.log_beta_2, step))
    if run.paper == 1:
        run.rate, run.scale = run.learning_rate / correct_1, 1.0 / correct_2
    else:
        run.rate, run.scale = run.learning_rate * correct_2 / correct_1, 1.0


@kernel
def is_plain(run):
    """Return whether an update with a gradient that is finite, and its square, is finite too.

    A larger rate, or nothing beside a root of 0, may overflow.
    """
    return run.rate < LARGE_RATE and run.epsilon > SMALL_EPSILON


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
    tiny = tiny_of(p[0])
    rate, scale, epsilon = T(run.rate), T(run.scale), T(run.epsilon)
    beta_1, beta_2 = T(run.beta_1), T(run.beta_2)
    rest_1, rest_2 = T(run.rest_1), T(run.rest_2)
    for i in range(p.size):
        first = multiply_add(beta_1, m[i], rest_1 * g[i])
        second = multiply_add(beta_2, v[i], rest_2 * g[i] * g[i])
        first = select(abs(first) < tiny, T(0.0), first)
        second = select(second < tiny, T(0.0), second)
        m[i] = first
        v[i] = second
        p[i] -= rate * first / multiply_add(np.sqrt(second), scale, epsilon)
