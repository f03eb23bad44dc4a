"""Hold a gradient against the loss itself: complex step, central differences, random directions.

For a person's own loss, any function of arrays that returns one number. The random numbers of a
step are common by construction: whatever noise the loss uses, it is drawn before and held by the
function. The loss is always given float64 arrays of its own (or complex128, for the complex step),
also where the model under test computes in float32.

>>> noise = draw_noise(...)
>>> report = check_gradients(lambda p: my_loss(p, x, y, noise), parameters, my_gradients)
>>> assert report.agrees, report

What a false agreement costs is stated and proved in `claim.py`: for any two wrong entries at most
1 in 10,000, for every length and seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...border import check_size
from ...errors import expected
from .claim import RESOLUTION, Claim
from .differences import Loss, RandomLoss, central_along, complex_along, is_analytic

if TYPE_CHECKING:
    from .claim import Entry


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
    notes : tuple of str, what else a reader must know: a loss that is random, or in float32
    random : bool, whether the loss differed between calls with the same arrays
    """

    method: str
    wrong: tuple[Entry, ...]
    kinks: tuple[Entry, ...]
    unresolved: tuple[Entry, ...]
    unchecked: int
    entries: int
    evaluations: int
    notes: tuple[str, ...] = ()
    random: bool = False

    @property
    def verdict(self) -> str:
        """Return "agrees", "disagrees", or "undecided".

        Undecided: no entry is wrong, but some are unchecked or unresolved, or the loss is random.
        """
        if self.random:
            return "undecided"
        if self.wrong:
            return "disagrees"
        return "undecided" if self.unchecked or self.unresolved else "agrees"

    @property
    def agrees(self) -> bool:
        """Whether every entry was checked, resolved and found right."""
        return self.verdict == "agrees"

    def __str__(self) -> str:
        word = {"agrees": "agree", "disagrees": "DISAGREE", "undecided": "UNDECIDED"}[self.verdict]
        lines = [
            f"{self.entries} gradient entries by {self.method} derivatives, "
            f"{self.evaluations} evaluations: {word}",
            *self.notes,
        ]
        for title, blocks in (
            ("wrong", self.wrong),
            ("at a kink, where the value is a convention", self.kinks),
            (f"an error of {RESOLUTION:.0%} would not be seen", self.unresolved),
        ):
            if blocks:
                lines.append(f"{title}: {len(blocks)}")
                lines.extend(f"  {entry}" for entry in blocks[:10])
        if self.unchecked:
            lines.append(f"not checked: {self.unchecked}")
        return "\n".join(lines)


class Directions(NamedTuple):
    """Derivatives along random directions: from the given gradients, and from the loss itself.

    Attributes
    ----------
    given, numeric, tolerance : array (directions,)
    """

    given: NDArray[np.float64]
    numeric: NDArray[np.float64]
    tolerance: NDArray[np.float64]

    @property
    def agrees(self) -> bool:
        """Whether every direction's difference is within its tolerance."""
        return bool(np.all(np.abs(self.given - self.numeric) <= self.tolerance))


def complex_step(loss: Callable[[Any], Any], arrays: Any) -> Any:
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


def central_difference(loss: Callable[[Any], Any], arrays: Any) -> tuple[Any, Any]:
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


def random_direction(
    loss: Callable[[Any], Any],
    arrays: Any,
    gradients: Any,
    *,
    directions: int = 3,
    seed: int = 0,
    method: str = "auto",
) -> Directions:
    """Return the loss's derivatives along random directions beside those of given gradients.

    Each direction moves every entry by a random sign times a number in [1, 2), so an error in one
    entry reaches the sum whole, and errors of several do not cancel: with tolerance t and largest
    error m all directions agree with probability at most (t / m) ** directions (`claim.py`), with
    three directions at most 1 in 10,000 for an error of 22 t. Costs one evaluation a direction by
    the complex step, some twenty by differences.

    Parameters
    ----------
    loss, arrays, gradients, seed, method
        As in `check_gradients`.
    directions : int

    Returns
    -------
    Directions
    """
    check_size(directions, "directions")
    claim = Claim(loss, arrays, gradients, method)
    rng = np.random.default_rng(seed)
    everything = np.arange(claim.given.size)
    rows = [claim.along(everything, rng) for _ in range(directions)]
    given, numeric, tolerance = zip(*rows, strict=True)
    return Directions(np.array(given), np.array([n.value for n in numeric]), np.array(tolerance))


