"""A run's columns in another table: by name, by place, with more, with less, of other values."""

import json
import struct

import numpy as np
import pytest

from bnn_ref.data import Encoding, Reading, load, read_inputs

A, B, C, Y = np.random.default_rng(5).normal(size=(4, 40))


def write(path, **columns):
    """Write columns as a table with their names for a header; a name of blanks is none."""
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(name.strip() for name in columns)]
    lines += [",".join(str(cell) for cell in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def trained(tmp_path):
    return load(write(tmp_path / "t.csv", a=A, b=B, c=C, y=Y), target="y")


def inputs(path, encoding, **options):
    return read_inputs(path, encoding, "float64", Reading(**options))


def standardised(encoding, *columns):
    return (np.stack(columns, 1) - encoding.x_loc) / encoding.x_scale


def test_case_43_columns_are_found_by_name(tmp_path, trained):
    encoding = Encoding.from_json(json.loads(json.dumps(trained.encoding.to_json())))
    turned = write(tmp_path / "turned.csv", c=C, b=B, a=A, y=Y)
    wanted = standardised(encoding, A, B, C)
    np.testing.assert_array_equal(inputs(turned, encoding).rows[:], wanted)
    scored = load(turned, encoding=encoding, holdout=0, dtype="float64")
    np.testing.assert_array_equal(scored.train.x[:], wanted)
    np.testing.assert_allclose(encoding.decode_mean(scored.train.y)[:, 0], Y, rtol=1e-14)


def test_case_43_a_missing_or_renamed_column_is_refused(tmp_path, trained):
    for path in (write(tmp_path / "less.csv", a=A, b=B, y=Y),
                 write(tmp_path / "renamed.csv", a=A, b=B, C=C, y=Y)):  # fmt: skip
        with pytest.raises(ValueError, match="a column 'c', which the run was trained on, found a"):
            inputs(path, trained.encoding)
        with pytest.raises(ValueError, match="a column 'c', which the run was trained on, found a"):
            load(path, encoding=trained.encoding)
    without = write(tmp_path / "without.csv", a=A, b=B, c=C, z=Y)
    with pytest.raises(ValueError, match="a column 'y', which the run was trained on, found a, b"):
        load(without, encoding=trained.encoding)
    assert load(without, target="z", encoding=trained.encoding).outputs == 1


def test_case_43_extra_columns_are_ignored_with_one_line(tmp_path, trained):
    path = write(tmp_path / "more.csv", z=["red"] * 40, c=C, b=B, a=A, y=Y, w=A)
    for notes in (
        inputs(path, trained.encoding).notes,
        load(path, encoding=trained.encoding).notes,
    ):
        assert sum("ignored: z, w" in note for note in notes) == 1


def test_case_47_a_blank_or_absent_target_and_text_elsewhere(tmp_path, trained):
    wanted = standardised(trained.encoding, A, B, C)
    for path in (
        write(tmp_path / "blank.csv", a=A, b=B, c=C, y=[""] * 40),
        write(tmp_path / "unknown.csv", a=A, b=B, y=["?"] * 40, c=C),
        write(tmp_path / "absent.csv", b=B, a=A, c=C),
        write(tmp_path / "text.csv", b=B, name=["x, y".replace(", ", " ")] * 40, a=A, c=C),
    ):
        np.testing.assert_array_equal(inputs(path, trained.encoding).rows[:], wanted)
    with pytest.raises(ValueError, match=r"blank.csv, line 2, column 'y': .*an empty cell"):
        load(tmp_path / "blank.csv", encoding=trained.encoding)


def test_case_47_an_index_is_no_input(tmp_path):
    place = np.arange(40)
    data = load(write(tmp_path / "t.csv", **{" ": place, "a": A, "y": Y}), target="y")
    assert data.encoding.columns == ["a"]
    assert any("the first, without a name" in note for note in data.notes)
    plain = write(tmp_path / "plain.csv", y=Y, a=A)
    np.testing.assert_array_equal(
        inputs(plain, data.encoding).rows[:], standardised(data.encoding, A)
    )
    asked = load(tmp_path / "t.csv", target="y", reading=Reading(index=True))
    assert asked.encoding.columns == ["", "a"]


def test_without_a_header_columns_are_found_by_place(tmp_path):
    bare = tmp_path / "bare"
    np.savetxt(bare, np.c_[A, Y, B, C])
    encoding = load(bare, target=1, reading=Reading(drop=("2",))).encoding
    assert encoding.columns == ["column 0", "column 3"]
    wanted = standardised(encoding, A, C)
    for columns in ((A, Y, B, C), (A, B, C), (A, C)):  # all, without target, the inputs
        np.savetxt(tmp_path / "other", np.stack(columns, 1))
        found = inputs(tmp_path / "other", encoding)
        np.testing.assert_array_equal(found.rows[:], wanted)
        assert "found by place" in found.notes[0]
    np.savetxt(tmp_path / "wide", np.c_[A, A, A, A, A])
    with pytest.raises(ValueError, match="the 4 columns that the run .*2 inputs.*, found 5"):
        inputs(tmp_path / "wide", encoding)
    named = write(tmp_path / "named.csv", p=A, q=Y, r=B, s=C)
    np.testing.assert_array_equal(inputs(named, encoding).rows[:], wanted)


def test_one_hot_values_keep_their_places_and_unknown_ones_are_named(tmp_path):
    color = np.array(["red", "blue", "green"])[np.arange(40) % 3]
    path = write(tmp_path / "t.csv", a=A, color=color, y=Y)
    data = load(path, target="y", reading=Reading(categorical="all"))
    encoding = Encoding.from_json(json.loads(json.dumps(data.encoding.to_json())))
    assert encoding == data.encoding
    assert encoding.inputs == 4
    assert (encoding.x_loc[1:], encoding.x_scale[1:]) == ([0, 0, 0], [1, 1, 1])
    other = write(tmp_path / "other.csv", color=["red", "green"], a=A[:2])
    rows = inputs(other, encoding).rows[:]
    np.testing.assert_array_equal(rows[:, 1:], [[0, 0, 1], [0, 1, 0]])  # blue, green, red
    other.write_text("color,a\nred,1\n\nmauve,2\n")
    message = r"line 4, column 'color': expected one of blue, green, red, .*found 'mauve'"
    with pytest.raises(ValueError, match=message):
        inputs(other, encoding)


CLASSES = {
    "leading zeros": ("007", "7"),
    "underscores": ("1_1", "11"),
    "beyond float64": ("9007199254740992", "9007199254740993"),
    "exponents": ("1e5", "100000"),
    "a word for missing": ("NA", "ZA"),
}


@pytest.mark.parametrize("name", CLASSES)
def test_case_45_labels_are_their_text(tmp_path, name):
    one, other = CLASSES[name]
    labels = np.where(A > 0, one, other)
    path = write(tmp_path / "t.csv", a=A, y=labels)
    reading = Reading(missing=())
    data = load(path, target="y", task="categorical", dtype="float64", reading=reading)
    encoding = Encoding.from_json(json.loads(json.dumps(data.encoding.to_json())))
    assert set(encoding.classes) == {one, other}
    scored = load(path, encoding=encoding, holdout=0, reading=reading)
    assert [encoding.classes[k] for k in scored.train.y] == labels.tolist()
    write(path, a=A, y=np.where(A > 0, one, "a third"))
    with pytest.raises(ValueError, match=r"line \d+, target: expected one of .*found 'a third'"):
        load(path, encoding=encoding, reading=reading)


def test_classes_are_in_the_order_of_their_numbers(tmp_path):
    path = write(tmp_path / "t.csv", a=A, y=np.arange(40) % 4 * 5)
    assert load(path, target="y", task="categorical").encoding.classes == ["0", "5", "10", "15"]


def test_what_was_read_is_said_with_the_way_to_the_other_task(tmp_path, trained):
    assert trained.notes == (
        "target y: numbers (--likelihood categorical takes classes)",
        "columns: inputs a, b, c",
        "first line: names (--header no takes it as a row); ',' between cells",
    )
    kinds = np.array(["low", "high"])[np.arange(40) % 2]
    path = write(tmp_path / "k.csv", a=A, b=B, kind=kinds)
    reading = Reading(header=True, drop=("b",))
    assert load(path, target="kind", reading=reading).notes == (
        "target kind: 2 classes, high, low (some are text, so no likelihood takes them as numbers)",
        "columns: inputs a; dropped: b",
    )
    path.write_text("1,2,0\n3,4,1\n?,4,1\n" * 4)
    reading = Reading(missing_rows="drop")
    assert load(path, target=-1, task="categorical", reading=reading).notes == (
        "target column 2: 2 classes, 0, 1 (--likelihood normal takes numbers)",
        "columns: inputs column 0, column 1; 4 rows left out for a missing cell",
        "first line: a row of numbers (--header yes takes names from it); ',' between cells",
    )


HEADERS = {"cut": "(1,", "huge": "(1000000000000, 64), }", "of objects": "(1, 3), }", "odd": "1}"}


@pytest.mark.parametrize("name", HEADERS)
def test_case_55_an_npy_of_a_broken_header_is_refused(tmp_path, trained, name):
    kind = "|O" if name == "of objects" else "<f8"
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {HEADERS[name]}\n".encode()
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(
        ValueError, match="x.npy: expected an npy array of numbers, found"
    ) as caught:
        inputs(tmp_path / "x.npy", trained.encoding)
    assert "\n" not in str(caught.value)


BROKEN = {
    "layout": [3, {"columns": ["a"]}, {"columns": "a", "places": [0], "width": 1, "named": True}],
    "x_loc": [None, "0", [1.0], [float("nan")] * 3],
    "x_scale": [0, -1, [0.0] * 3, [1.0] * 4],
    "y_scale": [2.0, ["1"], [0.0]],
    "inputs": [0, 2.5, "3", True],
    "classes": ["ab", [1, 2]],
    "y_loc": [None, [1.0, 2.0]],
    "x_range": [3, [1.0]],
    "task": ["poisson", None, ["normal"]],
}


@pytest.mark.parametrize("key", BROKEN)
def test_an_encoding_that_nobody_recorded_is_refused(trained, key):
    good = trained.encoding.to_json()
    assert Encoding.from_json(good) == trained.encoding
    for value in BROKEN[key]:
        with pytest.raises(ValueError, match="encoding"):
            Encoding.from_json({**good, key: value})
    with pytest.raises(ValueError, match="encoding"):
        Encoding.from_json({**good, "more": 1})
    with pytest.raises(ValueError, match="encoding"):
        Encoding.from_json(None)
