"""Numba when it is needed: to compile, which most processes never do.

Importing Numba takes longer than all else that a process does before its first step, and kernels
that an earlier process compiled run without it (`entries.py`). So the modules of this package take
what they need of Numba from here, where it is a name until something asks for more.
"""

import importlib
from functools import cached_property

__all__ = ["Later", "cgutils", "choose", "intrinsic", "types"]


class _Module:
    """A module that is imported when something of it is asked for."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, name):
        return getattr(importlib.import_module(self._name), name)


types = _Module("numba.core.types")
cgutils = _Module("numba.core.cgutils")
_extending = _Module("numba.extending")
_registry = _Module("numba.core.registry")


class Later:
    """A function that Numba makes something of when compiled code, or anybody else, asks for it.

    Numba takes it for what it becomes.

    Parameters
    ----------
    function : Python function
    make : function
        Called with the function, once; returns what Numba knows.
    """

    def __init__(self, function, make):
        self.py_func, self._make = function, make
        self.__name__, self.__doc__ = function.__name__, function.__doc__
        self.__module__ = function.__module__

    @cached_property
    def made(self):
        """What became of the function."""
        return self._make(self.py_func)

    @cached_property
    def _numba_type_(self):
        kind = getattr(self.made, "_numba_type_", None)
        if kind is None:
            context = _registry.cpu_target.typing_context
            context.refresh()  # what was made just now is known from here on
            kind = context.resolve_value_type(self.made)
        return kind

    def __call__(self, *arguments):
        """Call what became of the function."""
        return self.made(*arguments)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.made, name)


def intrinsic(function):
    """Return Numba's intrinsic of a function: one that writes LLVM code itself."""
    return Later(function, lambda function: _extending.intrinsic(function))


def choose(function):
    """Return a function that compiled code calls, and whose code depends on its arguments' types.

    Parameters
    ----------
    function : Python function
        Called with Numba's types of the arguments, it returns the function for them.
    """

    def make(function):
        def chosen(*arguments):
            raise TypeError(f"{function.__name__}: for compiled code only")

        _extending.overload(chosen)(function)
        return chosen

    return Later(function, make)
