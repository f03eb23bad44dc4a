"""The likelihoods of one example, and their gradients. Twin: `bnn_ref/likelihoods/`.

An nll is float64 whatever the outputs are, for it may be larger than any float32. (In compiled
code `float` of a float32 is a float32; `np.float64` widens.)
"""

import math

import numpy as np

from .arrays import put, total
from .elementary import exp, log, softplus_sigmoid
from .jit import kernel
from .machine import select

CATEGORICAL, BERNOULLI, NORMAL, PREDICTED_NORMAL, GIVEN = range(5)  # GIVEN: see `nll_row`
CODES = {
    "categorical": CATEGORICAL,
    "bernoulli": BERNOULLI,
    "normal": NORMAL,
    "predicted_normal": PREDICTED_NORMAL,
}
HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)


@kernel
def nll_row(code, z, target, label, grad, factor, scale, grad_scale, floor, beta):
    """Return the nll of one example, float64, and set grad to its gradient by z times factor.

    Parameters
    ----------
    code : int
    z, target, grad : arrays (O,); target (O / 2,) where the scale is predicted
        Outputs; targets that are numbers; out.
    label : int
        A target that is a class.
    factor : number of z's dtype
    scale : array (O,), or (1,) where it is not learned
        Of the Normal likelihood.
    grad_scale : array (O,)
        Where the scale is learned: its gradient times factor is added.
    floor, beta : float
        Of the Normal likelihood whose scale is predicted.

    Where the code is GIVEN, the outputs are another layer's inputs: target is the loss's gradient
    by them, factor does not count, and the nll is computed elsewhere.
    """
    if code == GIVEN:
        put(target, grad, False)
        return 0.0
    if code == CATEGORICAL:
        return _categorical(z, label, grad, factor)
    if code == BERNOULLI:
        return _bernoulli(z, target, grad, factor)
    if code == PREDICTED_NORMAL:
        return _predicted_normal(z, target, grad, factor, floor, beta)
    return _normal(z, target, grad, factor, scale, grad_scale)


@kernel
def _categorical(z, label, grad, factor):
    """Return -log softmax(z)[label] and set grad to its gradient times factor, for one example.

    A label that is no class gives a NaN, and a step that is not taken.
    """
    T = type(z[0])
    if label < 0 or label >= z.size:
        return np.nan
    largest = z[0]
    for o in range(1, z.size):
        largest = select(z[o] > largest, z[o], largest)
    for o in range(z.size):
        grad[o] = exp(z[o] - largest)
    mass = total(grad)
    for o in range(z.size):
        grad[o] = factor * (grad[o] / mass)
    grad[label] = T(0.0)
    grad[label] = -total(grad)  # p - 1 = -(sum of the others), which rounds nothing away
    return np.float64(largest) - np.float64(z[label]) + np.float64(log(mass))


@kernel
def _bernoulli(z, target, grad, factor):
    """Return sum_o softplus((1 - 2 y) z) and set grad to its gradient times factor."""
    T = type(z[0])
    nll = 0.0
    for o in range(z.size):
        side = T(1.0) - T(2.0) * target[o]
        soft, slope = softplus_sigmoid(side * z[o])
        grad[o] = side * slope * factor
        nll += soft
    return nll


@kernel
def _normal(z, target, grad, factor, scale, grad_scale):
    """Return sum_o t^2/2 + log(s) + log(2 pi)/2, t = (y - z)/s, and set grad.

    Where the scale is learned, grad_scale gets the gradient by s_o, times factor, added to it.
    """
    T = type(z[0])
    learned = grad_scale.size > 0
    nll = 0.0
    for o in range(z.size):
        s = scale[o if learned else 0]
        t = (target[o] - z[o]) / s
        grad[o] = -t / s * factor
        nll += 0.5 * np.float64(t) * np.float64(t) + (np.float64(log(s)) + HALF_LOG_TAU)
        if learned:
            grad_scale[o] += (T(1.0) - t) * (T(1.0) + t) / s * factor
    return nll


@kernel
def _predicted_normal(z, target, grad, factor, floor, beta):
    """Return sum_d t^2/2 + log(s) + log(2 pi)/2, s = floor + softplus(z[D + d]), and set grad."""
    T = type(z[0])
    nll, targets = 0.0, target.size
    for d in range(targets):
        soft, slope = softplus_sigmoid(z[targets + d])
        s = T(floor) + soft
        t = (target[d] - z[d]) / s
        share = factor
        if beta > 0:
            share = factor * exp(T(2.0 * beta) * log(s))
        grad[d] = -t / s * share
        grad[targets + d] = (T(1.0) - t) * (T(1.0) + t) / s * slope * share
        nll += 0.5 * np.float64(t) * np.float64(t) + (np.float64(log(s)) + HALF_LOG_TAU)
    return nll
