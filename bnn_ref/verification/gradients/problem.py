"""A gradient beside its loss: which entries are examined together, and how sure each verdict is."""

from typing import NamedTuple

import numpy as np

from ...errors import expected
from .differences import Loss, central_along, complex_along, is_analytic, named_arrays

RESOLUTION = 0.03  # relative error of one entry that is always caught, or the entry is named
NEARBY = 16  # nearby points at which an entry is differentiated again before it is called wrong
BAND = 16.0  # largest over smallest magnitude of the entries checked by one direction
SHORT = 8  # a row or column of fewer entries says nothing of the size of its sums


class Entry(NamedTuple):
    """One entry of a gradient: where it stands, what was given, what was found, how surely."""

    name: str
    index: tuple
    given: float
    numeric: float
    tolerance: float

    def __str__(self):
        place = f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name
        if np.isnan(self.tolerance):
            return f"{place}: given {self.given:.9g}, below the loss's own rounding errors"
        return (
            f"{place}: given {self.given:.9g}, numerically {self.numeric:.9g} "
            f"(tolerance {self.tolerance:.2g})"
        )


class Problem:
    """A loss, the gradients given for it, and the tolerance of each entry."""

    def __init__(self, loss, arrays, gradients, method):
        if method not in ("auto", "complex", "central"):
            raise expected("method", "auto, complex or central", repr(method))
        self.function = Loss(loss, arrays)
        named = named_arrays(gradients, "gradients")
        names = self.function.names
        if not isinstance(gradients, (list, tuple)) and len(named) > 1:  # a mapping has no order
            named.sort(key=lambda item: names.index(item[0]) if item[0] in names else -1)
        if len(named) != len(names) or (
            hasattr(gradients, "keys") and [name for name, _ in named] != names
        ):
            raise expected("gradients", ", ".join(names), ", ".join(name for name, _ in named))
        longest = max((size for shape in self.function.shapes for size in shape), default=1)
        terms = 8 + np.sqrt(longest)
        self.unit = np.empty_like(self.function.point)
        self.scale = np.empty_like(self.function.point)
        self.tolerance = np.empty_like(self.function.point)
        self.given = np.empty_like(self.function.point)
        for (name, gradient), shape, part, dtype in zip(
            named, self.function.shapes, self.function.slices, self.function.dtypes, strict=True
        ):
            if gradient.shape != shape:
                raise expected(f"gradient of {name}", f"shape {shape}", gradient.shape)
            unit = max(np.finfo(gradient.dtype).eps, np.finfo(dtype).eps) / 2
            self.unit[part] = unit
            self.given[part] = gradient.ravel()
            self.scale[part] = _local_scale(gradient.astype(float)).ravel()
            self.tolerance[part] = unit * terms * self.scale[part]
        if method == "auto":
            method = "complex" if is_analytic(self.function) else "central"
        elif method == "complex" and not is_analytic(self.function):
            raise expected("loss", "an analytic function of complex arrays", "one that is not")
        self.method = method
        self.derivative = complex_along if method == "complex" else central_along

    def entry(self, i, numeric, tolerance):
        """Return the `Entry` of a position."""
        return Entry(*self.function.place(i), float(self.given[i]), float(numeric), tolerance)

    def bands(self):
        """Return blocks of positions, each of one array and of like magnitude, largest last."""
        blocks = []
        for part in self.function.slices:
            positions = np.arange(part.start, part.stop)
            positions = positions[np.isfinite(self.given[part])]
            size = np.abs(self.given[positions])
            blocks.append(positions[size == 0])
            positions, size = positions[size > 0], size[size > 0]
            band = np.floor(np.log(size) / np.log(BAND))
            blocks.extend(positions[band == value] for value in np.unique(band))
        return [block[np.argsort(np.abs(self.given[block]))] for block in blocks if block.size]

    def along(self, block, rng, point=None):
        """Return given derivative, numeric `Derivative` and tolerance along signs on a block."""
        direction = np.zeros_like(self.given)
        direction[block] = rng.choice([-1.0, 1.0], block.size) if block.size > 1 else 1.0
        point = self.function.point if point is None else point
        found = self.derivative(self.function, point, direction)
        tolerance = np.linalg.norm(self.tolerance[block]) + found.error
        return self.given[block] @ direction[block], found, tolerance

    def examine_block(self, block, rng):
        """Return "agrees", "split", or "hopeless" where splitting would not resolve the entries."""
        size = np.abs(self.given[block])
        for _ in range(2 if block.size > 1 else 1):  # two directions: errors may cancel in one
            given, found, tolerance = self.along(block, rng)
            if found.kink or not abs(given - found.value) <= tolerance:
                return "split"
            if size.max() == 0:
                continue
            if RESOLUTION * size.max() < 2 * found.error / np.sqrt(block.size):
                return "hopeless"
            if RESOLUTION * size.min() < 2 * tolerance:
                return "split"
        return "agrees"

    def examine_entry(self, i, rng):
        """Return ("agrees", "kink", "unresolved" or "wrong") and the `Entry`."""
        block = np.array([i])
        given, found, tolerance = self.along(block, rng)
        size = np.abs(self.function.point) + self.function.scale
        nearby = [
            self.along(block, rng, self.function.point + 16 * self.unit * size * shift)[1].value
            for shift in rng.standard_normal((NEARBY, size.size))
        ]
        found, kink = found.value, found.kink
        spread = np.max(np.abs(np.array(nearby) - found))
        sums = max(abs(found), np.max(np.abs(nearby)), self.scale[i])
        kink |= spread > np.sqrt(self.unit[i]) * sums
        conditioning = (8 if kink else 2) * spread + np.sqrt(self.unit[i]) / 8 * abs(given)
        tolerance = tolerance - self.tolerance[i] + conditioning
        entry = self.entry(i, found, float(tolerance))
        if not abs(given - found) <= tolerance:
            return "wrong", entry
        if kink:
            return "kink", entry
        return "agrees" if RESOLUTION * abs(given) >= 2 * tolerance else "unresolved", entry


def _local_scale(gradient):
    """Return for each entry the size of the sums it comes from: largest of its row or column.

    The rounding of an entry of x^T g is a part of sum |x| |g|, not of the entry. The smallest, over
    the axes of at least `SHORT` entries, of the largest magnitude in the slice through the entry;
    the largest of the array where no axis is that long.
    """
    size = np.abs(np.where(np.isfinite(gradient), gradient, 0))
    scale = np.broadcast_to(np.max(size), size.shape)
    if size.ndim > 1:
        for axis, length in enumerate(size.shape):
            if length >= SHORT:
                scale = np.minimum(scale, np.max(size, axis=axis, keepdims=True))
    return scale
