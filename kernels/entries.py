"""Compiled functions that Python calls: compiled once, then loaded, and called without Numba.

The machine code of an entry is one object file with one C function, which takes arrays as Python
has them and whole numbers, and lets other Python threads run meanwhile. `cache.py` keeps the file;
LLVM loads it; ctypes calls it. Numba is imported where there is none yet: `boundary.py`.
"""

import ctypes
import os
import sys
import threading

import numpy as np
from llvmlite import binding

from . import cache
from .kinds import ARRAY, NUMBER, SYMBOL, WHOLE, Kind, check_layout

__all__ = ["Code", "Entry", "entry", "load"]


class Code:
    """Machine code in memory, there as long as this is.

    Parameters
    ----------
    content : bytes
        An object file.
    place : pathlib.Path or None
        The folder it was found in or went to.
    was_kept : bool
        It was found.

    Attributes
    ----------
    address : int
        Of its C function.
    """

    def __init__(self, content, place, was_kept):
        self.place, self.was_kept = place, was_kept
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        target = binding.Target.from_triple(binding.get_process_triple())
        self._engine = binding.create_mcjit_compiler(
            binding.parse_assembly(""), target.create_target_machine()
        )
        self._engine.add_object_file(binding.object_file.ObjectFileRef.from_data(content))
        self._engine.finalize_object()
        self.address = self._engine.get_function_address(SYMBOL)


_lock = threading.RLock()  # one thread loads or compiles
_announced = False


def _new_lock():
    global _lock
    _lock = threading.RLock()  # another thread may have held it when the process was forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def load(function, kinds):
    """Return the `Code` of a function for arguments of those kinds, compiled where there is none.

    Parameters
    ----------
    function : Python function that returns nothing
    kinds : sequence of Kind
    """
    global _announced
    name = cache.name_of(function, kinds)
    content, place = cache.load(name)
    was_kept = content is not None
    if not was_kept:
        if not _announced:
            _announced = True
            print(
                "bnn_ref: compiling kernels for this machine (once, some 10 s)",
                file=sys.stderr,
                flush=True,
            )
        from .boundary import compile_object

        content = compile_object(function, kinds)
        place = cache.save(name, content)
    return Code(content, place, was_kept)


class Entry:
    """A compiled function that Python calls, for arrays of any dtypes: one version for each.

    Parameters
    ----------
    function : Python function
        Of arrays and whole numbers; returns nothing. Arrays must be contiguous, aligned and
        writable.

    Attributes
    ----------
    versions : dict
        The dtypes of the arguments (None: a number) to the `Code` for them.
    """

    def __init__(self, function):
        self.py_func, self.versions, self._calls = function, {}, {}
        self.__name__, self.__doc__ = function.__name__, function.__doc__
        self.__module__ = function.__module__

    def __call__(self, *arguments):
        """Call the version for these arguments.

        Raises
        ------
        TypeError
            For anything but arrays and whole numbers.
        ValueError
            For an array that is strided, read-only, not aligned, or of other dimensions.
        """
        dtypes = tuple([getattr(argument, "dtype", None) for argument in arguments])
        call = self._calls.get(dtypes)
        if call is None:
            call = self._prepare(dtypes, arguments)
        refused = call(*arguments)
        if refused:
            array = arguments[refused - 1]
            raise ValueError(
                f"{self.__name__}: expected argument {refused} contiguous, aligned, writable and "
                f"of as many dimensions as before, found {array.shape}, {str(array.flags).split()}"
            )

    def _prepare(self, dtypes, arguments):
        with _lock:
            if dtypes not in self._calls:
                check_layout()
                kinds = [self._kind(argument) for argument in arguments]
                code = self.versions[dtypes] = load(self.py_func, kinds)
                forms = {ARRAY: ctypes.py_object, NUMBER: ctypes.c_int64}
                form = ctypes.CFUNCTYPE(ctypes.c_int, *(forms[kind.form] for kind in kinds))
                self._calls[dtypes] = form(code.address)
        return self._calls[dtypes]

    def _kind(self, argument):
        if isinstance(argument, np.ndarray):
            return Kind(ARRAY, argument.dtype, argument.ndim)
        if isinstance(argument, int):
            return WHOLE
        raise TypeError(f"{self.__name__}: expected arrays and whole numbers, found {argument!r}")


def entry(function):
    """Return the function as one that Python calls: compiled once, then kept on disk."""
    return Entry(function)
