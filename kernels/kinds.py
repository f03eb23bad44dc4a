"""How Python calls compiled code: what its arguments are, and how an array lies in memory."""

import ctypes
from typing import NamedTuple

import numpy as np

__all__ = ["ARRAY", "NUMBER", "POINTER", "REAL", "SYMBOL", "WHOLE", "Array", "Kind", "check_layout"]

SYMBOL = "bnn_ref_entry"  # the C function's name in its object file
NUMBER, ARRAY, POINTER = "number", "array", "pointer"


class Kind(NamedTuple):
    """What an argument is.

    Attributes
    ----------
    form : "array", "pointer" or "number"
    dtype : numpy.dtype
    dimensions : int
        Of an array.
    """

    form: str
    dtype: np.dtype
    dimensions: int = 0


WHOLE = Kind(NUMBER, np.dtype(np.int64))
REAL = Kind(NUMBER, np.dtype(np.float64))


class Array(ctypes.Structure):
    """A NumPy array's object in memory, as NumPy's own macros read it: ``PyArrayObject_fields``."""

    _fields_ = (
        ("head", ctypes.c_char * object.__basicsize__),
        ("data", ctypes.c_void_p),
        ("dimensions", ctypes.c_int),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("base", ctypes.c_void_p),
        ("dtype", ctypes.c_void_p),
        ("flags", ctypes.c_int),
    )


def check_layout():
    """Raise a `RuntimeError` where arrays do not lie in memory as compiled code reads them."""
    array = np.zeros((2, 3))
    found = Array.from_address(id(array))
    if (found.data, found.dimensions, found.flags) != (array.ctypes.data, 2, array.flags.num):
        raise RuntimeError("NumPy's arrays lie in memory otherwise than they did up to NumPy 2")