def check_gradients(
    loss: Callable[[Any], Any],
    arrays: Any,
    gradients: Any,
    *,
    method: str = "auto",
    seed: int = 0,
    budget: int = 50_000,
    most_wrong: int = 20,
    rtol: float = 0.0,
    atol: float = 0.0,
) -> GradientReport:
    """Return a `GradientReport`: which entries of given gradients the loss contradicts.

    Entries of like magnitude are checked together along random directions. Where the sum disagrees,
    or its tolerance would hide 3 % of an entry, the set is halved, down to single entries. A single
    entry that disagrees is differentiated again at nearby points (all arrays moved by 16 rounding
    units): what changes there is rounding, or a kink, and is no fault.

    Two or more entries wrong by at least 3 % of themselves (of their array's largest where given as
    0) are all accepted with probability below 1e-4, for any errors, length and seed: the proof is
    in `claim.py`. One such entry alone is seen for sure.

    Parameters
    ----------
    loss : callable
        Takes ``arrays`` with float64 (complex128) entries, returns one number. Its noise is fixed.
    arrays, gradients : array or tensor, float32 or float64; dict, list, tuple of such, nested
        The coarser dtype of an array, its gradient and the loss's own values decides the tolerance:
        unit * (8 + sqrt(longest axis)) of the entry and of its row and column.
    method : {"auto", "complex", "central"}
        "auto" takes the complex step where the loss is analytic, else central differences.
    seed : int
    budget : int, evaluations of the loss after which what is left counts as unchecked
    most_wrong : int, wrong entries after which the search ends
    rtol, atol : float, at least 0
        An entry may differ by atol + rtol * abs(numeric) besides.

    Returns
    -------
    GradientReport
        Its third verdict, "undecided", is not `agrees`: a random loss, entries that stay
        unresolved, a budget that ended. A loss that computes in float32 says so in ``notes``, and
        its entries are resolved to 3 % of their array's largest.

    Raises
    ------
    ValueError
        For gradients unlike the arrays in names or shapes, an unknown method, a limit that is not
        a finite number of at least 0, and as `complex_step`, but for a random loss.
    """
    try:
        claim = Claim(loss, arrays, gradients, method, rtol, atol)
    except RandomLoss as error:
        return GradientReport(method, (), (), (), 0, 0, 0, (str(error),), True)
    rng = np.random.default_rng(seed)
    wrong = [claim.entry(i, np.nan, 0.0) for i in np.flatnonzero(~np.isfinite(claim.given))]
    kinks, unresolved = [], []
    stack = claim.bands()
    while stack and len(wrong) < most_wrong and claim.function.evaluations < budget:
        block = stack.pop()
        verdict = claim.examine_block(block, rng)
        if verdict == "split" and block.size > 1:
            stack.extend((block[: block.size // 2], block[block.size // 2 :]))
        elif verdict == "split":
            kind, entry = claim.examine_entry(block[0], rng)
            {"wrong": wrong, "kink": kinks, "unresolved": unresolved, "agrees": []}[kind].append(
                entry
            )
        elif verdict == "hopeless":
            unresolved.extend(claim.entry(i, np.nan, np.nan) for i in block)
    notes = []
    if claim.function.single:
        notes.append("the function computes in float32: entries are held to that precision")
    try:
        claim.function.check_repeats()
    except RandomLoss as error:
        notes.append(str(error))
    return GradientReport(
        claim.method,
        tuple(wrong),
        tuple(kinks),
        tuple(unresolved),
        sum(block.size for block in stack),
        claim.given.size,
        claim.function.evaluations,
        tuple(notes),
        any(note.startswith("loss:") for note in notes),
    )


def assert_gradients(
    loss: Callable[[Any], Any], arrays: Any, gradients: Any, **options: Any
) -> None:
    """Raise an `AssertionError` unless `check_gradients` finds that the gradients agree.

    Parameters
    ----------
    loss, arrays, gradients, **options
        As `check_gradients` takes them.

    Raises
    ------
    AssertionError
        With the report: wrong entries, or why the check is undecided.
    ValueError
        As `check_gradients`.
    """
    report = check_gradients(loss, arrays, gradients, **options)
    if not report.agrees:
        raise AssertionError(str(report))


def _each_entry(function, along):
    """Return the derivative by every entry and its error, two arrays (P,)."""
    values, errors = np.zeros_like(function.point), np.zeros_like(function.point)
    for i in range(values.size):
        direction = np.zeros_like(values)
        direction[i] = 1.0
        values[i], errors[i] = along(function, function.point, direction)[:2]
    return values, errors
