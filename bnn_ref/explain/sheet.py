"""Sheet: what an explanation is written on. Formula, numbers put in, result, a check beside it.

Every topic fills a sheet in the same order; `Sheet.text` is what the terminal shows. A check holds
a result against the same quantity computed in another way and is either exact (a relative
difference within a limit) or statistical (a Monte Carlo estimate, within so many of its standard
errors).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 79
LONGEST = 99  # columns of a line that is not wrapped
PRINTED_ENTRIES = 24  # arrays of more entries are shown by their first ones and a summary
STANDARD_ERRORS = 4.5  # a sound Monte Carlo check fails once in 150,000 seeds


@dataclass(frozen=True)
class Check:
    """A result beside an independent value of the same quantity.

    Attributes
    ----------
    what : str
        The quantity.
    found : float
        This project's result.
    by : str
        How the other value was computed.
    independent : float
    distance : float
        Relative difference, or for Monte Carlo the difference in standard errors.
    limit : float
        The largest distance at which the two agree.
    error : float or None
        The standard error of a Monte Carlo estimate, None for an exact check.
    """

    what: str
    found: float
    by: str
    independent: float
    distance: float
    limit: float
    error: float | None = None

    @property
    def agrees(self) -> bool:
        """True where the distance is within the limit (False for NaN)."""
        return bool(self.distance <= self.limit)


@dataclass
class Sheet:
    """An explanation as it grows: lines of text, and the checks that were made on the way.

    Parameters
    ----------
    title : str

    Attributes
    ----------
    lines : list of str
    checks : list of Check
    missing : list of str
        Checks that were left out, and why.
    arrays : list of (section, name, array)
        Those that were shown, whole, with the heading they stand under.
    section : str
        The last heading.
    """

    title: str
    lines: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    arrays: list[tuple[str, str, NDArray[Any]]] = field(default_factory=list)
    section: str = ""

    @property
    def agrees(self) -> bool:
        """True where every check that was made agrees."""
        return all(check.agrees for check in self.checks)

    def heading(self, text: str) -> None:
        """Start a section.

        Parameters
        ----------
        text : str
        """
        self.section = text
        self.lines += ["", text, "-" * min(len(text), WIDTH)]

    def say(self, text: str) -> None:
        """Add a paragraph, wrapped.

        Parameters
        ----------
        text : str
            Its line breaks do not count.
        """
        self.lines += ["", *textwrap.wrap(" ".join(text.split()), WIDTH)]

    def formula(self, *lines: str) -> None:
        """Add lines of a formula or a computation, indented, as they are."""
        self.lines += ["", *(("    " + line).rstrip() for line in lines)]

    def table(self, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add a table: text columns to the left, all others to the right.

        Parameters
        ----------
        header : sequence of str
        rows : sequence of sequences of str, each as long as the header
        """
        rows = [[str(cell) for cell in row] for row in rows]
        widths = [max(len(row[c]) for row in [header, *rows]) for c in range(len(header))]
        for row in [header, *rows]:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            if row is header:
                self.lines.append("")
            self.lines.append(("    " + "  ".join(cells)).rstrip())

    def array(self, name: str, array: NDArray[Any], note: str = "") -> None:
        """Add an array with its name and shape: every entry of a small one, else a summary.

        Parameters
        ----------
        name : str
        array : array of any shape
        note : str
            What it is or how it was computed; on a line of its own where it does not fit.
        """
        array = np.asarray(array)
        self.arrays.append((self.section, name, array))
        shape = " x ".join(str(n) for n in array.shape) or "scalar"
        head = f"    {name}  [{shape}]"
        self.lines += ["", *(_beside(head, note) if note else [head])]
        if array.size <= PRINTED_ENTRIES:
            table = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
            cells = [[number(value, 6) for value in row] for row in table]
            width = max(10, *(len(cell) for row in cells for cell in row))
            rows = ["      " + " ".join(cell.rjust(width) for cell in row) for row in cells]
            if len(rows[0]) <= LONGEST:
                self.lines += rows
                return
        start = " ".join(number(value, 4) for value in array.reshape(-1)[:3])
        self.lines.append(
            f"      {start} ...  from {number(array.min(), 4)} to {number(array.max(), 4)}, "
            f"mean {number(np.mean(array), 4)}"
        )

    def check(
        self,
        what: str,
        found: float,
        by: str,
        independent: float,
        limit: float,
        scale: float | None = None,
    ) -> Check:
        """Hold a result against an exact value: relative difference, of `scale` where given.

        Parameters
        ----------
        what : str
            The quantity.
        found : float
            This project's result.
        by : str
            How the other value was computed.
        independent : float
        limit : float
            The largest relative difference.
        scale : float, optional
            What the difference is counted against, where not the independent value.

        Returns
        -------
        Check
        """
        found, independent = float(found), float(independent)
        scale = abs(independent) if scale is None else float(scale)
        difference = abs(found - independent)
        distance = 0.0 if difference == 0 else difference / scale if scale else np.inf
        return self._add(Check(what, found, by, independent, distance, limit))

    def check_estimate(
        self, what: str, found: float, by: str, estimate: float, error: float
    ) -> Check:
        """Hold a result against a Monte Carlo estimate with that standard error.

        Parameters
        ----------
        what, found, by
            As for `check`.
        estimate : float
        error : float
            Its standard error.

        Returns
        -------
        Check
        """
        found, estimate, error = float(found), float(estimate), float(error)
        difference = abs(found - estimate)
        distance = 0.0 if difference == 0 else difference / error if error else np.inf
        return self._add(Check(what, found, by, estimate, distance, STANDARD_ERRORS, error))

    def leave_out(self, what: str, why: str) -> None:
        """Note a check that cannot be made here.

        Parameters
        ----------
        what : str
        why : str
        """
        self.missing.append(what)
        self.lines += ["", f"  check  {what}: left out, {why}"]

    def _add(self, check):
        self.checks.append(check)
        verdict = "agrees" if check.agrees else "DISAGREES"
        if check.error is None:
            other = number(check.independent, 12)
            how = f"relative difference {check.distance:.1e}, limit {check.limit:.0e}"
        else:
            other = f"{number(check.independent, 7)} +- {number(check.error, 2)}"
            how = f"{check.distance:.1f} standard errors apart, limit {check.limit}"
        what = textwrap.wrap(check.what, WIDTH - 9)
        self.lines += [
            "",
            f"  check  {what[0]}",
            *("         " + line for line in what[1:]),
            f"         here   {number(check.found, 12 if check.error is None else 7)}",
            *_beside(f"         other  {other}", f"({check.by})"),
            f"         {how}: {verdict}",
        ]
        return check

    def text(self) -> str:
        """Return the whole sheet as text, with a last line that counts the checks."""
        count = len(self.checks)
        agreeing = sum(check.agrees for check in self.checks)
        last = f"{agreeing} of {count} checks agree"
        if self.missing:
            last += f", {len(self.missing)} left out"
        return "\n".join([self.title, "=" * len(self.title), *self.lines, "", last + "."])


def _beside(line, remark):
    """Return the line with the remark behind it, or on a line of its own where it is too long."""
    joined = f"{line}  {remark}"
    return [joined] if len(joined) <= LONGEST else [line, " " * 16 + remark]


def number(value: float, digits: int = 6) -> str:
    """Return a number with that many significant digits, trailing zeros dropped.

    Parameters
    ----------
    value : int or float
    digits : int
    """
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return str(int(value))
    text = f"{float(value):.{digits}g}"
    return "0" if text == "-0" else text


def mpmath_or_none() -> ModuleType | None:
    """Return mpmath, or None where it is not installed (it comes with the extra `all`)."""
    try:
        import mpmath
    except ImportError:
        return None
    return mpmath


NO_MPMATH = "mpmath is not installed (python -m pip install mpmath)"
