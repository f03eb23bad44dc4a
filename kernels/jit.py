"""The one place that fixes how kernels are compiled; `cache.py` says where they are kept.

Options: ``nogil`` (sweeps run on several Python threads), ``error_model="numpy"`` (a division
without a zero check, or no loop with one is vectorised) and fastmath as far as no result can
depend on it in kind: the sign of a zero. Flags that assume that no NaN occurs are left out, for a
NaN must reach the loss; so are those that reorder sums and that fuse a product with a sum where the
compiler likes: `arrays.total` says the order of a sum, `machine.multiply_add` what is rounded once,
so that every processor gives the same bits.
"""

import numba
from numba.core.ccallback import CFunc

from .cache import Cache
from .compiler import KernelCompiler
from .inside import LinkedCompiler, take_no_literals

__all__ = ["by_address", "entry", "inner", "kernel"]

OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"nsz"}}


def _inside(**more):
    """Return a decorator for functions called from compiled code only."""
    jit = numba.njit(**OPTIONS, no_cfunc_wrapper=True, no_cpython_wrapper=True,
                     pipeline_class=LinkedCompiler, **more)  # fmt: skip
    return lambda function: take_no_literals(jit(function))


inner = _inside(forceinline=True)  # small, called in loops
kernel = _inside()


def entry(function):
    """Return the function jitted as one that Python calls: compiled once, then kept on disk."""
    jit = numba.njit(**OPTIONS, no_cfunc_wrapper=True, pipeline_class=KernelCompiler)
    dispatcher = jit(function)
    dispatcher._cache = Cache(function)
    return dispatcher


def by_address(function, arguments):
    """Return a function that compiled code calls by its `address`: compiled once, kept on disk.

    The code is there as long as what is returned.

    Parameters
    ----------
    function : Python function that returns nothing
    arguments : tuple of Numba's types
    """
    made = CFunc(function, (arguments, numba.types.void), {}, OPTIONS, KernelCompiler)
    made._cache = Cache(function)
    made.compile()
    return made
