"""Rounding that keeps a sum, and what a sheet does with numbers, arrays and checks."""

from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bnn_ref.explain.rounding import add_up, common_decimals, printed, share_out, units
from bnn_ref.explain.sheet import LONGEST, Sheet, number

numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(numbers, min_size=1, max_size=9), st.integers(0, 6))
@settings(max_examples=200, deadline=None, database=None)
def test_shares_add_up_and_stay_within_one_unit(values, decimals):
    total = units(sum(Decimal(v) for v in values), decimals)
    scaled = [Decimal(v).scaleb(decimals) for v in values]
    shares = share_out(scaled, total)
    assert sum(shares) == total
    assert all(abs(share - value) <= 1 for share, value in zip(shares, scaled, strict=True))


@given(st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None, database=None)
def test_a_table_adds_up_by_row_and_by_column_in_what_is_printed(rows):
    totals = [float(np.sum(row)) for row in rows]
    table = add_up(rows, totals, float(np.sum(totals)), 3)
    cells = [[Decimal(cell) for cell in row] for row in table]
    for row in cells:
        assert sum(row[:-1]) == row[-1]
    for column in zip(*cells, strict=True):
        assert sum(column[:-1]) == column[-1]


def test_worked_numbers():
    assert share_out([1.4, 1.4, 1.2], 4) == [2, 1, 1]
    assert printed(-1234, 2) == "-12.34"
    assert printed(5, 3) == "0.005"
    assert units(2.5, 0) == 2
    assert units(0.125, 2) == 12
    assert common_decimals([(1.23456, 1.23449)]) == 2
    assert number(-0.0) == "0"
    assert number(np.float32(0.1), 3) == "0.1"
    assert number(7) == "7"


def test_an_exact_check_and_a_monte_carlo_one_can_fail():
    sheet = Sheet("title")
    assert sheet.check("a", 1.0, "b", 1.0 + 1e-15, 1e-12).agrees
    assert sheet.check("0 and 0", 0.0, "b", 0.0, 0.0).agrees
    assert sheet.check_estimate("c", 1.0, "d", 1.04, 0.01).agrees
    assert sheet.agrees
    assert not sheet.check("a", 1.0, "b", 1.0 + 1e-9, 1e-12).agrees
    assert not sheet.check("from 0", 1e-30, "b", 0.0, 1e-12).agrees
    assert not sheet.check("NaN", float("nan"), "b", 1.0, 1e-12).agrees
    assert not sheet.check_estimate("c", 1.0, "d", 1.05, 0.01).agrees
    assert not sheet.agrees
    text = sheet.text()
    assert text.count(": DISAGREES") == 4
    assert text.endswith("\n3 of 7 checks agree.")


def test_no_line_of_an_array_is_too_long():
    sheet = Sheet("title")
    for shape in [(), (1,), (10,), (24,), (2, 12), (3, 8), (300, 4)]:
        sheet.array("an array of a long name", np.full(shape, -1.23456789e-7), "note " * 15)
    assert max(map(len, sheet.lines)) <= LONGEST
