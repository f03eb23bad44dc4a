"""Derivatives of a black-box loss along a direction: the complex step and extrapolated differences.

The loss is a person's own function of arrays, any function at all; `Loss` makes it a function of
one flat float64 vector. `numeric.py` builds the checks on what is here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import expected
from ..containers import as_array, named_arrays, rebuilt

COMPLEX_STEP = 1e-30  # below every rounding unit, far above the smallest number
COMPLEX_STEP_SINGLE = 1e-15  # the same for a loss that computes in float32
LEVELS = 14  # steps of a difference, each a quarter of the one before: 1 to 1.5e-8
NOISE_POINTS = 7  # differences up to order 6 remove every smooth part of the loss
NOISE_SPACINGS = (1e-3, 1e-4, 1e-5)
REPEATS = 4  # calls with the same arrays, before the work and after it


class RandomLoss(ValueError):
    """A loss that differs between calls with the same arrays."""


class Derivative(NamedTuple):
    """A derivative along a direction, and how sure it is.

    Attributes
    ----------
    value, error : float
        At a kink the mean of both sides' slopes; then the error is at least their distance.
    kink : bool, whether the loss has a kink there
    jump : float, how far the slopes of the two sides lie apart
    rounding : float, the error estimate of either slope
    """

    value: float
    error: float
    kink: bool = False
    jump: float = 0.0
    rounding: float = 0.0


class Loss:
    """A person's loss as a function of one flat vector, with what the checks need to know of it.

    Attributes
    ----------
    names, shapes, slices : lists, one entry per array
    dtypes : list of the arrays' own dtypes; the loss itself is always given float64 or complex128
    point : array (P,) float64, the arrays end to end, where the gradient is checked
    scale : array (P,) float64, the root mean square of the entry's array (1 where that is 0)
    base : float, the loss at `point`
    single : bool, whether every value seen is a float32 number: the loss computes in float32
    noise : float, the standard deviation of the loss's rounding errors
    evaluations : int, calls so far
    """

    names: list[str]
    shapes: list[tuple[int, ...]]
    dtypes: list[np.dtype[Any]]
    slices: list[slice]
    point: NDArray[np.float64]
    scale: NDArray[np.float64]
    evaluations: int
    base: Any
    single: bool
    noise: float

    def __init__(self, loss: Callable[[Any], Any], arrays: Any) -> None:
        named = named_arrays(arrays)
        self._loss = loss
        self._container = arrays
        self.names = [name for name, _ in named]
        self.shapes = [value.shape for _, value in named]
        self.dtypes = [value.dtype for _, value in named]
        ends = np.cumsum([value.size for _, value in named])
        self.slices = [
            slice(end - value.size, end) for end, (_, value) in zip(ends, named, strict=True)
        ]
        self.point = np.concatenate([value.astype(np.float64).ravel() for _, value in named])
        if not np.all(np.isfinite(self.point)):
            raise expected("arrays", "finite entries", "a NaN or an infinity")
        self.scale = np.ones_like(self.point)
        for part in self.slices:
            self.scale[part] = np.sqrt(np.mean(self.point[part] ** 2)) or 1.0
        self.evaluations = 0
        self.base = self(self.point)
        if not np.isfinite(self.base):
            raise expected("loss", "a finite value", self.base)
        self.single = False
        self.noise = self._measure_noise()

    @property
    def unit(self) -> np.floating[Any]:
        """Half the spacing at 1 of the precision that the loss computes in."""
        return np.finfo(np.float32 if self.single else np.float64).eps / 2

    def __call__(self, point: NDArray[Any]) -> Any:
        """Return the loss at a flat vector, a float, or a complex number for a complex vector."""
        self.evaluations += 1
        with np.errstate(all="ignore"):  # a step may be too long for the loss: then it is not used
            value = self._loss(self.rebuild(point))
        value = _number(value)
        if isinstance(value, complex) and not np.iscomplexobj(point):
            raise expected("loss", "a real number for real arrays", value)
        return value

    def rebuild(self, flat: NDArray[Any]) -> Any:
        """Return a flat vector cut into copies, in the person's own container."""
        cuts = zip(self.slices, self.shapes, strict=True)
        return rebuilt(self._container, (flat[s].reshape(shape).copy() for s, shape in cuts))

    def check_repeats(self) -> None:
        """Raise a `RandomLoss` where the loss is not what it was for the same arrays."""
        for again in [self(self.point) for _ in range(REPEATS)]:
            if not abs(again - self.base) <= 128 * self.unit * abs(self.base):
                raise RandomLoss(
                    "loss: expected the same value for the same arrays, found "
                    f"{self.base} and {again} (draw the noise once, outside the loss)"
                )

    def place(self, position: int) -> tuple[str, tuple[int, ...]]:
        """Return the array's name and the index of a position in the flat vector."""
        k = next(k for k, part in enumerate(self.slices) if position < part.stop)
        index = np.unravel_index(position - self.slices[k].start, self.shapes[k])
        return self.names[k], tuple(int(i) for i in index)

    def _measure_noise(self):
        """Return the standard deviation of the loss's rounding errors, by difference tables.

        Source: More and Wild (2011), "Estimating computational noise": the k-th differences of
        values at equal distances hold only noise, of variance (2k)!/(k!)^2 times its own.
        """
        direction = np.random.default_rng(0).choice([-1.0, 1.0], self.point.size) * self.scale
        direction /= np.sqrt(self.point.size)
        values, estimates = [self.base], []
        for spacing in NOISE_SPACINGS:
            table = np.array(
                [self(self.point + k * spacing * direction) for k in range(NOISE_POINTS)]
            )
            values.extend(table)
            differences = np.diff(table, 5)
            estimates.append(np.sqrt(np.mean(differences**2) / 252))  # 10! / 5!^2
        with np.errstate(over="ignore"):
            self.single = all(np.float32(value) == value for value in values)
        self.check_repeats()
        unit = 2 * self.unit
        return max(float(np.median(estimates)), unit * abs(self.base), np.finfo(float).tiny)


