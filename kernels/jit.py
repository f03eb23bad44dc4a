"""The one place that fixes how kernels are compiled; `entries.py` has those that Python calls.

Options: ``error_model="numpy"`` (a division without a zero check, or no loop with one is
vectorised) and fastmath as far as no result can depend on it in kind: the sign of a zero. Flags
that assume that no NaN occurs are left out, for a NaN must reach the loss; so are those that
reorder sums and that fuse a product with a sum where the compiler likes: `arrays.total` says the
order of a sum, `machine.multiply_add` what is rounded once, so that every processor gives the same
bits. References to arrays are not counted: kernels own no memory, and return no arrays.
"""

from .later import Later

__all__ = ["inner", "jitted", "kernel"]

OPTIONS = {"error_model": "numpy", "fastmath": {"nsz"}, "_nrt": False}


def jitted(function, **more):
    """Return the function as Numba compiles it for compiled code alone, when that calls it."""
    import numba

    from .inside import LinkedCompiler, take_no_literals

    jit = numba.njit(**OPTIONS, no_cfunc_wrapper=True, no_cpython_wrapper=True,
                     pipeline_class=LinkedCompiler, **more)  # fmt: skip
    return take_no_literals(jit(function))


def inner(function):
    """Return a small function that compiled code calls in loops, and that is always inlined."""
    return Later(function, lambda function: jitted(function, forceinline=True))


def kernel(function):
    """Return a function that compiled code calls."""
    return Later(function, jitted)
