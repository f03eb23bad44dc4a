"""The second sweep, over the examples: forward, likelihood, backward to every layer's outputs.

Twins: `reference.forward_layer`, the likelihoods' `nll_and_gradient`, and the part of
`reference.backward_layer` that has an example axis. What differs: work is cut into tiles of rows
and columns, and what the backward pass needs is left behind in the form in which it is needed.
"""

import math

import numpy as np

from . import layout as at
from .elementary import (
    exp,
    expm1,
    log,
    normal_cdf,
    normal_density,
    sigmoid,
    softplus_sigmoid,
    tanh,
)
from .jit import kernel
from .machine import select, transpose_block, use_whole_vectors, view
from .sample import total

HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)


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
def bend(out, sign, shift, flip):
    """Set out = (out + flip) * sign + shift for a row: what noise and bias add to h mu."""
    use_whole_vectors()
    for i in range(out.size):
        out[i] = (out[i] + flip[i]) * sign[i] + shift[i]


@kernel
def activate(a, slope, kind, slopes):
    """Set a = f(a) and, if asked for, slope = f'(a). Twin: `activations.ACTIVATIONS`."""
    use_whole_vectors()
    T = type(a[0])
    n = a.size
    if kind == at.LINEAR:
        if slopes:
            for i in range(n):
                slope[i] = T(1.0)
    elif kind == at.RELU:
        if slopes:
            for i in range(n):
                slope[i] = select(a[i] > T(0.0), T(1.0), T(0.0))
        for i in range(n):  # a NaN stays one
            a[i] = select(a[i] <= T(0.0), T(0.0), a[i])
    elif kind == at.TANH:
        for i in range(n):
            h = tanh(a[i])
            a[i] = h
            slope[i] = (T(1.0) - h) * (T(1.0) + h)
    elif kind == at.SIGMOID:
        for i in range(n):
            h = sigmoid(a[i])
            slope[i] = h * sigmoid(-a[i])
            a[i] = h
    elif kind == at.SOFTPLUS:
        for i in range(n):
            a[i], slope[i] = softplus_sigmoid(a[i])
    elif kind == at.ELU:
        for i in range(n):
            low = select(a[i] > T(0.0), T(0.0), a[i])
            slope[i] = exp(low)
            a[i] = select(a[i] > T(0.0), a[i], expm1(low))
    else:
        for i in range(n):
            cdf = normal_cdf(a[i])
            slope[i] = cdf + a[i] * normal_density(a[i])
            a[i] = a[i] * cdf


@kernel
def categorical_row(z, label, grad, factor):
    """Return -log softmax(z)[label] and set grad to its gradient times factor, for one example."""
    T = type(z[0])
    largest = z[0]
    for o in range(1, z.size):
        largest = max(largest, z[o])
    for o in range(z.size):
        grad[o] = exp(z[o] - largest)
    mass = total(grad)
    for o in range(z.size):
        grad[o] = factor * (grad[o] / mass)
    grad[label] = T(0.0)
    grad[label] = -total(grad)  # p - 1 = -(sum of the others), which rounds nothing away
    return largest - z[label] + log(mass)


@kernel
def bernoulli_row(z, target, grad, factor):
    """Return sum_o softplus((1 - 2 y) z) and set grad to its gradient times factor."""
    T = type(z[0])
    found = T(0.0)
    for o in range(z.size):
        side = T(1.0) - T(2.0) * target[o]
        soft, slope = softplus_sigmoid(side * z[o])
        grad[o] = side * slope * factor
        found += soft
    return found


@kernel
def normal_row(z, target, grad, factor, scale, grad_scale, learned):
    """Return sum_o t^2/2 + log(s) + log(2 pi)/2, t = (y - z)/s, and set grad.

    Where the scale is learned, scale holds (s_o) and grad_scale gets the gradient by s_o, times
    factor, added to it.
    """
    T = type(z[0])
    found = T(0.0)
    for o in range(z.size):
        s = scale[o] if learned else scale[0]
        t = (target[o] - z[o]) / s
        grad[o] = -t / s * factor
        found += T(0.5) * t * t + (np.log(s) + T(HALF_LOG_TAU))
        if learned:
            grad_scale[o] += (T(1.0) - t) * (T(1.0) + t) / s * factor
    return found


@kernel
def transpose(a, a_at, a_row, b, b_at, b_row, rows, columns):
    """Set b[j, i] = a[i, j] for i < rows, j < columns, rows being a_row and b_row apart."""
    block = 64 // a.itemsize  # rows and columns taken at a time: a cache line each
    for i in range(0, rows, block):
        height = min(block, rows - i)
        for j in range(0, columns, block):
            source, target = a_at + i * a_row + j, b_at + j * b_row + i
            width = min(block, columns - j)
            if height == block and width == block:
                transpose_block(a, source, a_row, b, target, b_row)
            else:
                for m in range(width):
                    out = view(b, target + m * b_row, height)
                    for n in range(height):
                        out[n] = a[source + m + n * a_row]


@kernel
def join(grad, flipped, sign, slope, sign_output):
    """Set, for a row, grad = (grad + flipped * sign) * slope and flipped = grad * sign_output."""
    use_whole_vectors()
    for i in range(grad.size):
        g = (grad[i] + flipped[i] * sign[i]) * slope[i]
        grad[i] = g
        flipped[i] = g * sign_output[i]


@kernel
def join_inputs(grad, flipped, sign):
    """Set, for a row, grad = grad + flipped * sign: the gradient by the inputs."""
    use_whole_vectors()
    for i in range(grad.size):
        grad[i] = grad[i] + flipped[i] * sign[i]
