"""The activations, elementwise, with their derivatives. Twin: `bnn_ref/activations.py`."""

from .elementary import (
    exp,
    expm1,
    normal_cdf,
    normal_density,
    sigmoid,
    softplus_sigmoid,
    tanh,
)
from .jit import kernel
from .machine import select, use_whole_vectors

LINEAR, RELU, TANH, SIGMOID, SOFTPLUS, ELU, GELU, SELU, SILU, LEAKY_RELU = range(10)
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848
CODES = {
    "linear": LINEAR,
    "relu": RELU,
    "tanh": TANH,
    "sigmoid": SIGMOID,
    "softplus": SOFTPLUS,
    "elu": ELU,
    "gelu": GELU,
    "selu": SELU,
    "silu": SILU,
}  # and LEAKY_RELU, with its slope


@kernel
def activate(a, slope, code, slopes, leak=0.0):
    """Set a = f(a) and, if `slopes`, slope = f'(a); without, slope may hold anything.

    `leak` is the slope left of 0 of a leaky ReLU.
    """
    use_whole_vectors()
    T = type(a[0])
    n = a.size
    if code == LINEAR:
        if slopes:
            for i in range(n):
                slope[i] = T(1.0)
    elif code == RELU:
        if slopes:
            for i in range(n):
                slope[i] = select(a[i] > T(0.0), T(1.0), T(0.0))
        for i in range(n):  # a NaN stays one
            a[i] = select(a[i] <= T(0.0), T(0.0), a[i])
    elif code == TANH:
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
