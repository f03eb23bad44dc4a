"""Rows, encodings and splits."""

import json

import numpy as np
import pytest

from bnn_ref import Categorical, DenseFlipout, Network, draw_noise, loss_and_gradients
from bnn_ref.border.rows import take
from bnn_ref.data import (
    Encoding,
    Reading,
    Rows,
    kind_of,
    load,
    make_dataset,
    only_test,
    read_inputs,
)


def test_pixels_stay_bytes_until_a_batch_is_taken():
    values = np.arange(256, dtype=np.uint8).reshape(64, 4)
    for dtype in ("float32", "float64"):
        rows = Rows(values, scale=255, dtype=dtype)
        assert np.shares_memory(rows.values, values)
        batch = rows[3:5]
        assert batch.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(
            batch, np.asarray(values[3:5], dtype) / np.dtype(dtype).type(255)
        )
    assert rows[-1:].max() == 1.0
    assert rows.shape == (64, 4)
    assert len(rows) == 64
    assert np.asarray(rows).shape == (64, 4)
    np.testing.assert_array_equal(take(rows, np.array([5, 2])), rows[[5, 2]])


def test_standardised_rows_are_computed_in_float64():
    values = np.array([[1e8 + 1, 0], [1e8 + 3, 0]])
    rows = Rows(values, loc=[1e8 + 2, 0], scale=[1, 1], dtype="float32")
    np.testing.assert_array_equal(rows[:], [[-1, 0], [1, 0]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((0, 3)), "neither 0"),
        (np.zeros(3), "a shape"),
        (np.array([["a"]]), "numbers, found dtype <U1"),
        (np.zeros((2, 2), complex), "numbers, found dtype complex128"),
    ],
)
def test_rows_refuse(values, message):
    with pytest.raises(ValueError, match=message):
        Rows(values)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_case_20_whole_numbers_keep_their_values(dtype):
    """Inputs of int64, uint8 or bool: the same values in the model's dtype, never divided."""
    network = Network([DenseFlipout(3, 2)], Categorical())
    x = np.array([[0, 1, 1], [1, 0, 1]]) * (1 if dtype == "bool" else 200)
    noise = draw_noise(network, 2, 0)
    parameters, y = network.init(0), [0, 1]
    found = loss_and_gradients(network, parameters, x.astype(dtype), y, noise, 0.1)
    wanted = loss_and_gradients(network, parameters, x.astype(np.float32), y, noise, 0.1)
    np.testing.assert_array_equal(found.outputs, wanted.outputs)
    with pytest.raises(TypeError, match="found dtype <U1"):
        loss_and_gradients(network, parameters, np.full((2, 3), "a"), y, noise, 0.1)


def test_digits_hold_out_rows_drawn_by_the_seed():
    data = load()
    assert (data.train.x.shape, data.validation.x.shape, data.test) == ((1437, 64), (360, 64), None)
    assert (data.outputs, data.encoding.task, data.image) == (10, "categorical", (8, 8))
    assert data.train.x[:].max() == 1.0
    both = np.concatenate([data.train.x.values, data.validation.x.values])
    assert len(np.unique(both, axis=0)) == len(np.unique(load(holdout=0).train.x.values, axis=0))
    same, other = load(), load(seed=1)
    np.testing.assert_array_equal(same.validation.y, data.validation.y)
    assert not np.array_equal(other.validation.y, data.validation.y)


def npz(tmp_path, n=10, **changes):
    arrays = {
        "x_train": np.arange(4 * n, dtype=np.uint8).reshape(n, 2, 2),
        "y_train": np.arange(n) % 3,
        "x_test": np.zeros((2, 2, 2), np.uint8),
        "y_test": np.array([0, 3]),
    } | changes
    np.savez(tmp_path / "d.npz", **arrays)
    return tmp_path / "d.npz"


