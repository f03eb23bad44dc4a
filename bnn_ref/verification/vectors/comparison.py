"""An answer held against the truth: tensor by tensor, and the first stage that disagrees.

The truth is recomputed in float64 by `reference.py` from the answer's own inputs, parameters and
noise. The error of a tensor is its largest absolute difference over the largest magnitude in the
expected tensor, as `docs/vectors.md` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import reference
from ...border import check_number
from ..vectors import VectorError, results_of
from .conditioning import ROUNDINGS, attainable
from .kinks import fit_slopes, undecided
from .precision import of_formats
from .variants import Problem, Variant, forward, is_known
from .variants import compute as compute_variant
from .variants import results as variant_results

if TYPE_CHECKING:
    from .files import Vector

LIMITS = {"float64": 1e-10, "float32": 1e-4}
_ALONE = {"outputs": 0, "nll": 1, "kl": 3, "loss": 4, "grad.x": 9}
_PLACES = ("bias_mu", "bias_rho", "kernel_mu", "kernel_rho")


@dataclass(frozen=True)
class Row:
    """One tensor's comparison.

    Attributes
    ----------
    name : str
        As in `docs/vectors.md`.
    stage : str
        The stage of the computation that makes it.
    error : float
        Largest absolute difference over the largest expected magnitude; infinite for a NaN.
    limit : float
    expected, found : array, float64
    """

    name: str
    stage: str
    error: float
    limit: float
    expected: NDArray[Any] = field(repr=False)
    found: NDArray[Any] = field(repr=False)

    @property
    def agrees(self) -> bool:
        """True within the limit."""
        return self.error <= self.limit

    def to_json(self) -> dict[str, Any]:
        """Return name, stage, error (null where infinite), limit and verdict."""
        error = self.error if np.isfinite(self.error) else None
        return {"tensor": self.name, "stage": self.stage, "error": error, "limit": self.limit,
                "agrees": bool(self.agrees)}  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Every tensor of an answer beside the truth, in the order in which a step computes them.

    Attributes
    ----------
    rows : tuple of Row
    limit : float
    undecided : tuple of str
        ReLU units on the other side of their kink than in float64, where the dtype allows both.
    notes : tuple of str
        Tensors held to what a textbook KL can reach, where that is less than the limit.
    dtype : "float64" or "float32"
        The file's.
    """

    rows: tuple[Row, ...]
    limit: float
    undecided: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    dtype: str = "float64"

    @property
    def agrees(self) -> bool:
        """True where every tensor does."""
        return all(row.agrees for row in self.rows)

    @property
    def first(self) -> Row | None:
        """The first row, in the order computed, that disagrees; None where all agree."""
        return next((row for row in self.rows if not row.agrees), None)

    def table(self) -> str:
        """Return the comparison as text: tensor, largest error, limit, verdict."""
        width = max(6, *(len(row.name) for row in self.rows))
        lines = [f"{'tensor':<{width}}  largest error    limit  verdict"]
        for row in self.rows:
            verdict = "agrees" if row.agrees else "DISAGREES"
            lines.append(f"{row.name:<{width}}  {row.error:13.3g}  {row.limit:7.1g}  {verdict}")
        lines += [f"undecided: {unit}" for unit in self.undecided]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"precision: {kind}: {', '.join(names)}" for kind, names in
                  of_formats(self.rows, self.dtype).items()]  # fmt: skip
        if self.first is not None:
            lines.append(f"first to disagree: {self.first.stage}: {locate(self.first)}")
        return "\n".join(lines)


def error_of(expected: ArrayLike, found: ArrayLike) -> float:
    """Return the largest absolute difference over the largest expected magnitude.

    0 over 0 is 0, a difference over 0 infinite; a NaN or an infinity anywhere is infinite.
    """
    expected, found = np.asarray(expected, np.float64), np.asarray(found, np.float64)
    if not (np.all(np.isfinite(found)) and np.all(np.isfinite(expected))):
        return np.inf
    difference, size = np.max(np.abs(found - expected)), np.max(np.abs(expected))
    if difference == 0:
        return 0.0
    with np.errstate(over="ignore"):
        return float(difference / size) if size else np.inf


