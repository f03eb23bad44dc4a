"""What a person's function returned, taken strictly: nothing missing or None in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...errors import expected
from ..containers import as_array
from .shapes import optional_shapes, result_shapes

if TYPE_CHECKING:
    from .files import Vector


def take_results(
    question: Vector, returned: Mapping[str, Any], partial: bool = False
) -> dict[str, NDArray[Any]]:
    """Return a dict of arrays by the names of `docs/vectors.md` of what a function returned.

    Parameters
    ----------
    question : Vector
    returned : mapping
        By the names of the file ("outputs", "grad.layers.0.kernel_mu", "grad.x"), or in short:
        ``kl_layers`` a sequence of each layer's KL, ``grads`` a mapping by parameter name
        ("layers.0.kernel_mu"), ``grad_x``; for a question of version 2, if one likes,
        ``pre_activations``, one for each layer that has an activation, else None. Values are
        arrays, numbers, or tensors of a framework.
    partial : bool
        Whether results may be missing or None.

    Raises
    ------
    ValueError
        Naming what is missing, None, unknown, complex or of another shape than the question's. A
        NaN is no reason: it is what the function computed, and disagrees.
    """
    if not isinstance(returned, Mapping):
        raise expected("results", "a mapping of names to arrays", type(returned).__name__)
    named = _flattened(returned, len(question.meta["layers"]))
    due = result_shapes(question.meta, question.x.shape)
    optional = optional_shapes(question.meta, question.x.shape)
    shapes = {name: shape for name, (shape, _) in {**due, **optional}.items()}
    results = {}
    for name, value in named.items():
        if name not in shapes:
            raise expected(name, f"one of {', '.join(shapes)}", "this name")
        if value is not None:
            results[name] = _taken(name, value, shapes[name])
    if set(optional) & set(results):
        due |= optional
    missing = [name for name in due if name not in results]
    if missing and not (partial and results):
        raise expected(", ".join(missing), "a result", "none (or ask for a partial check)")
    return results


def _flattened(returned, layers):
    """Return the results with short names spelled out."""
    named = {}
    for name, value in returned.items():
        if name == "kl_layers" and value is not None:
            values = list(value)
            if len(values) != layers:
                raise expected("kl_layers", f"{layers}, one for each layer", f"{len(values)}")
            named |= {f"layers.{k}.kl": kl for k, kl in enumerate(values)}
        elif name == "pre_activations" and value is not None:
            named |= {f"layers.{k}.pre_activation": a for k, a in enumerate(value) if a is not None}
        elif name == "grads" and isinstance(value, Mapping):
            named |= {f"grad.{key}": gradient for key, gradient in value.items()}
        else:
            named["grad.x" if name == "grad_x" else name] = value
    return named


def _taken(name, value, shape):
    value = as_array(value)
    if value.dtype.kind not in "iuf":
        raise expected(name, "real numbers", value.dtype)
    if value.shape != shape:
        raise expected(name, f"shape {shape}", f"{value.shape}")
    return value
