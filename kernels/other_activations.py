"""The activations other than `linear` and `relu`, compiled when a network has one.

Twin: `bnn_ref/activations.py`. Most networks have none of them, and a cold start would spend a
tenth of its time on them: `activations.activate` calls them by their address, which is in a layer's
record.
"""

from functools import cache

import numpy as np

from .addresses import view
from .elementary import exp, expm1, normal_cdf, normal_density, sigmoid, softplus_sigmoid, tanh
from .entries import load
from .jit import kernel
from .kinds import POINTER, REAL, WHOLE, Kind
from .machine import select, use_whole_vectors

CODES = {"tanh": 2, "sigmoid": 3, "softplus": 4, "elu": 5, "gelu": 6, "selu": 7, "silu": 8}
TANH, SIGMOID, SOFTPLUS, ELU, GELU, SELU, SILU = CODES.values()
LEAKY_RELU = 9  # which has a slope besides
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848


@kernel
def _activate(a, slope, code, leak):
    """Set a = f(a) and slope = f'(a)."""
    use_whole_vectors()
    T = type(a[0])
    n = a.size
    if code == TANH:
        for i in range(n):
            h = tanh(a[i])
            a[i] = h
            slope[i] = (T(1.0) - h) * (T(1.0) + h)
    elif code == SIGMOID:
        for i in range(n):
            h = sigmoid(a[i])
            slope[i] = h * sigmoid(-a[i])
            a[i] = h
    elif code == SOFTPLUS:
        for i in range(n):
            a[i], slope[i] = softplus_sigmoid(a[i])
    elif code == ELU:
        for i in range(n):
            low = select(a[i] > T(0.0), T(0.0), a[i])
            slope[i] = exp(low)
            a[i] = select(a[i] > T(0.0), a[i], expm1(low))
    elif code == SELU:
        for i in range(n):
            low = select(a[i] > T(0.0), T(0.0), a[i])
            left = T(SELU_SCALE * SELU_ALPHA)
            slope[i] = select(a[i] > T(0.0), T(SELU_SCALE), left * exp(low))
            a[i] = select(a[i] > T(0.0), T(SELU_SCALE) * a[i], left * expm1(low))
    elif code == SILU:
        for i in range(n):
            s = sigmoid(a[i])
            h = a[i] * s
            slope[i] = s + h * sigmoid(-a[i])
            a[i] = h
    elif code == LEAKY_RELU:
        for i in range(n):
            slope[i] = select(a[i] > T(0.0), T(1.0), T(leak))
            a[i] = select(a[i] > T(0.0), a[i], T(leak) * a[i])
    else:
        for i in range(n):
            cdf = normal_cdf(a[i])
            slope[i] = cdf + a[i] * normal_density(a[i])
            a[i] = a[i] * cdf


def other_activations(a, slope, n, code, leak):
    """Set n numbers from a on to f(a), and as many from slope on to f'(a); a and slope: pointers.

    `leak` is the slope left of 0 of a leaky ReLU.
    """
    _activate(view(a, 0, n), view(slope, 0, n), code, leak)


@cache
def compiled_others(dtype):
    """Return `other_activations` for a dtype, compiled or loaded: a `Code`."""
    numbers = Kind(POINTER, np.dtype(dtype))
    return load(other_activations, (numbers, numbers, WHOLE, WHOLE, REAL))
