"""Rounding that keeps a sum: printed parts add up to the printed whole, digit by digit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import floor


def units(value: float, decimals: int) -> int:
    """Return a number in whole units of its last printed digit, rounded half to even.

    Parameters
    ----------
    value : float
    decimals : int
    """
    return int(Decimal(float(value)).scaleb(decimals).to_integral_value())


def share_out(values: Sequence[Decimal | float], total: int) -> list[int]:
    """Return whole numbers that add up to `total`, each within 1 of its value where they can.

    Every value is rounded down; the units that are then missing go to the largest remainders
    (the rule by which seats are shared out after a vote).

    Parameters
    ----------
    values : sequence of Decimal or float
        In units of the last printed digit.
    total : int
    """
    whole = [floor(value) for value in values]
    missing = total - sum(whole)
    order = sorted(range(len(values)), key=lambda i: whole[i] - values[i])  # largest rest first
    each, rest = divmod(missing, len(values))
    for place, i in enumerate(order):
        whole[i] += each + (place < rest)
    return whole


def common_decimals(pairs: Sequence[tuple[float, float]], most: int = 6) -> int:
    """Return the largest number of decimals, up to `most`, at which each pair rounds alike.

    Parameters
    ----------
    pairs : sequence of (float, float)
        The same quantities computed twice.
    most : int
    """
    for decimals in range(most, 0, -1):
        if all(units(a, decimals) == units(b, decimals) for a, b in pairs):
            return decimals
    return 0


def printed(whole: int, decimals: int) -> str:
    """Return a number of units as text with that many decimals and no thousands marks.

    Parameters
    ----------
    whole : int
    decimals : int
    """
    sign, whole = ("-" if whole < 0 else ""), abs(whole)
    if decimals == 0:
        return f"{sign}{whole}"
    head, tail = divmod(whole, 10**decimals)
    return f"{sign}{head}.{tail:0{decimals}d}"


def add_up(
    rows: Sequence[Sequence[float]], totals: Sequence[float], grand_total: float, decimals: int
) -> list[list[str]]:
    """Return a table of text whose rows and columns add up in what is printed.

    Parameters
    ----------
    rows : list of lists of float
        The parts of each row.
    totals : list of float
        The total of each row.
    grand_total : float
    decimals : int

    Returns
    -------
    list of lists of str: each row's parts and total, last the columns' sums and the grand total.
        Every entry of a row is within one unit of its last digit of the number it stands for.
    """
    scale = [Decimal(float(total)).scaleb(decimals) for total in totals]
    row_totals = share_out(scale, units(grand_total, decimals))
    whole = []
    for parts, total in zip(rows, row_totals, strict=True):
        shares = share_out([Decimal(float(part)).scaleb(decimals) for part in parts], total)
        whole.append([*shares, total])
    whole.append([sum(column) for column in zip(*whole, strict=True)])
    return [[printed(entry, decimals) for entry in row] for row in whole]
