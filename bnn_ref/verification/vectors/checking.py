"""A vector file from a person, checked: read, compared, diagnosed, told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ...border import check_number
from ...storage.archive import LIMIT
from ..vectors import Vector, VectorError
from .comparison import Comparison, compare
from .diagnosis import PRODUCTS, SECONDS, investigate
from .json_files import read_any
from .layer_faults import explain_layers
from .parts import explain_parts
from .precision import of_formats, of_products

if TYPE_CHECKING:
    from .diagnosis import Explanation


@dataclass(frozen=True)
class Check:
    """What became of one file.

    Attributes
    ----------
    path : str
    refused : str or None
        Why the file was refused, one line; then the rest is empty.
    source, dtype : str
        Of the file.
    comparison : Comparison or None
    explanations : tuple of Explanation
        Known mistakes that explain a disagreement; all that tie.
    parts : tuple of str
        Where no known mistake explains it: what each gradient is made of, see `parts.py`, or which
        layer's forward pass is wrong, see `layer_faults.py`.
    complete : bool
        False where the diagnosis was given up for want of time, or not begun.
    vector : Vector or None
    """

    path: str
    refused: str | None = None
    source: str = ""
    dtype: str = ""
    comparison: Comparison | None = None
    explanations: tuple[Explanation, ...] = ()
    parts: tuple[str, ...] = ()
    complete: bool = True
    vector: Vector | None = field(default=None, repr=False)

    @property
    def agrees(self) -> bool:
        """True where the file was accepted and every tensor agrees."""
        return self.comparison is not None and self.comparison.agrees

    @property
    def code(self) -> int:
        """0 where the file agrees, 1 where it disagrees, 2 where it was refused."""
        return 2 if self.refused else 0 if self.agrees else 1

    def verdict(self) -> str:
        """Return the verdict on one line."""
        if self.refused:
            return f"refused: {self.refused}"
        rows = self.comparison.rows
        if self.agrees:
            worst = max(row.error for row in rows)
            text = f"agrees: {len(rows)} tensors, largest error {worst:.2g}"
            units = len(self.comparison.undecided)
            text += f", {units} ReLU unit{'s' * (units > 1)} undecided" if units else ""
            return "; ".join((text, *self.comparison.notes))
        wrong = sum(not row.agrees for row in rows)
        return f"DISAGREES: {wrong} of {len(rows)} tensors, first in {self.comparison.first.stage}"

    def diagnosed(self, seconds: float = SECONDS) -> Check:
        """Return the check with the mistakes that explain a disagreement; see `diagnose`."""
        if self.refused or self.agrees:
            return self
        explanations, complete = investigate(self.vector, self.comparison, seconds)
        parts = () if explanations else explain_parts(self.vector, self.comparison)
        products = {mistake.key for mistake in PRODUCTS}
        coarse = bool(explanations) and products >= set(explanations[0].keys)
        if coarse or not (explanations or parts):
            told = explain_layers(self.vector, self.comparison)
            if not coarse or 0 < len(told) < len(self.vector.meta["layers"]):
                explanations, parts = (), told  # what is wrong in one layer alone is no rounding
        return replace(self, explanations=explanations, parts=parts, complete=complete)

    def text(self) -> str:
        """Return table, diagnosis and verdict as text."""
        return "\n".join(part for part in (self.head(), self.tail()) if part)

    def head(self) -> str:
        """Return the table as text, which needs no diagnosis; "" where the file was refused."""
        if self.refused:
            return ""
        title = f"{self.path}: {self.dtype}, computed by {printable(self.source)}"
        return title + "\n" + self.comparison.table()

    def tail(self) -> str:
        """Return diagnosis and verdict as text."""
        lines = [] if self.refused or self.agrees else self._diagnosis()
        return "\n".join([*lines, f"{self.path}: {self.verdict()}"])

    def _products(self):
        """Return {precision: names} of matrix products, where nothing else explains the answer."""
        keys = {key for explanation in self.explanations for key in explanation.keys}
        other = keys - {mistake.key for mistake in PRODUCTS}
        return {} if other or self.parts else of_products(self.comparison.rows)

    def _diagnosis(self):
        """Return the lines of the diagnosis, and the precision of products that nothing else is."""
        precision = [f"precision: {kind}: {', '.join(names)}"
                     for kind, names in self._products().items()]  # fmt: skip
        return self._explained() + precision

    def _explained(self):
        given_up = ["diagnosis: given up, the time is over; not every mistake was tried"]
        if not self.explanations:
            if self.parts:
                title = "diagnosis: no known mistake, but the parts that these are made of show:"
                return [title, *(f"  - {sentence}" for sentence in self.parts)]
            none = "diagnosis: no known mistake explains this; the first wrong number is above"
            return [none] if self.complete else given_up
        count = len(self.explanations[0].mistakes)
        ties = len(self.explanations)
        lines = [f"diagnosis: {count} known mistake{'s' * (count > 1)} explain{'s' * (count == 1)} "
                 "every number" + (f"; {ties} explanations tie" if ties > 1 else "")]  # fmt: skip
        for explanation in self.explanations:
            lines += ["  - " + explanation.text().replace("\n", "\n    and ")]
        return lines if self.complete else lines + given_up

    def to_json(self) -> dict[str, Any]:
        """Return the check as a JSON object."""
        head = {"file": self.path, "verdict": ("agrees", "disagrees", "refused")[self.code]}
        if self.refused:
            return head | {"reason": self.refused}
        first = self.comparison.first
        return head | {
            "source": self.source,
            "dtype": self.dtype,
            "limit": self.comparison.limit,
            "tensors": [row.to_json() for row in self.comparison.rows],
            "first": None if first is None else first.to_json(),
            "undecided": list(self.comparison.undecided),
            "notes": list(self.comparison.notes),
            "precision": of_formats(self.comparison.rows, self.dtype) | self._products(),
            "parts": list(self.parts),
            "diagnosis_complete": self.complete,
            "diagnosis": [explanation.to_json() for explanation in self.explanations],
        }


def printable(text: str) -> str:
    """Return a stranger's text without control characters, shortened to 200."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 200 else text[:197] + "..."


