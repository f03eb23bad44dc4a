"""At which precision each tensor of an answer was computed, as far as its numbers tell.

Numbers that are all of a coarse format name it, tensor by tensor. Otherwise errors that look like
rounding name the precision of matrix products by their size; but a small mistake can look so as
well, so this is said only where no known mistake explains the answer, and where the outputs show it
while every KL, which has no product, agrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST = 6  # entries of a tensor whose errors are read
_SLANT = 0.85  # correlation with the tensor above which errors are no rounding; a factor has 1
_SAME = 0.7  # share of the errors' square that a row or a column may have in common
_TAIL = 8.0  # largest error over their root mean square, for rounding

# Root mean square error over the root mean square of the tensor, between which rounding is said.
_SIZES = (
    ("float32", 2e-9, 1e-6),
    ("TF32, or float16, products", 2e-5, 4e-4),
    ("bfloat16 products", 4e-4, 8e-3),
)


def _bits(value, low):
    """Return whether numbers, all of float32, have no bit set among so many lowest."""
    bits = np.ascontiguousarray(value, np.float32).view(np.uint32)
    return not np.any(bits & np.uint32((1 << low) - 1))


def format_of(value: NDArray[Any]) -> str:
    """Return the coarsest format that an array's numbers all are of, "float64" where none is.

    Parameters
    ----------
    value : array
    """
    with np.errstate(over="ignore"):
        if not np.array_equal(value.astype(np.float32), value):
            return "float64"
        half = np.array_equal(value.astype(np.float16), value)
    if _bits(value, 16):
        return "bfloat16"
    return "float16" if half else "TF32" if _bits(value, 13) else "float32"


def rounding(found: NDArray[Any], right: NDArray[Any]) -> float:
    """Return the root mean square error over the right tensor's; 0 where it looks like no rounding.

    Rounding hits most entries, none many times as much as the rest, as often up as down, and is
    not the same along a row or a column.

    Parameters
    ----------
    found, right : arrays of one shape
    """
    if np.size(found) < _LEAST or not np.all(np.isfinite(found)) or not np.any(right):
        return 0.0
    error = found - right
    rms, size = np.sqrt(np.mean(error**2)), np.sqrt(np.mean(right**2))
    slant = abs(np.mean(error * right)) / (rms * size) if rms else 1.0
    fits = slant <= _SLANT and np.max(np.abs(error)) <= _TAIL * rms and np.mean(error != 0) > 0.5
    lines = [axis for axis in range(np.ndim(error)) if error.shape[axis] > 2]
    same = [np.mean(np.mean(error, axis=axis) ** 2) for axis in lines if np.ndim(error) > 1]
    return float(rms / size) if fits and max(same, default=0.0) <= _SAME * rms**2 else 0.0


def _by_format(row, dtype):
    """Return the coarse format that all of a tensor's numbers are of, "" where there is none."""
    if row.error == 0 or not np.all(np.isfinite(row.found)) or row.error >= 0.2:
        return ""
    kind = format_of(np.asarray(row.found))
    told = kind not in (dtype, "float64") and (kind == "float32" or np.size(row.found) > 1)
    return kind if told else ""


def _of_row(row):
    return rounding(np.asarray(row.found), np.asarray(row.expected))


def of_products(rows: Sequence[Any]) -> dict[str, list[str]]:
    """Return {precision: names} of matrix products, by the errors of all that is behind one.

    Parameters
    ----------
    rows : sequence of `comparison.Row`
    """
    named = {row.name: row for row in rows}
    if "outputs" not in named or not _of_row(named["outputs"]):
        return {}
    if not all(row.agrees for name, row in named.items() if name.endswith("kl")):
        return {}
    sizes = {row.name: size for row in rows if not row.agrees and (size := _of_row(row))}
    middle = float(np.median(list(sizes.values()))) if sizes else 0.0
    return {name: list(sizes) for name, low, high in _SIZES if low < middle < high}


def of_formats(rows: Sequence[Any], dtype: str) -> dict[str, list[str]]:
    """Return {format: names} of the tensors that do not agree and whose numbers are all of one.

    Parameters
    ----------
    rows : sequence of `comparison.Row`
    dtype : "float64" or "float32"
        The file's.
    """
    named = {}
    for row in rows:
        told = "" if row.agrees else _by_format(row, dtype)
        if told:
            named.setdefault(told, []).append(row.name)
    return named
