"""A vector file from a person, checked: read, compared, diagnosed, told."""

from dataclasses import dataclass

from ...storage.archive import LIMIT
from ..vectors import VectorError, read
from .comparison import Comparison, check_limit, compare
from .diagnosis import diagnose


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
    """

    path: str
    refused: str | None = None
    source: str = ""
    dtype: str = ""
    comparison: Comparison | None = None
    explanations: tuple = ()

    @property
    def agrees(self):
        """True where the file was accepted and every tensor agrees."""
        return self.comparison is not None and self.comparison.agrees

    @property
    def code(self):
        """0 where the file agrees, 1 where it disagrees, 2 where it was refused."""
        return 2 if self.refused else 0 if self.agrees else 1

    def verdict(self):
        """Return the verdict on one line."""
        if self.refused:
            return f"refused: {self.refused}"
        rows = self.comparison.rows
        if self.agrees:
            worst = max(row.error for row in rows)
            text = f"agrees: {len(rows)} tensors, largest error {worst:.2g}"
            units = len(self.comparison.undecided)
            return text + (f", {units} ReLU unit{'s' * (units > 1)} undecided" if units else "")
        wrong = sum(not row.agrees for row in rows)
        return f"DISAGREES: {wrong} of {len(rows)} tensors, first in {self.comparison.first.stage}"

    def text(self):
        """Return table, diagnosis and verdict as text."""
        if self.refused:
            return f"{self.path}: {self.verdict()}"
        lines = [f"{self.path}: {self.dtype}, computed by {printable(self.source)}"]
        lines.append(self.comparison.table())
        if not self.agrees:
            lines += self._diagnosis()
        lines.append(f"{self.path}: {self.verdict()}")
        return "\n".join(lines)

    def _diagnosis(self):
        if not self.explanations:
            return ["diagnosis: no known mistake explains this; the first wrong number is above"]
        count = len(self.explanations[0].mistakes)
        ties = len(self.explanations)
        lines = [f"diagnosis: {count} known mistake{'s' * (count > 1)} explain{'s' * (count == 1)} "
                 "every number" + (f"; {ties} explanations tie" if ties > 1 else "")]  # fmt: skip
        for explanation in self.explanations:
            lines += ["  - " + explanation.text().replace("\n", "\n    and ")]
        return lines

    def to_json(self):
        """Return the check as a JSON object."""
        found = {"file": self.path, "verdict": ("agrees", "disagrees", "refused")[self.code]}
        if self.refused:
            return found | {"reason": self.refused}
        first = self.comparison.first
        return found | {
            "source": self.source,
            "dtype": self.dtype,
            "limit": self.comparison.limit,
            "tensors": [row.to_json() for row in self.comparison.rows],
            "first": None if first is None else first.to_json(),
            "undecided": list(self.comparison.undecided),
            "diagnosis": [explanation.to_json() for explanation in self.explanations],
        }


def printable(text, length=200):
    """Return a stranger's text without control characters, shortened."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= length else text[: length - 3] + "..."


def check_vector(vector, path="vector", limit=None):
    """Return the `Check` of an answer.

    Parameters
    ----------
    vector : Vector
    path : str
        What to call it.
    limit : float, optional
        As for `compare`.

    Raises
    ------
    VectorError
        For a question.
    """
    comparison = compare(vector, limit)
    explanations = tuple(diagnose(vector, comparison))
    return Check(path, None, vector.meta["source"], vector.dtype, comparison, explanations)


def check_file(path, limit=None, max_bytes=LIMIT):
    """Return the `Check` of a file; one that cannot be used is refused, not raised.

    Parameters
    ----------
    path : str or path
    limit : float, optional
        1e-10 for a float64 file and 1e-4 for a float32 one unless given.
    max_bytes : int
        What the file's arrays together may unpack to.
    """
    path = str(path)
    if limit is not None:
        check_limit(limit)
    try:
        return check_vector(read(path, max_bytes), path, limit)
    except VectorError as error:
        return Check(path, str(error).removeprefix(f"{path}: "))
