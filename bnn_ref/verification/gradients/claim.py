"""A gradient claimed for a loss: which entries are examined together, and how sure each verdict is.

A block of entries is accepted only where every one of D random directions (`weights`) agrees with
the loss within a tolerance of at most T = w / R, w being the least error that counts as wrong in
the block. Let the claimed gradient be wrong there, m >= w being its largest error. By `weights`,
one direction agrees with probability at most T / m <= 1 / R, D of them with at most R^-D, whatever
the errors are, of two entries or of all. `LEVELS` lists what is allowed; which level serves is read
off the first direction, so the levels' probabilities add up: 3.7e-6 for a block. A block with a
wrong entry that is not accepted is halved. Two wrong entries stand in the same block at most
log2(n) + 1 times, 27 for n = 67 million; once apart, each alone reaches its sum whole and is seen
for sure. So two wrong entries are both accepted with probability below 27 * 3.7e-6 = 1e-4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...border import check_choice, check_number
from ...errors import expected
from ..containers import named_arrays
from .differences import Loss, central_along, complex_along, is_analytic, weights

if TYPE_CHECKING:
    from .differences import Derivative

RESOLUTION = 0.03  # relative error of one entry that counts as wrong
LEVELS = ((1000.0, 2), (100.0, 3), (30.0, 4), (8.0, 7))  # (R, D): see above
NEARBY = 16  # nearby points at which an entry is differentiated again before it is called wrong
BAND = 16.0  # largest over smallest magnitude of the entries checked by one direction
SHORT = 8  # a row or column of fewer entries says nothing of the size of its sums


class Entry(NamedTuple):
    """One entry of a gradient: where it stands, what was given, what was found, how surely."""

    name: str
    index: tuple[int, ...]
    given: float
    numeric: float
    tolerance: float

    def __str__(self) -> str:
        place = f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name
        if np.isnan(self.tolerance):
            return f"{place}: given {self.given:.9g}, below the loss's own rounding errors"
        return (
            f"{place}: given {self.given:.9g}, numerically {self.numeric:.9g} "
            f"(tolerance {self.tolerance:.2g})"
        )


class Claim:
    """A loss, the gradients claimed for it, and the tolerance of each entry.

    Attributes
    ----------
    function : Loss
    given, unit, scale, tolerance : array (P,)
        The claimed entries, their rounding unit, the size of the sums they come from and the
        rounding error allowed.
    size : array (P,)
        What RESOLUTION is relative to: the entry's magnitude; for an entry given as 0, and for
        every entry where the loss computes in float32, the largest of its array.
    rtol, atol : float, what a person allows on top
    """

    rtol: float
    atol: float
    function: Loss
    given: NDArray[np.float64]
    unit: NDArray[np.float64]
    scale: NDArray[np.float64]
    size: NDArray[np.float64]
    tolerance: NDArray[np.float64]
    method: str
    derivative: Callable[[Loss, NDArray[Any], NDArray[np.float64]], Derivative]

    def __init__(
        self,
        loss: Callable[[Any], Any],
        arrays: Any,
        gradients: Any,
        method: str,
        rtol: float = 0.0,
        atol: float = 0.0,
    ) -> None:
        check_choice(method, "method", ("auto", "complex", "central"))
        self.rtol, self.atol = check_number(rtol, "rtol"), check_number(atol, "atol")
        self.function = Loss(loss, arrays)
        given = _in_order(gradients, self.function)
        dtypes = self.function.dtypes
        self.given = np.concatenate([gradient.astype(float).ravel() for gradient in given])
        self.unit, self.scale, self.size = np.empty((3, self.given.size))
        for gradient, part, dtype in zip(given, self.function.slices, dtypes, strict=True):
            self.unit[part] = max(
                np.finfo(gradient.dtype).eps / 2, np.finfo(dtype).eps / 2, self.function.unit
            )
            self.scale[part] = _local_scale(gradient.astype(float)).ravel()
            finite = np.abs(np.where(np.isfinite(gradient), gradient, 0.0)).ravel()
            largest = np.max(finite)
            self.size[part] = np.where((finite == 0) | self.function.single, largest, finite)
        self.size[self.size == 0] = np.max(self.size)  # an array of zeros
        longest = max((size for shape in self.function.shapes for size in shape), default=1)
        self.tolerance = self.unit * (8 + np.sqrt(longest)) * self.scale
        if method == "auto":
            method = "complex" if is_analytic(self.function) else "central"
        elif method == "complex" and not is_analytic(self.function):
            raise expected("loss", "an analytic function of complex arrays", "one that is not")
        self.method = method
        self.derivative = complex_along if method == "complex" else central_along

    def entry(self, i: int, numeric: float, tolerance: float) -> Entry:
        """Return the `Entry` of a position."""
        return Entry(*self.function.place(i), float(self.given[i]), float(numeric), tolerance)

    def bands(self) -> list[NDArray[np.intp]]:
        """Return blocks of positions, each of one array and of like size; zeros by themselves."""
        blocks = []
        for part in self.function.slices:
            positions = np.arange(part.start, part.stop)
            positions = positions[np.isfinite(self.given[part])]
            zero = self.given[positions] == 0
            blocks.append(positions[zero])
            positions = positions[~zero]
            band = np.floor(np.log(self.size[positions]) / np.log(BAND))
            blocks.extend(positions[band == value] for value in np.unique(band))
        return [block[np.argsort(np.abs(self.given[block]))] for block in blocks if block.size]

    def along(
        self, block: NDArray[np.intp], rng: np.random.Generator, point: NDArray[Any] | None = None
    ) -> tuple[Any, Derivative, Any]:
        """Return claimed derivative, `Derivative` and tolerance along a random direction."""
        direction = np.zeros_like(self.given)
        direction[block] = weights(rng, block.size)
        point = self.function.point if point is None else point
        slope = self.derivative(self.function, point, direction)
        tolerance = np.linalg.norm(self.tolerance[block] * direction[block]) + slope.error
        return self.given[block] @ direction[block], slope, tolerance

    def examine_block(self, block: NDArray[np.intp], rng: np.random.Generator) -> str:
        """Return "agrees", "split", or "hopeless" where splitting would not resolve the entries."""
        wrong = RESOLUTION * self.size[block]
        allowed, directions, done = np.inf, 1, 0
        while done < directions:
            given, slope, tolerance = self.along(block, rng)
            if slope.kink or not abs(given - slope.value) <= min(tolerance, allowed):
                return "split"
            if wrong.max() < 2 * slope.error / np.sqrt(block.size):
                return "hopeless"
            if done == 0 and block.size == 1:
                return "agrees" if 2 * tolerance <= wrong[0] else "split"
            if done == 0:
                levels = [(wrong.min() / r, d) for r, d in LEVELS if r * tolerance <= wrong.min()]
                if not levels:
                    return "split"
                allowed, directions = levels[0]
            done += 1
            if tolerance > allowed:
                return "split"
        return "agrees"

    def examine_entry(self, i: int, rng: np.random.Generator) -> tuple[str, Entry]:
        """Return ("agrees", "kink", "unresolved" or "wrong") and the `Entry`."""
        block = np.array([i])
        given, slope, tolerance = self.along(block, rng)
        size = np.abs(self.function.point) + self.function.scale
        nearby = [
            self.along(block, rng, self.function.point + 16 * self.unit * size * shift)[1].value
            for shift in rng.standard_normal((NEARBY, size.size))
        ]
        value, nearby = slope.value, np.array(nearby)
        spread = np.max(np.abs(nearby - value))
        sums = max(abs(value), np.max(np.abs(nearby)), self.scale[i])
        kink = slope.kink or spread > np.sqrt(self.unit[i]) * sums
        near = np.sqrt(self.unit[i]) / 8 * abs(given)
        if kink:
            error = slope.rounding if slope.kink else slope.error
            low, high = _slopes(slope, nearby, error + near)
            tolerance, distance = error + near, max(low - given, given - high, 0.0)
        else:
            tolerance = tolerance - self.tolerance[i] + 2 * spread + near
            distance = abs(given - value)
        allowed = self.atol + self.rtol * abs(value)
        entry = self.entry(i, value, float(tolerance + allowed))
        if not distance <= tolerance + allowed:
            return "wrong", entry
        if kink:
            return "kink", entry
        seen = max(RESOLUTION * self.size[i], allowed)
        return "agrees" if seen >= 2 * tolerance else "unresolved", entry


def _slopes(slope, nearby, tolerance):
    """Return the lowest and highest slope that a convention may give at a kink.

    Between the two slopes where one unit is at its kink. Where nearby points show more than two
    slopes, several units are, and every one of them on the same side (the slope 0 for all, say) is
    rarely among the points: the range is taken 2.5 times as wide.
    """
    values = np.append(nearby, [slope.value - slope.jump / 2, slope.value + slope.jump / 2])
    low, high = np.min(values), np.max(values)
    if slope.kink or np.all(np.minimum(nearby - low, high - nearby) <= tolerance):
        return low, high
    return low - 0.75 * (high - low), high + 0.75 * (high - low)


def _in_order(gradients, function):
    """Return the claimed arrays in the loss's order, matched by name; a plain list by place."""
    named = named_arrays(gradients, "gradients")
    names = function.names
    arrays = dict(named)
    bare = len(named) == 1 == len(names) and not hasattr(gradients, "keys")
    listed = isinstance(gradients, (list, tuple)) and len(named) == len(gradients)
    if (bare or listed) and len(named) == len(names):
        ordered = [array for _, array in named]
    elif sorted(arrays) == sorted(names):
        ordered = [arrays[name] for name in names]
    else:
        raise expected("gradients", ", ".join(names), ", ".join(arrays))
    for name, gradient, shape in zip(names, ordered, function.shapes, strict=True):
        if gradient.shape != shape:
            raise expected(f"gradient of {name}", f"shape {shape}", gradient.shape)
    return ordered


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
