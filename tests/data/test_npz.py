"""npz files of a person's own."""

import numpy as np
import pytest

from bnn_ref.data import Reading, load
from bnn_ref.data.npz import read_npz

PLAIN = Reading()


def arrays(**changes):
    return {
        "x_train": np.ones((4, 3)),
        "y_train": np.arange(4),
        "x_test": np.ones((2, 3)),
        "y_test": np.arange(2),
    } | changes


def test_npz(tmp_path):
    path = tmp_path / "d.npz"
    np.savez_compressed(path, **arrays(), other=np.arange(3))
    np.testing.assert_array_equal(read_npz(path, PLAIN)["y_train"], np.arange(4))


REFUSED_NPZ = {
    "rows and targets differ": (arrays(y_test=np.arange(3)), r"y_test: expected 2 rows, as x_test"),
    "no rows": (arrays(x_test=np.ones((0, 3)), y_test=np.ones(0)), "x_test: expected a shape"),
    "rank 1": (arrays(x_train=np.ones(4)), r"x_train: expected a shape \(rows, columns\)"),
    "widths differ": (arrays(x_test=np.ones((2, 5))), r"x_test: expected rows of shape \(3,\)"),
    "objects": (arrays(x_train=np.array([[{}]] * 4)), "x_train.*object"),
    "scalar target": (arrays(y_train=np.array(4)), "y_train: expected 4 rows"),
    "target of rank 3": (
        arrays(y_train=np.ones((4, 3, 2))),
        r"y_train: .* found shape \(4, 3, 2\)",
    ),
    "no target": (arrays(y_test=np.ones((2, 0))), r"y_test: .* found shape \(2, 0\)"),
    "two labels a row": (arrays(y_train=np.array([["a", "b"]] * 4)), r"found shape \(4, 2\)"),
    "a long label": (arrays(y_train=np.array(["a" * 70_000] * 4)), "at most 200 characters, found"),
}


@pytest.mark.parametrize("name", REFUSED_NPZ)
def test_npz_refused(tmp_path, name):
    content, message = REFUSED_NPZ[name]
    path = tmp_path / "the.npz"
    np.savez(path, **content)
    with pytest.raises(ValueError, match=message) as caught:
        read_npz(path, PLAIN)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600


def test_half_a_test_part_or_a_cut_file(tmp_path):
    path = tmp_path / "the.npz"
    np.savez(path, **{name: a for name, a in arrays().items() if name != "x_test"})
    with pytest.raises(ValueError, match="array 'x_test'.*found x_train, y_train, y_test"):
        read_npz(path, PLAIN)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"the.npz: expected an .npz archive"):
        read_npz(path, PLAIN)


def test_other_names_text_labels_and_no_test_part(tmp_path):
    path, rng = tmp_path / "d.npz", np.random.default_rng(0)
    labels = np.array(["cat", "dog", "an owl"])[np.arange(30) % 3]
    np.savez(path, images=rng.normal(size=(30, 2, 2)), kinds=labels)
    reading = Reading(arrays=(("x_train", "images"), ("y_train", "kinds")))
    data = load(path, reading=reading)
    assert data.encoding.classes == ["an owl", "cat", "dog"]
    assert (data.holdout, data.test, data.outputs) == (6, None, 3)
    assert np.bincount(data.validation.y).tolist() == [2, 2, 2]  # drawn by class
    assert data.train.y.dtype == np.int64
    assert "3 classes, an owl, cat, dog" in data.notes[0]
    with pytest.raises(ValueError, match=r"'x_train': .*--arrays x=NAME.*found images, kinds"):
        load(path)
    with pytest.raises(ValueError, match="'pictures': expected one of this name"):
        load(path, reading=Reading(arrays=(("x_train", "pictures"), ("y_train", "kinds"))))


def test_a_test_part_of_text_may_have_a_class_more(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, **arrays(y_train=np.array(list("abab")), y_test=np.array(["a", "c\x07"])))
    with pytest.warns(UserWarning, match=r"no training row has the class c\\x07: only"):
        data = load(path)
    assert data.encoding.classes == ["a", "b", "c\x07"]
    assert data.test.y.tolist() == [0, 2]


@pytest.mark.parametrize(("name", "place"), [("x_test", (1, 2)), ("x_train", (3, 0))])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_case_33_what_is_not_finite_is_found_when_the_file_is_read(
    tmp_path, monkeypatch, name, place, value
):
    monkeypatch.setattr("bnn_ref.data.encoding.PIECE", 3)  # a row at a time
    content = arrays(x_train=np.full((4, 3), 2.0))
    content[name][place] = value
    np.savez(tmp_path / "d.npz", **content)
    part = ", test part" if name == "x_test" else ""
    row, column = place
    with pytest.raises(ValueError, match=f"d.npz{part}: .*in row {row}, column {column}$"):
        load(tmp_path / "d.npz")
    if value == 1e39:
        assert load(tmp_path / "d.npz", dtype="float64").outputs == 4


def test_case_18_a_label_that_is_none_is_named_with_the_row_of_the_file(tmp_path):
    for value, message in ((-1, "found -1 in row 3"), (3.5, "found 3.5 in row 3"),
                           (np.nan, "finite numbers, found nan in row 3")):  # fmt: skip
        y = np.array([0, 1, 0, value, 1, 0, 1, 0, 1, 0])
        np.savez(tmp_path / "d.npz", x_train=np.ones((10, 2)), y_train=y)
        for seed in range(3):  # wherever the row is held out
            with pytest.raises(ValueError, match=message):
                load(tmp_path / "d.npz", task="categorical", seed=seed)
