"""The activations, elementwise, with their derivatives. Twin: `bnn_ref/activations.py`.

The two that nearly every network has are here; `other_activations.py` has the others.
"""

import numpy as np

from .addresses import call_at, memory_of
from .jit import kernel
from .machine import select, use_whole_vectors
from .other_activations import CODES as OTHERS
from .other_activations import compiled_others

LINEAR, RELU = range(2)
CODES = {"linear": LINEAR, "relu": RELU, **OTHERS}  # and LEAKY_RELU, with its slope


def address_of(code, dtype):
    """Return what `activate` takes as `others` for a code, for numbers of a dtype."""
    return 0 if code in (LINEAR, RELU) else compiled_others(np.dtype(dtype)).address


@kernel
def activate(a, slope, code, slopes, leak, others):
    """Set a = f(a) and, if `slopes`, slope = f'(a); without, slope may hold anything.

    Parameters
    ----------
    a, slope : flat arrays of one dtype and size
    code : int
    slopes : bool
    leak : float64
        The slope left of 0 of a leaky ReLU.
    others : int
        The address that `address_of` says.
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
    else:
        call_at(others, memory_of(a), memory_of(slope), n, code, leak)