def test_npz_holds_out_the_first_rows(tmp_path):
    with pytest.warns(UserWarning, match="no training row has the class 3"):
        data = load(npz(tmp_path), holdout=4)
    assert data.kind == "npz"
    np.testing.assert_array_equal(data.validation.y, [0, 1, 2, 0])
    np.testing.assert_array_equal(data.train.y, [1, 2, 0, 1, 2, 0])
    np.testing.assert_array_equal(
        data.train.x[:1], np.float32([16, 17, 18, 19])[None] / np.float32(255)
    )
    assert data.outputs == 4  # the test part has a class more
    path = npz(tmp_path, x_train=np.full((10, 4), 7.0), x_test=np.full((2, 4), 9.0), y_test=[0, 1])
    floats = load(path)
    assert floats.validation is None
    assert floats.test.x[:].max() == 9.0  # as it is
    column = load(npz(tmp_path, y_train=(np.arange(10) % 3)[:, None], y_test=[0, 1]))
    np.testing.assert_array_equal(column.train.y, np.arange(10) % 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.eye(10, dtype=int)}, r"d.npz: y: expected shape \(10,\).*found \(10, 10\)"),
        ({"y_train": np.arange(10) - 1}, r"d.npz: y: .*found -1 in row 0"),
        ({"y_train": np.full(10, 3.5)}, "found 3.5 in row 0"),
        ({"y_train": np.full(10, np.nan)}, "y_train: expected finite numbers, found nan in row 0"),
        ({"y_train": np.full(10, 10**9)}, "class ids up to 1000, found 1000000000"),
        ({"y_train": np.array(["a"] * 10)}, "text in both parts or numbers in both"),
        ({"x_train": np.full((10, 2, 2), "a")}, "x_train: expected numbers, found text"),
    ],
)
def test_targets_that_are_no_classes(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load(npz(tmp_path, **changes), task="categorical")


@pytest.mark.parametrize("holdout", [-1, 10, 2.5])
def test_holdout_out_of_range(tmp_path, holdout):
    with pytest.raises(ValueError, match=r"holdout: expected .* found"):
        load(npz(tmp_path), holdout=holdout)


def table(tmp_path, name="t.csv"):
    rng = np.random.default_rng(3)
    x = rng.normal(5, 3, (50, 3))
    y = x @ [100, -50, 20] + 7
    lines = ["a,b,c,y"] + [",".join(map(repr, map(float, row))) for row in np.c_[x, y]]
    (tmp_path / name).write_text("\n".join(lines))
    return tmp_path / name, x, y


def test_a_table_is_standardised_by_its_training_rows(tmp_path):
    path, x, y = table(tmp_path)
    data = load(path, target="y", dtype="float64")
    assert (data.encoding.task, data.holdout, data.outputs) == ("normal", 10, 1)
    train = data.train.x[:]
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-14)
    np.testing.assert_allclose(train.std(0), 1, rtol=1e-14)
    assert abs(data.validation.x[:].mean()) > 1e-3  # not its own moments
    np.testing.assert_allclose(data.train.y.std(), 1, rtol=1e-14)
    encoding = data.encoding
    np.testing.assert_allclose(np.sort(np.r_[encoding.decode_mean(data.train.y).ravel(),
                                             encoding.decode_mean(data.validation.y).ravel()]),
                               np.sort(y), rtol=1e-12)  # fmt: skip
    scale = encoding.y_scale[0]
    np.testing.assert_allclose(encoding.decode_nats(0.0), -np.log(scale))
    np.testing.assert_allclose(encoding.decode_scale(np.array([1.0])), [scale])
    again = Encoding.from_json(json.loads(json.dumps(encoding.to_json())))
    assert again == encoding
    wanted = Rows(x, loc=again.x_loc, scale=again.x_scale, dtype="float64")[:]
    np.testing.assert_array_equal(read_inputs(path, again, "float64").rows[:], wanted)


