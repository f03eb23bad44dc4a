"""What `fit` takes and refuses: rows of every kind, and settings. Cases 34 and 35."""

import numpy as np
import pytest
from small_training import NETWORK, SETTINGS, X, Y

from bnn_ref import BatchNorm, DenseFlipout, Network, Trainer, fit


class Slices:
    """Rows that know slices alone."""

    def __init__(self, x):
        self.x, self.shape = x, x.shape

    def __getitem__(self, index):
        if not isinstance(index, slice):
            raise TypeError("slices only")
        return self.x[index]


def test_case_35_a_bad_row_of_a_table_that_is_read_as_it_goes_is_named_by_its_place():
    x = X.copy()
    x[7, 1] = np.nan
    saved = []
    with pytest.raises(ValueError, match=r"x: expected finite numbers, found nan in row 7, column 1"
                       ) as error:  # fmt: skip
        fit(NETWORK, (Slices(x), Y), steps=50, batch_size=2, **SETTINGS,
            on_checkpoint=lambda trainer, history: saved.append(trainer.state.step))  # fmt: skip
    assert saved[-1] == error.value.fit.trainer.state.step < 5
    assert np.all(np.isfinite(error.value.fit.parameters.flat))


def changed(array, place, value, dtype=None):
    """Return a copy with one entry changed."""
    array = np.array(array, dtype)
    array[place] = value
    return array


MANY_X, MANY_Y = np.tile(X, (30, 1)), np.tile(Y, 30)
BAD = {
    "a label": ((MANY_X, changed(MANY_Y, 200, 7)), {}, "y: .*found 7 in row 200"),
    "a target": ((MANY_X, changed(MANY_Y, 200, np.nan, float)), {}, "y: .*found nan in row 200"),
    "an input": ((changed(MANY_X, (200, 2), np.inf), MANY_Y), {},
                 "x: expected finite numbers, found inf in row 200, column 2"),
    "an input too large for float32": (
        (changed(MANY_X, (200, 2), 1e39), MANY_Y), {"dtype": "float32"},
        r"x: expected numbers finite in float32, found 1e\+39 in row 200, column 2"),
    "a weight": ((MANY_X, MANY_Y), {"sample_weight": changed(np.ones(300), 200, -1)},
                 "sample_weight: .*found -1.0 in row 200"),
    "a held-out label": ((MANY_X, MANY_Y), {"validation": (X, changed(Y, 4, 2))},
                         "y: .*found 2 in row 4"),
    "a held-out input": ((MANY_X, MANY_Y), {"validation": (changed(X, (3, 0), np.nan), Y)},
                         "validation x: .*found nan in row 3, column 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_case_35_what_can_be_seen_is_refused_before_the_first_step(name):
    data, options, message = BAD[name]
    calls = []
    with pytest.raises(ValueError, match=message):
        fit(NETWORK, data, steps=9, **{**SETTINGS, **options},
            on_checkpoint=lambda *state: calls.append(state))  # fmt: skip
    assert not calls


@pytest.mark.parametrize(
    ("rows", "batch_size", "bad"), [(10, 9, True), (1, 4, True), (10, 8, False)]
)
def test_case_35_a_batch_too_small_for_its_statistics_is_seen_before_the_first_step(
    rows, batch_size, bad
):
    network = Network([DenseFlipout(3, 4), BatchNorm(), DenseFlipout(4, 2)])
    settings = {**SETTINGS, "batch_size": batch_size}
    assert fit(network, (X[:2], Y[:2]), steps=1, **SETTINGS).trainer.state.step == 1
    if not bad:
        assert fit(network, (X[:rows], Y[:rows]), steps=3, **settings).trainer.state.step == 3
        return
    with pytest.raises(ValueError, match=f"batch_size: .*the last of {rows} rows' has 1") as caught:
        fit(network, (X[:rows], Y[:rows]), steps=3, **settings)
    assert not hasattr(caught.value, "fit")


def test_case_34_data_frames_train_as_arrays_do():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame, series = pandas.DataFrame(X, columns=list("abc")), pandas.Series(Y)
    found = fit(NETWORK, (frame, series), steps=5, batch_size=4, **SETTINGS)
    wanted = fit(NETWORK, (X, Y), steps=5, batch_size=4, **SETTINGS)
    np.testing.assert_array_equal(found.parameters.flat, wanted.parameters.flat)
    with pytest.raises(TypeError, match="x: expected numbers, found dtype .* in column 'c'"):
        fit(NETWORK, (frame.assign(c="text"), Y), steps=1, **SETTINGS)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ma.masked_array(X), "x: expected a plain array, found a masked array"),
        (np.zeros(10, [("a", float), ("b", float)]), "x: expected numbers, found .*fields a, b"),
        (changed(X, (2, 1), None, object), "x: expected numbers, found dtype object"),
    ],
    ids=["masked", "structured", "object"],
)
def test_case_34_what_is_no_array_of_numbers_is_refused(x, message):
    with pytest.raises(TypeError, match=message):
        fit(NETWORK, (x, Y), steps=1, **SETTINGS)


def test_case_34_chunks_of_unknown_size():
    array = pytest.importorskip("dask.array", reason="dask is not installed")
    x = array.from_array(X, chunks=(5, 3))
    with pytest.raises(ValueError, match=r"x: expected known chunk sizes \(call its compute_chunk"):
        fit(NETWORK, (x[x[:, 0] > 0], Y), steps=1, **SETTINGS)


def test_rows_that_are_not_in_memory(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, X)
    wanted = fit(NETWORK, (X, Y), steps=5, batch_size=4, **SETTINGS).parameters.flat
    for rows in (np.load(path, mmap_mode="r"), Slices(X), X.tolist()):
        found = fit(NETWORK, (rows, Y), steps=5, batch_size=4, **SETTINGS).parameters.flat
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": None}, "steps or epochs: expected one of the two, found neither"),
        ({"epochs": 2}, "steps or epochs: expected one of the two, found both"),
        ({"steps": -1}, "steps: expected a whole number, at least 0, found -1"),
        ({"data": X}, "data: expected a pair"),
        ({"data": (X, Y[:4])}, "y: expected 10 rows, as x, found 4"),
        ({"data": (X[:0], Y[:0])}, "x: expected at least one row to train on"),
        ({"data": (X[0], Y)}, "x: expected rank 2 or more"),
        ({"sample_weight": [1]}, "sample_weight: expected shape"),
        ({"dtype": "float16"}, "dtype: expected float32 or float64, found float16"),
        ({"backend": "cuda"}, "backend: expected 'numba', 'numpy' or a module"),
        ({"draws_per_step": 0}, "draws_per_step: expected"),
        ({"kl_weight": -0.1}, "kl_weight: expected"),
        ({"kl_weight": lambda step: None}, "kl_weight: expected"),
        ({"estimator": "flip"}, "estimator: expected one of"),
        ({"learning_rate": 0}, "learning_rate: expected"),
        ({"threads": 0}, "threads: expected"),
        ({"seed": -1}, "seed: expected"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(change, message):
    arguments = {"data": (X, Y), "steps": 2, **SETTINGS, **change}
    with pytest.raises(ValueError, match=message):
        fit(NETWORK, arguments.pop("data"), **arguments)
    with pytest.raises(ValueError, match="num_examples"):
        Trainer(NETWORK, 0)