def stage_of(name: str) -> str:
    """Return the stage of the computation that makes a result, in words."""
    parts = name.split(".")
    if name in ("outputs", "nll", "kl", "loss"):
        return {"outputs": "the forward pass", "nll": "the likelihood", "kl": "the sum of the KLs",
                "loss": "the sum nll + kl_weight * kl"}[name]  # fmt: skip
    if parts[0] == "layers":
        what = "forward pass" if parts[-1] == "pre_activation" else "KL"
        return f"the {what} of layer {parts[1]}"
    if name == "grad.x":
        return "the backward pass through layer 0 to the inputs"
    if parts[1] == "likelihood":
        return "the likelihood's own gradient"
    return f"the backward pass through layer {parts[2]}"


def order(names: Iterable[str]) -> list[str]:
    """Return result names in the order of a step: forward, KL, loss, then backward from the end."""

    def key(name):
        parts = name.split(".")
        if name in _ALONE:
            return (_ALONE[name], 0, 0, name)
        if parts[0] == "layers":
            place = -2 if parts[-1] == "pre_activation" else 2
            return (place, int(parts[1]), 0, name)
        if parts[1] == "likelihood":
            return (5, -(2**31), 0, name)
        own = ".".join(parts[3:])
        place = _PLACES.index(own) if own in _PLACES else len(_PLACES)
        return (5, -int(parts[2]), place, name)

    return sorted(names, key=key)


def truth(vector: Vector) -> dict[str, NDArray[Any]]:
    """Return every result of a vector's question, recomputed in float64."""
    parameters, noise = vector.parameters(np.float64), vector.noise(np.float64)
    x = np.asarray(vector.x, np.float64)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # shown as disagreement
        result = reference.loss_and_gradients(
            vector.network, parameters, x, vector.y, noise, vector.kl_weight,
            sample_weight=vector.sample_weight, trace=vector.version == 2,
        )  # fmt: skip
    return results_of(result)


def rows_of(
    expected: Mapping[str, ArrayLike], found: Mapping[str, ArrayLike], limit: float
) -> tuple[Row, ...]:
    """Return a `Row` for every tensor that was found."""
    return tuple(
        Row(name, stage_of(name), error_of(expected[name], found[name]), limit,
            np.asarray(expected[name], np.float64), np.asarray(found[name], np.float64))
        for name in order(found)
    )  # fmt: skip


def compare(vector: Vector, limit: float | None = None) -> Comparison:
    """Return the `Comparison` of an answer with the truth.

    Parameters
    ----------
    vector : Vector
        An answer.
    limit : float, optional
        1e-10 for a float64 vector and 1e-4 for a float32 one unless given.

    Raises
    ------
    VectorError
        For a question: it has nothing to agree with.
    """
    if vector.results is None:
        raise VectorError("expected an answer, found a question: it holds no results to check")
    return compare_results(vector, vector.results, limit)


def compare_results(
    vector: Vector, found: Mapping[str, ArrayLike], limit: float | None = None
) -> Comparison:
    """Return the `Comparison` of some results, by their names in the file, with the truth."""
    limit = LIMITS[vector.dtype] if limit is None else check_number(limit, "limit")
    for name, value in found.items():
        if np.iscomplexobj(value):
            raise ValueError(f"{name}: expected real numbers, found {np.asarray(value).dtype}")
    right = truth(vector)
    plain = _conditioned(vector, Comparison(rows_of(right, found, limit), limit,
                                            dtype=vector.dtype))  # fmt: skip
    rows = plain.rows
    if plain.agrees:
        return plain
    gradients = [row.name for row in rows if row.name.startswith("grad.")]
    if not gradients or not all(np.all(np.isfinite(found[name])) for name in gradients):
        return plain
    return _with_kinks(vector, right, found, plain)


