"""Hold a gradient against the loss itself: complex step, central differences, random directions.

For a person's own loss, any function of arrays that returns one number. The random numbers of a
step are common by construction: whatever noise the loss uses, it is drawn before and held by the
function (a loss that draws anew at each call is refused). The loss is always given float64 arrays
(or complex128, for the complex step), also where the model under test computes in float32.

>>> noise = draw_noise(...)
>>> report = check_gradients(lambda p: my_loss(p, x, y, noise), parameters, my_gradients)
>>> assert report.agrees, report
"""

from typing import NamedTuple

import numpy as np

from ...errors import expected
from .differences import Loss, central_along, complex_along, is_analytic
from .problem import RESOLUTION, Problem


class GradientReport(NamedTuple):
    """What `check_gradients` found; ``str`` of it is for people and for assertion messages.

    Attributes
    ----------
    method : str, "complex" or "central"
    wrong : tuple of `Entry`, the entries that no rounding and no kink explains
    kinks : tuple of `Entry`, where the loss has no derivative: any value between is a convention
    unresolved : tuple of `Entry`, right as far as can be seen, but 3 % would not have been seen
    unchecked : int, entries left when the budget of evaluations ended or enough were wrong
    entries, evaluations : int, entries of the gradient and calls of the loss
    """

    method: str
    wrong: tuple
    kinks: tuple
    unresolved: tuple
    unchecked: int
    entries: int
    evaluations: int

    @property
    def agrees(self):
        """Whether no entry is wrong and none was left unchecked."""
        return not self.wrong and not self.unchecked

    def __str__(self):
        lines = [
            f"{self.entries} gradient entries by {self.method} derivatives, "
            f"{self.evaluations} evaluations: " + ("agree" if self.agrees else "DISAGREE")
        ]
        for title, found in (
            ("wrong", self.wrong),
            ("at a kink, where the value is a convention", self.kinks),
            (f"an error of {RESOLUTION:.0%} would not be seen", self.unresolved),
        ):
            if found:
                lines.append(f"{title}: {len(found)}")
                lines.extend(f"  {entry}" for entry in found[:10])
        if self.unchecked:
            lines.append(f"not checked: {self.unchecked}")
        return "\n".join(lines)


class Directions(NamedTuple):
    """Derivatives along random directions: from the given gradients, and from the loss itself.

    Attributes
    ----------
    given, numeric, tolerance : array (directions,)
    """

    given: np.ndarray
    numeric: np.ndarray
    tolerance: np.ndarray

    @property
    def agrees(self):
        """Whether every direction's difference is within its tolerance."""
        return bool(np.all(np.abs(self.given - self.numeric) <= self.tolerance))


def complex_step(loss, arrays):
    """Return the gradient of a loss by the complex step, exact to rounding.

    Parameters
    ----------
    loss : callable
        Takes ``arrays`` with complex128 entries, returns one complex number; analytic, that is
        without abs, conj or .real on the way.
    arrays : dict of arrays, list of arrays, or one array; float32 or float64

    Returns
    -------
    the same container of float64 arrays: d loss / d entry, the loss's unit per the entry's

    Raises
    ------
    ValueError
        For arrays that are not float or not finite, a loss that is not one finite number, differs
        from call to call, or is not analytic (its complex step disagrees with differences).
    """
    function = Loss(loss, arrays)
    if not is_analytic(function):
        raise expected("loss", "an analytic function of complex arrays", "one that is not")
    return function.rebuild(_each_entry(function, complex_along)[0])


def central_difference(loss, arrays):
    """Return the gradient of a loss by extrapolated central differences, and its error estimate.

    Parameters
    ----------
    loss : callable
        Takes ``arrays`` with float64 entries, returns one real number.
    arrays : dict of arrays, list of arrays, or one array; float32 or float64

    Returns
    -------
    (gradients, errors) : two containers like ``arrays``, float64
        At a kink the gradient is the mean of both sides and the error at least their distance.

    Raises
    ------
    ValueError
        As `complex_step`, but for being analytic.
    """
    function = Loss(loss, arrays)
    values, errors = _each_entry(function, central_along)
    return function.rebuild(values), function.rebuild(errors)


