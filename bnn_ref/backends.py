"""The back ends by name: "numba" (`compiled.py`) and "numpy" (`reference.py`)."""

from types import ModuleType

from .errors import expected


def get_backend(backend="numba"):
    """Return the back end of a name, or the module itself where one is given.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if isinstance(backend, ModuleType):
        return backend
    if backend == "numpy":
        from . import reference

        return reference
    if backend == "numba":
        from . import compiled

        return compiled
    raise expected("backend", "'numba', 'numpy' or a module", repr(backend))
