"""Tables of a stranger: read, or refused in one line, whatever was done to them."""

import csv
import gzip
import random
import warnings

import numpy as np
import pytest

from bnn_ref.data import Reading, load, read_inputs

CELLS = ["1", "-2.5", "3e5", "", " ", "NA", "red", "007", "1,5", "1e999", "nan", "inf", "1_0", '"',
         '"a"', '"a,b"', '"two\nlines"', "\u00e9", "\x1b[31m", "\u2028", "\x85", "\x0c", "\x1c",
         "\x00", "\ud800", "x" * 300, "'", "\\", "#", "0x1", "\ufeff", "-", "."]  # fmt: skip
SEPARATORS = [",", ";", "\t", "|", " ", "  ", ",,"]
READINGS = [
    Reading(),
    Reading(header=True),
    Reading(header=False),
    Reading(categorical="all"),
    Reading(missing_rows="drop", categorical="all"),
    Reading(separator=" ", decimal=","),
    Reading(separator=";"),
    Reading(drop=("0",), index=True),
]


def odd_table(random):
    """Return the bytes of a table that something is wrong with, or nothing."""
    separator, width = random.choice(SEPARATORS), random.randint(1, 5)
    lines = [separator.join(random.choice("abcdeé") + str(k) for k in range(width))]
    for _ in range(random.randint(0, 12)):
        odd = random.random()
        wide = width + (random.choice((-1, 1)) if odd < 0.05 else 0)
        good = odd < 0.8
        cells = (str(random.randint(0, 9)) if good else random.choice(CELLS) for _ in range(wide))
        lines.append(separator.join(cells))
        lines += [""] * (random.random() < 0.1)
    content = random.choice(["\n", "\n", "\r\n", "\r"]).join(lines)
    content = content.encode("utf-8", "surrogatepass")
    if random.random() < 0.2:
        place = random.randrange(len(content) + 1)
        content = content[:place] + random.randbytes(random.randint(0, 3)) + content[place + 1 :]
    if random.random() < 0.2:
        content = gzip.compress(content, 1)
        place = random.randrange(2, len(content))
        if random.random() < 0.7:
            content = content[:place] + random.randbytes(1) + content[place + 1 :]
    return content


def refused(call, *words, **options):
    """Return what a call returns, or None where it refuses in one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings(
                "ignore", "there: no training row|.*no training row", UserWarning
            )
            return call(*words, **options)
    except (ValueError, TypeError) as error:
        text = str(error)
        assert text.isprintable(), text
        assert ": expected " in text, text
        assert len(text) < 2600
        return None


def read_odd_tables(path, seeds):
    """Read that many tables to train on and to predict; return how many were read."""
    taken = 0
    for seed in seeds:
        chance = random.Random(seed)
        path.write_bytes(odd_table(chance))
        reading = chance.choice(READINGS)
        data = refused(load, path, target=-1, holdout=0, reading=reading)
        if data is None:
            continue
        taken += 1
        assert np.isfinite(data.train.x[:]).all()
        path.write_bytes(odd_table(chance))
        inputs = refused(read_inputs, path, data.encoding, reading=reading)
        if inputs is not None:
            assert inputs.rows.shape[1] == data.inputs
            assert np.isfinite(inputs.rows[:]).all()
    return taken


def test_odd_tables_are_read_or_refused(tmp_path):
    assert 30 < read_odd_tables(tmp_path / "there", range(400)) < 370


@pytest.mark.slow
def test_many_odd_tables_are_read_or_refused(tmp_path):
    read_odd_tables(tmp_path / "there", range(400, 20_000))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_text_is_read_back_to_the_letter(tmp_path, separator):
    """Cells with separators, quotes and line ends, as `csv` writes them: each letter is kept."""
    chance = random.Random(separator)
    letters = "ab ,;|\t\"'\n\\é#-1"
    labels = ["".join(chance.choices(letters, k=6)).strip() or "a" for _ in range(60)]
    with open(tmp_path / "t.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator="\r\n")
        writer.writerow(["a", "label", "b"])
        writer.writerows([k / 7, label, -k] for k, label in enumerate(labels))
    reading = Reading(separator=separator, header=True, missing=())
    data = load(tmp_path / "t.csv", target="label", holdout=0, dtype="float64", reading=reading)
    assert [data.encoding.classes[k] for k in data.train.y] == labels
    np.testing.assert_array_equal(data.train.x.values, [[k / 7, -k] for k in range(60)])
