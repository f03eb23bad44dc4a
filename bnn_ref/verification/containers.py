"""Nested containers of arrays, as frameworks keep parameters: named, flattened and built again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import expected


def as_array(value: Any) -> NDArray[Any]:
    """Return an array, or a tensor of PyTorch, JAX or TensorFlow (on any device), as a NumPy array.

    A tensor that requires gradients is detached; bfloat16 becomes float32, which keeps its values.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    value = np.asarray(value)
    # (the name of a dtype is slow to ask for, and NumPy's own are none of those)
    is_bfloat16 = value.dtype.kind not in "fiub" and value.dtype.name == "bfloat16"
    return value.astype(np.float32) if is_bfloat16 else value


def one_number(value: Any, thing: str) -> float:
    """Return the one finite number that an array or tensor holds, or raise a `ValueError`."""
    value = as_array(value)
    if value.size != 1 or not np.all(np.isfinite(value)):
        raise expected(thing, "one finite number", f"{value!r}")
    return float(value.reshape(()))


def like(given: Any, array: NDArray[Any]) -> Any:
    """Return an array as what was given is: a tensor of PyTorch on its device, else as it is."""
    if not hasattr(given, "detach"):
        return array
    import torch

    return torch.from_numpy(array).to(given.device)


def leaves(container: Any, thing: str = "arrays") -> list[tuple[str, Any]]:
    """Return [(name, value)] of everything in nested mappings, lists and tuples, in their order.

    A name is the path: ``layers[0].kernel``; that of one bare array is ``thing``.
    """
    return _leaves(container, "", thing)


def _leaves(container, path, thing):
    if isinstance(container, Mapping):
        parts = [(f"{path}.{key}" if path else str(key), part) for key, part in container.items()]
    elif isinstance(container, (list, tuple)):
        parts = [(f"{path or thing}[{k}]", part) for k, part in enumerate(container)]
    else:
        return [(path or thing, container)]
    return [leaf for name, part in parts for leaf in _leaves(part, name, thing)]


def rebuilt(container: Any, parts: Iterator[Any]) -> Any:
    """Return a container like the given one, its leaves taken from an iterator; mappings as dict.

    Parameters
    ----------
    container : mapping, list, tuple, named tuple, nested as one likes, or one leaf
    parts : iterator, over the new leaves in the order of `leaves`
    """
    if isinstance(container, Mapping):
        return {key: rebuilt(part, parts) for key, part in container.items()}
    if isinstance(container, (list, tuple)):
        inner = [rebuilt(part, parts) for part in container]
        if hasattr(container, "_fields"):
            return type(container)(*inner)
        return tuple(inner) if isinstance(container, tuple) else inner
    return next(parts)


def named_arrays(arrays: Any, thing: str = "arrays") -> list[tuple[str, NDArray[Any]]]:
    """Return [(name, array)] of a container of arrays or tensors, or of one.

    Raises
    ------
    ValueError
        For an array that is not float32 or float64 or is empty, and where there is none.
    """
    named = [(name, as_array(value)) for name, value in leaves(arrays, thing)]
    for name, value in named:
        if value.dtype not in (np.float32, np.float64):
            raise expected(f"{thing} {name}", "float32 or float64", value.dtype)
        if value.size == 0:
            raise expected(f"{thing} {name}", "at least one entry", f"shape {value.shape}")
    if not named:
        raise expected(thing, "at least one array", "none")
    return named
