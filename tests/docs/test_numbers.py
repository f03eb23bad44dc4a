"""Every measured number of a page's running text has a source that a test holds.

The phrases and their sources stand in `tests/helpers/numbers_of_pages.py`. A page that says another
number fails here, and so does a number that no phrase holds. Tables are held where they are made:
the README's and the bench's by `tools/publish_bench.py --check`, docs/uci.md's by
`tests/sweep/test_uci.py`, those of results here, limits, programs and libraries by the tests of
their names.
"""

import os
from pathlib import Path

import measure
import numpy as np
import pytest
from numbers_of_pages import HELD, STILL, column, page, results, short
from prose import untraced


@pytest.mark.parametrize("name", [*HELD, *STILL])
def test_every_number_has_its_source(name):
    phrases = HELD[name]() if name in HELD else []
    assert untraced(page(name), phrases) == ([], [])


def test_what_was_tried_on_digits_is_what_the_file_says():
    rows = results("results/digits.csv")
    lines = []
    for setting in map(measure.words_of, measure.TRIED):
        nats, right = (
            np.mean(column(rows, name, setting=setting)) for name in ("nats", "accuracy")
        )
        words = f"`{setting}`" if setting else "as it comes"
        lines.append(f"| {words} | " + short(f"{-nats:.3f} | {right:.3f} |"))
    assert "\n".join(lines) in page("docs/scikit-learn.md")


@pytest.mark.parametrize(
    ("text", "found"),
    [("It is .25 off.", 1), ("Held: it is .25 off.", 0), ("`.25` and $0.25$", 0), ("40 % more", 1),
     ("| .25 |", 0), ("Two of 360 rows.", 0), ("version 1, E12", 0), ("4.5, 1e-3 and -.2", 3)],
)  # fmt: skip
def test_a_number_without_a_source_would_be_found(text, found):
    missing, numbers = untraced(text, ["Held: it is .25"] if text.startswith("Held") else [])
    assert (missing, len(numbers)) == ([], found)


def test_a_phrase_that_is_not_said_would_be_found():
    assert untraced("It is .25.", ["is .26"]) == (["is .26"], ["It is .25."])


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("settling", "digits", "prior")]


@pytest.mark.parametrize("name", ["moons", "cancer", *SLOW])
def test_each_study_makes_the_lines_of_its_file(name):
    """At one step, its first run alone."""
    row = next(iter(measure.STUDIES[name]({"steps": 1}, None)))
    assert list(row) == list(results(f"results/{name}.csv")[0])


def test_the_uci_study_runs():
    folder = Path(os.environ.get("BNN_REF_DATA", ""), "uci")
    if not (folder / "bostonHousing").is_dir():
        pytest.skip("BNN_REF_DATA names no folder with uci/")
    row = next(iter(measure.choices({"steps": 1}, folder)))
    assert np.isfinite(row["log_likelihood"])