def _conditioned(vector, plain):
    """Return the comparison with the limits of the KL and its gradients where digits cancel."""
    if plain.agrees or not is_known(vector):
        return plain
    problem = Problem(vector)
    with np.errstate(all="ignore"):
        allowed = attainable(problem, forward(problem, Variant()), vector.dtype)
    rows, notes = [], []
    for row in plain.rows:
        size = np.max(np.abs(row.expected)) if row.expected.size else 0.0
        reach = allowed.get(row.name, 0.0) / size if size else 0.0
        if row.limit < row.error <= reach:
            lost = np.log10(reach / ROUNDINGS / np.finfo(vector.dtype).eps)
            notes.append(f"{row.name}: the textbook form of the KL loses {lost:.1f} digits here, "
                         f"so the limit is {reach:.1g}")  # fmt: skip
            row = replace(row, limit=float(reach))
        rows.append(row)
    return replace(plain, rows=tuple(rows), notes=tuple(notes))


def _with_kinks(vector, expected, found, plain):
    """Return the comparison with undecided ReLU units on the answer's side, where that helps."""
    if not is_known(vector):
        return plain
    problem = Problem(vector)
    with np.errstate(all="ignore"):
        traces = forward(problem, Variant())
        units = undecided(problem, traces, vector.dtype)
        if not units:
            return plain
        full = {**expected, **found}  # what was not given moves no slope
        slopes = fit_slopes(problem, Variant(), full, units, vector.dtype)
        moved = variant_results(compute_variant(problem, Variant(), slopes))
    expected = {**expected, **{name: moved[name] for name in moved if name.startswith("grad.")}}
    limits = {row.name: row.limit for row in plain.rows}
    rows = tuple(replace(row, limit=limits[row.name])
                 for row in rows_of(expected, found, plain.limit))  # fmt: skip
    if sum(row.agrees for row in rows) <= sum(row.agrees for row in plain.rows):
        return plain
    names = []
    for (k, n, j), slope in slopes.items():
        a = traces[k].a[n, j]
        if slope != float(a > 0):
            names.append(
                f"layer {k}, row {n}, unit {j}: pre-activation {a:.2g}, nearer to ReLU's kink than "
                f"{vector.dtype} can tell; the answer's slope is {slope:.3g}"
            )
    return replace(plain, rows=rows, undecided=tuple(names))


def locate(row: Row) -> str:
    """Return where in a tensor the answer is wrong, in words."""
    expected, found = np.atleast_1d(row.expected), np.atleast_1d(row.found)
    if not np.all(np.isfinite(found)):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
        where = "" if row.found.ndim == 0 else str(list(place))
        return f"{row.name}{where} is {found[place]}"
    difference = np.abs(found - expected)
    place = tuple(int(i) for i in np.unravel_index(np.argmax(difference), difference.shape))
    where = "" if row.found.ndim == 0 else str(list(place))
    text = f"{row.name}{where}: expected {expected[place]:.9g}, found {found[place]:.9g}"
    wrong = difference > row.limit * np.max(np.abs(expected))
    if difference.size > 1:
        text += f"; {_pattern(wrong)}"
    nonzero = wrong & (expected != 0)
    if np.any(nonzero):
        ratio = found[nonzero] / expected[nonzero]
        if np.all(np.abs(ratio - ratio[0]) <= 1e-6 * abs(ratio[0])):
            text += f", found / expected = {ratio[0]:.6g}"
    return text


def _pattern(wrong):
    """Return how the wrong entries lie: one, a row, a column, all, or how many."""
    count = int(np.sum(wrong))
    if count == wrong.size:
        return "every entry is wrong"
    if count == 1:
        return "this entry alone is wrong"
    if wrong.ndim == 2:
        for axis, name in ((0, "row"), (1, "column")):
            lines = np.flatnonzero(np.any(wrong, axis=1 - axis))
            if len(lines) == 1 and wrong.shape[axis] > 1:
                return f"{count} entries are wrong, all in {name} {lines[0]}"
    return f"{count} of {wrong.size} entries are wrong"