def test_inputs_are_found_by_name_or_by_place(tmp_path):
    path, x, _ = table(tmp_path)
    encoding = load(path, target="y").encoding
    wanted = read_inputs(path, encoding).rows[:]
    turned = tmp_path / "turned.csv"
    turned.write_text("\n".join(["c,a,b"] + [f"{c!r},{a!r},{b!r}" for a, b, c in x.tolist()]))
    np.testing.assert_array_equal(read_inputs(turned, encoding).rows[:], wanted)
    bare = tmp_path / "bare"
    bare.write_text("\n".join(" ".join(map(repr, row)) for row in x.tolist()))
    np.testing.assert_array_equal(read_inputs(bare, encoding).rows[:], wanted)
    np.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(read_inputs(tmp_path / "x.npy", encoding).rows[:], wanted)
    np.savez(tmp_path / "x.npz", x=x)
    np.testing.assert_array_equal(read_inputs(tmp_path / "x.npz", encoding).rows[:], wanted)
    (tmp_path / "less.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="a column 'c', which the run was trained on, found a, b"):
        read_inputs(tmp_path / "less.csv", encoding)
    (tmp_path / "narrow").write_text("1 2\n")
    with pytest.raises(
        ValueError, match="the 4 columns that the run was trained on, or its 3 in.*, found 2"
    ):
        read_inputs(tmp_path / "narrow", encoding)


def test_text_classes(tmp_path):
    path = tmp_path / "t"
    path.write_text("\n".join(f"{k},{'xyz'[k % 3]}" for k in range(30)))
    data = load(path, target=-1, holdout=5)
    assert (data.encoding.classes, data.outputs, data.encoding.task) == (
        list("xyz"),
        3,
        "categorical",
    )
    with pytest.raises(ValueError, match=r"row 1: expected one of x, y, z, found 'w'"):
        data.encoding.encode_y(np.array(["x", "w"]))
    with pytest.raises(ValueError, match="two classes, found x, y, z"):
        load(path, target=-1, task="bernoulli")
    (tmp_path / "one").write_text("1,x\n2,x\n3,x\n")
    with pytest.raises(ValueError, match="two classes, found x"):
        load(tmp_path / "one", target=-1, task="bernoulli")
    with pytest.raises(ValueError, match="line 1, target 'column 1': expected a finite .*'x'"):
        load(path, target=-1, task="normal")


def test_an_identifier_is_no_class(tmp_path):
    path = tmp_path / "t"
    path.write_text("\n".join(f"{k},n{k}" for k in range(1001)))
    with pytest.raises(ValueError, match="classes: expected two rows for each, or more, found 10"):
        load(path, target=-1)
    path.write_text("\n".join(f"{k},n{k % 1001}" for k in range(2002)))
    assert load(path, target=-1).outputs == 1001


def test_whole_numbers_of_a_table_are_classes_only_if_asked(tmp_path):
    path = tmp_path / "t"
    path.write_text("\n".join(f"{k} {k % 2 * 5}" for k in range(30)))
    assert load(path, target=-1).encoding.task == "normal"
    data = load(path, target=-1, task="categorical")
    assert (data.encoding.classes, data.outputs) == (["0", "5"], 2)
    data = load(path, target=-1, task="bernoulli")
    assert data.outputs == 1
    assert set(data.train.y.ravel().tolist()) == {0, 1}
    assert data.train.y.shape == (24, 1)


def test_a_constant_column_becomes_zero(tmp_path):
    path = tmp_path / "t"
    path.write_text("\n".join(f"0.1 {k} {k}" for k in range(30)))
    assert not load(path, target=-1).train.x[:][:, 0].any()


def test_only_test_counts_every_row(tmp_path):
    data = only_test(load(holdout=0))
    assert data.validation is None
    assert len(data.test.x) == 1797


def test_kinds(tmp_path):
    assert kind_of("digits") == "digits"
    assert kind_of(tmp_path) == "idx"
    with pytest.raises(FileNotFoundError, match="found nothing at"):
        kind_of(tmp_path / "none")
    with pytest.raises(ValueError, match="likelihood: expected one of"):
        load(task="poisson")
    with pytest.raises(ValueError, match="the target's column in the text table"):
        load(table(tmp_path)[0])
    with pytest.raises(ValueError, match="none: digits is no text table, found 'y'"):
        load("digits", target="y")


def test_mnist_holds_out_as_the_example_of_2018(mnist_folder):
    data = load(mnist_folder, holdout=5000)
    assert [len(part.x) for part in (data.train, data.validation, data.test)] == [
        55000,
        5000,
        10000,
    ]
    assert data.validation.y[:3].tolist() == [5, 0, 4]  # MNIST's first labels
    assert data.train.x.values.dtype == np.uint8


def test_checksum_follows_the_rows():
    arrays = {"x_train": np.ones((4, 2)), "y_train": np.array([0, 1, 0, 1])}
    one = make_dataset("a", "npz", arrays).checksum
    assert make_dataset("b", "npz", arrays, holdout=1).checksum == one
    assert make_dataset("a", "npz", {**arrays, "x_train": np.zeros((4, 2))}).checksum != one


@pytest.mark.parametrize(
    ("x", "y", "where"),
    [
        (1e300, 1.0, "column 'a': expected numbers whose squared deviations a float64 holds, "
         r"found 0 to 1e\+300"),
        (1e-320, 1.0, "column 'a': expected numbers whose squared"),
        (1.0, 1.7e308, "column 'y': expected numbers whose squared"),
        (1.0, 1e-200, "column 'y': expected numbers whose squared"),
    ],
)  # fmt: skip
def test_a_column_without_a_standard_deviation_is_refused(tmp_path, x, y, where):
    """Numbers that only differ in digits that their squares lose are not taken for constants."""
    path = tmp_path / "t.csv"
    rows = [f"p,{x if k == 0 else 0},{y if k == 0 else 0}" for k in range(9)]
    path.write_text("\n".join(["b,a,y", *rows]))
    reading = Reading(categorical=("b",))
    with pytest.raises(ValueError, match=f"{path}, {where}"):
        load(path, target="y", task="normal", holdout=0, reading=reading)


def test_a_number_beyond_float64_makes_no_classes_of_a_targets_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "".join(f"{k},{k}.5\n" for k in range(9)) + "9,1e999\n")
    with pytest.raises(ValueError, match="line 11, target 'y': expected a finite number, found"):
        load(path, target="y")
    path.write_text("a,y\n" + "".join(f"{k},{('1e999', 'other')[k % 2]}\n" for k in range(9)))
    assert load(path, target="y").encoding.classes == ["1e999", "other"]
