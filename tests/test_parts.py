"""The parts that the tests run in."""

import pytest
from parts import in_part


def test_every_test_is_in_one_part():
    names = [f"tests/a.py::test_{k}" for k in range(600)]
    counts = [sum(in_part(name, f"{k}/6") for name in names) for k in range(6)]
    assert sum(counts) == 600
    assert min(counts) > 60


@pytest.mark.parametrize("part", ["3", "6/6", "1/0", "-1/6", "a/b", "1/6/2"])
def test_what_is_no_part_is_one_line(part):
    with pytest.raises(ValueError, match="--part: expected K/N with K from 0 to N - 1, found"):
        in_part("", part)