def _number(value):
    """Return what a loss returned as a float or a complex number.

    Raises
    ------
    ValueError
        For None, an array of several numbers or anything else that is no number.
    """
    if value is None:
        raise expected("loss", "one number", "None (does the function return its loss?)")
    value = as_array(value)
    if value.size != 1:
        raise expected("loss", "one number", f"an array of shape {value.shape}")
    if value.dtype.kind not in "biufc":
        raise expected("loss", "one number", f"{value.item()!r}")
    value = value.item()
    return value if isinstance(value, complex) else float(value)


def weights(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Return random weights of a direction: signs times uniform numbers in [1, 2); 1 for one entry.

    No weight is below 1, so a single wrong entry reaches the sum whole. The density of a weight is
    at most 1/2, so whatever the others are, a sum with a largest error m lies within t of 0 with
    probability at most 2 t / m / 2 = t / m: errors do not cancel, as they do for plain signs.
    """
    if size == 1:
        return np.ones(1)
    return rng.choice([-1.0, 1.0], size) * rng.uniform(1, 2, size)


def complex_along(loss: Loss, point: NDArray[Any], direction: NDArray[np.float64]) -> Derivative:
    """Return the `Derivative` Im f(point + i h direction) / h: no difference, so no cancellation.

    Source: Squire and Trapp (1998), "Using complex variables to estimate derivatives".
    """
    step = COMPLEX_STEP_SINGLE if loss.single else COMPLEX_STEP
    value = np.imag(loss(point + 1j * step * direction)) / step
    return Derivative(value, 32 * loss.unit * abs(value))


def _extrapolate(previous, newest, first, step):
    """Return the next row of a Richardson table: column j removes the power first + step j of h."""
    row = [newest]
    for j, older in enumerate(previous):
        row.append(row[j] + (row[j] - older) / (4.0 ** (first + step * j) - 1))
    return row


def _best_column(previous, row, rounding):
    """Return the extrapolated value with the smallest error estimate in a row, and the estimate."""
    errors = [
        max(abs(row[j] - row[j - 1]), abs(row[j] - previous[j - 1])) for j in range(1, len(row))
    ]
    j = int(np.argmin(errors))
    return row[j + 1], errors[j] + rounding


def central_along(loss: Loss, point: NDArray[Any], direction: NDArray[np.float64]) -> Derivative:
    """Return the `Derivative` by central differences, extrapolated to step 0.

    Steps shrink by 4 from the size of the array itself until rounding outweighs the best error;
    the answer is the entry of the Richardson table whose error estimate is smallest. The same
    table of the second differences (f(h) - 2 f(0) + f(-h)) / h tends to 0 for a smooth loss and
    to the jump of the slope at a kink. A kink nearer than h looks like one at 0, so where there
    is a jump it is added to the error, and smaller steps follow. Of a kink that they still show,
    the answer is the entry whose slopes are surest: a jump that other kinks make look small would
    win by its size.

    Source: Ridders (1982), "Accurate computation of F'(x) and F'(x) F''(x)"; the test for kinks is
    derived here.
    """
    moved = direction != 0
    step = np.median(loss.scale[moved]) / np.linalg.norm(direction[moved])
    base = loss.base if point is loss.point else loss(point)
    slopes, second, last, best = [], [], np.inf, Derivative(np.nan, np.inf)
    at_kink, seen, sides, last_slope = False, 0.0, best, np.inf
    for _ in range(LEVELS):
        plus, minus = loss(point + step * direction), loss(point - step * direction)
        rounding = 4 * loss.noise / step
        if np.isfinite(plus) and np.isfinite(minus):
            row = _extrapolate(slopes, (plus - minus) / (2 * step), 2, 2)
            second_row = _extrapolate(second, (plus - 2 * base + minus) / step, 1, 2)
            if slopes:
                value, error = _best_column(slopes, row, rounding)
                jump, jump_error = _best_column(second, second_row, 2 * rounding)
                kink, slope_error = abs(jump) > 4 * jump_error, error + jump_error
                error += kink * abs(jump)
                careful = max(error, last / 8)  # a row that agrees by chance follows a bad one
                if careful < best.error:
                    best = Derivative(value, careful, kink, abs(jump), slope_error)
                surest = max(slope_error, last_slope / 8)
                if kink and surest < sides.error:
                    sides = Derivative(value, surest, kink, abs(jump), surest)
                last, last_slope = error, slope_error
                if kink:
                    at_kink, seen = True, abs(jump)
                elif 4 * jump_error < seen:  # a kink at 0 would still be seen at this step
                    at_kink = False
            slopes, second = row, second_row
        else:
            slopes, second = [], []
        if rounding > best.error:
            break
        step /= 4
    if not at_kink:
        return Derivative(best.value, 2 * best.error, rounding=best.rounding)
    return sides._replace(error=2 * (sides.error + max(sides.jump, seen)))


def is_analytic(loss: Loss) -> bool:
    """Return whether the complex step works for this loss: it takes complex arrays and is analytic.

    A loss that refuses complex arrays, drops the imaginary part (with NumPy's warning or without)
    or takes an absolute value disagrees with the difference along some array's random direction.
    """
    rng = np.random.default_rng(0)
    for part in loss.slices:
        direction = np.zeros_like(loss.point)
        direction[part] = weights(rng, part.stop - part.start)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                value = loss(loss.point + 0j)
                step = complex_along(loss, loss.point, direction)
        except Exception:  # a person's function may refuse complex numbers in any way it likes
            return False
        if not isinstance(value, complex) or abs(value.real - loss.base) > 64 * loss.noise:
            return False
        difference = central_along(loss, loss.point, direction)
        if abs(step.value - difference.value) > 4 * difference.error:
            return False
    return True
