"""The one place that fixes how kernels are compiled; `cache.py` says where they are kept.

Options: ``nogil`` (sweeps run on several Python threads), ``error_model="numpy"`` (a division
without a zero check, or no loop with one is vectorised) and fastmath as far as no result can
depend on it in kind: contraction to fused multiply-adds and the sign of a zero. Flags that assume
that no NaN occurs are left out, for a NaN must reach the loss; so is the one that reorders sums:
`arrays.total` says the order of a sum itself.
"""

import numba

from .cache import Cache

__all__ = ["entry", "inner", "kernel"]

OPTIONS = {"nogil": True, "error_model": "numpy"}
EXACT = {"contract", "nsz"}

# Called from compiled code only, so nothing is compiled for Python to call them by.
INSIDE = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

inner = numba.njit(**INSIDE, fastmath=EXACT, forceinline=True)  # small, called in loops
kernel = numba.njit(**INSIDE, fastmath=EXACT)


def entry(function):
    """Return the function jitted as one that Python calls: compiled once, then kept on disk."""
    dispatcher = numba.njit(**OPTIONS, fastmath=EXACT)(function)
    dispatcher._cache = Cache(function)
    return dispatcher
