"""The numba back end: the step of `reference.py` on compiled kernels."""