def random_direction(loss, arrays, gradients, *, directions=3, seed=0, method="auto"):
    """Return the loss's derivatives along random directions beside those of given gradients.

    Each direction moves every entry by +1 or -1, so an error in one entry reaches the sum whole.
    Costs one evaluation a direction by the complex step, some twenty by differences.

    Parameters
    ----------
    loss, arrays, gradients, seed, method
        As in `check_gradients`.
    directions : int

    Returns
    -------
    Directions
    """
    problem = Problem(loss, arrays, gradients, method)
    rng = np.random.default_rng(seed)
    everything = np.arange(problem.given.size)
    rows = [problem.along(everything, rng) for _ in range(directions)]
    given, found, tolerance = zip(*rows, strict=True)
    return Directions(np.array(given), np.array([f.value for f in found]), np.array(tolerance))


def check_gradients(
    loss, arrays, gradients, *, method="auto", seed=0, budget=50_000, most_wrong=20
):
    """Return a `GradientReport`: which entries of given gradients the loss contradicts.

    Entries of like magnitude are checked together along random directions of +1 and -1. Where the
    sum disagrees, or its tolerance would hide 3 % of an entry, the set is halved, down to single
    entries. A single entry that disagrees is differentiated again at nearby points (all arrays
    moved by 16 rounding units): what changes there is rounding, or a kink, and is no fault.

    Parameters
    ----------
    loss : callable
        Takes ``arrays`` with float64 (complex128) entries, returns one number. Its noise is fixed.
    arrays, gradients : dict of arrays, list of arrays, or one array; float32 or float64
        The coarser dtype of an array and its gradient decides the tolerance:
        unit * (8 + sqrt(longest axis)) of the entry and of its row and column.
    method : {"auto", "complex", "central"}
        "auto" takes the complex step where the loss is analytic, else central differences.
    seed : int
    budget : int, evaluations of the loss after which what is left counts as unchecked
    most_wrong : int, wrong entries after which the search ends

    Returns
    -------
    GradientReport

    Raises
    ------
    ValueError
        For gradients unlike the arrays in names or shapes, an unknown method, and as
        `complex_step`.
    """
    problem = Problem(loss, arrays, gradients, method)
    rng = np.random.default_rng(seed)
    wrong = [problem.entry(i, np.nan, 0.0) for i in np.flatnonzero(~np.isfinite(problem.given))]
    kinks, unresolved = [], []
    stack = problem.bands()
    while stack and len(wrong) < most_wrong and problem.function.evaluations < budget:
        block = stack.pop()
        verdict = problem.examine_block(block, rng)
        if verdict == "split" and block.size > 1:
            stack.extend((block[: block.size // 2], block[block.size // 2 :]))
        elif verdict == "split":
            kind, entry = problem.examine_entry(block[0], rng)
            {"wrong": wrong, "kink": kinks, "unresolved": unresolved, "agrees": []}[kind].append(
                entry
            )
        elif verdict == "hopeless":
            unresolved.extend(problem.entry(i, np.nan, np.nan) for i in block)
    return GradientReport(
        problem.method,
        tuple(wrong),
        tuple(kinks),
        tuple(unresolved),
        sum(block.size for block in stack),
        problem.given.size,
        problem.function.evaluations,
    )


def _each_entry(function, along):
    """Return the derivative by every entry and its error, two arrays (P,)."""
    values, errors = np.zeros_like(function.point), np.zeros_like(function.point)
    for i in range(values.size):
        direction = np.zeros_like(values)
        direction[i] = 1.0
        values[i], errors[i], _ = along(function, function.point, direction)
    return values, errors
