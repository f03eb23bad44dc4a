"""Every case from the field that the border, the checkers and the learning answer to has a test."""

import re
from pathlib import Path

NAMED = re.compile(r"\b[Cc]ases? \d+(?:(?:, | and | to )\d+)*|_cases?_\d+(?:_and_\d+)*")


def numbers(words):
    """Return the numbers that words like "Cases 36, 68, 86 to 90" name, ranges whole."""
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", words):
        yield from range(int(first), int(last or first) + 1)


def test_ranges_and_lists_are_read():
    assert [*numbers("cases 36, 68, 86 to 88 and 94")] == [36, 68, 86, 87, 88, 94]
    assert [*numbers("_cases_30_and_31")] == [30, 31]


def test_every_case_from_30_to_95_is_named_by_a_test():
    found = set()
    for path in Path(__file__).parent.rglob("test_*.py"):
        if path != Path(__file__):
            for words in NAMED.findall(path.read_text(encoding="utf-8")):
                found.update(numbers(words))
    assert sorted(set(range(30, 96)) - found) == []
