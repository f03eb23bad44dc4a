"""The back ends by name: "numba" (`compiled.py`) and "numpy" (`reference.py`)."""

from __future__ import annotations

import sys
import warnings
from functools import cache
from types import ModuleType

from .errors import expected


def get_backend(backend: str | ModuleType = "numba") -> ModuleType:
    """Return the back end of a name, or the module itself where one is given.

    Where Numba cannot be used, "numba" means the NumPy back end too, and a `RuntimeWarning` says
    so and why.

    Parameters
    ----------
    backend : "numba", "numpy" or a module with their functions

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if isinstance(backend, ModuleType):
        return backend
    if backend not in ("numba", "numpy"):
        raise expected("backend", "'numba', 'numpy' or a module", repr(backend))
    if backend == "numba":
        reason = why_not_numba()
        if reason is None:
            from .fast import compiled

            return compiled
        warnings.warn(
            f"backend 'numba' cannot be used ({reason}); 'numpy' serves instead, more slowly",
            RuntimeWarning,
            stacklevel=1,  # this line: Python shows a place's warning once
        )
    from . import reference

    return reference


def name_of(backend: ModuleType) -> str:
    """Return "numba" or "numpy" for a backend that is one of ours, else its module's last name."""
    name = backend.__name__.rpartition(".")[2]
    return {"compiled": "numba", "reference": "numpy"}.get(name, name)


def why_not_numba() -> str | None:
    """Return why the numba back end cannot be used, in a few words, or None where it can."""
    try:
        from .fast import compiled  # noqa: F401

        if "numba" in sys.modules or not _is_compiled():
            import numba  # which compiled code runs without, once it is kept

            if numba.config.DISABLE_JIT:
                return "NUMBA_DISABLE_JIT is set"
    except Exception as error:  # a broken or ill-matched installation raises what it likes
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


@cache
def _is_compiled():
    """Return whether an earlier process compiled a step; looked up once, for it opens folders."""
    from .kernels.cache import holds
    from .kernels.run import run

    return holds(run.py_func)
