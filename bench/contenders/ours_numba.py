"""This project's Numba back end: three compiled sweeps over plain arrays."""

from . import ours_numpy


class Contender(ours_numpy.Contender):
    backend_name = "numba"