def compare_vector(vector: Vector, path: str = "vector", limit: float | None = None) -> Check:
    """Return the `Check` of an answer without a diagnosis; parameters as of `check_vector`."""
    return Check(path, None, vector.meta["source"], vector.dtype, compare(vector, limit),
                 complete=False, vector=vector)  # fmt: skip


def check_vector(
    vector: Vector, path: str = "vector", limit: float | None = None, seconds: float = SECONDS
) -> Check:
    """Return the `Check` of an answer.

    Parameters
    ----------
    vector : Vector
    path : str
        What to call it.
    limit : float, optional
        As for `compare`.
    seconds : float
        What the diagnosis of a disagreement may take.

    Raises
    ------
    VectorError
        For a question.
    """
    return compare_vector(vector, path, limit).diagnosed(seconds)


def compare_file(
    path: str | PathLike[str],
    limit: float | None = None,
    max_bytes: int = LIMIT,
    question: str | PathLike[str] | None = None,
) -> Check:
    """Return the `Check` of a file without a diagnosis; parameters as of `check_file`."""
    path = str(path)
    if limit is not None:
        check_number(limit, "limit")
    asked = None if question is None else read_any(question, max_bytes)
    try:
        vector = read_any(path, max_bytes)
        if asked is not None:
            check_question(vector, asked)
        return compare_vector(vector, path, limit)
    except VectorError as error:
        return Check(path, str(error).removeprefix(f"{path}: "))


def check_file(
    path: str | PathLike[str],
    limit: float | None = None,
    max_bytes: int = LIMIT,
    question: str | PathLike[str] | None = None,
    seconds: float = SECONDS,
) -> Check:
    """Return the `Check` of a file; one that cannot be used is refused, not raised.

    Parameters
    ----------
    path : str or path
    limit : float, optional
        1e-10 for a float64 file and 1e-4 for a float32 one unless given.
    max_bytes : int
        What the file's arrays together may unpack to.
    question : str or path, optional
        The file whose question this must answer: an answer to another one is refused.
    seconds : float
        What the diagnosis of a disagreement may take.

    Raises
    ------
    VectorError
        Where the question's own file is refused.
    """
    return compare_file(path, limit, max_bytes, question).diagnosed(seconds)


def check_question(vector: Vector, asked: Vector) -> None:
    """Raise a `VectorError` unless a vector is an answer to the question asked, to the bit.

    Parameters
    ----------
    vector, asked : Vector
    """
    for key in ("version", "dtype", "layers", "likelihood", "kl_weight", "estimator"):
        if vector.meta.get(key) != asked.meta.get(key):
            raise VectorError(f"meta.{key}: expected the question's, found another")
    for name, value in asked.arrays.items():
        if not np.array_equal(vector.arrays[name], value):
            raise VectorError(f"{name}: expected the question's numbers, found others")
