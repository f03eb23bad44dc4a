"""Case 48: pixels of 0 to 255 beside numbers of 0 to 1, in both directions, and what is neither."""

import numpy as np
import pytest

from bnn_ref.data import load, make_dataset, read_digits, read_inputs

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 4, 4)).astype(np.uint8)
LABELS = np.arange(20) % 2
DIVIDED = (PIXELS / 255).astype(np.float32)


def trained(x, kind="npz"):
    return make_dataset("here", kind, {"x_train": x, "y_train": LABELS}).encoding


def asked(encoding, x):
    return encoding.encode_x(x, "float64", "there")[:]


def test_pixels_are_right_in_any_dtype_that_holds_them():
    encoding = trained(PIXELS)
    wanted = asked(encoding, PIXELS)
    assert wanted.max() <= 1
    for dtype in ("int64", "float32", "float64"):
        np.testing.assert_array_equal(asked(encoding, PIXELS.astype(dtype)), wanted)
    dark = PIXELS * 0
    np.testing.assert_array_equal(asked(encoding, dark), np.zeros((20, 16)))
    np.testing.assert_array_equal(asked(encoding, dark + np.uint8(1)), np.full((20, 16), 1 / 255))
    np.testing.assert_array_equal(asked(encoding, dark.astype(float)), np.zeros((20, 16)))


REFUSED = {
    "pixels, asked about 0 to 1": (PIXELS, DIVIDED, r"divided already\?"),
    "pixels, asked about float 0 and 1": (PIXELS, np.float32(PIXELS > 99), r"divided already\?"),
    "pixels, asked about more than 255": (PIXELS, PIXELS * 257.0, "pixels from 0 to 255, found 0"),
    "pixels, asked about -1 to 1": (PIXELS, DIVIDED * 2 - 1, "pixels from 0 to 255, found -1"),
    "0 to 1, asked about pixels": (DIVIDED, PIXELS, r"to be divided first\?"),
    "0 to 1, asked about float pixels": (DIVIDED, PIXELS.astype("f4"), r"to be divided first\?"),
    "0 to 1, asked about smoothed pixels": (DIVIDED, PIXELS + 0.5, r"to be divided first\?"),
    "float 0 and 1, asked about pixels": (np.float32(PIXELS > 99), PIXELS, r"divided first\?"),
    "int64, asked about 0 to 1": (PIXELS.astype("i8"), DIVIDED, r"divided already\?"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_unit_is_refused(name):
    stored, question, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as caught:
        asked(trained(stored), question)
    assert str(caught.value).startswith("there: expected ")


def test_what_may_be_the_same_unit_is_taken():
    """Counts of 0 and 1, standardised values and values a little outside are no other unit."""
    counts = PIXELS.astype(np.int64)
    np.testing.assert_array_equal(asked(trained(counts), np.minimum(PIXELS, 1)).max(), 1)
    np.testing.assert_array_equal(
        asked(trained(DIVIDED), DIVIDED * 1.5), (DIVIDED * 1.5).reshape(20, 16)
    )
    loose = DIVIDED * 40 - 20
    np.testing.assert_array_equal(asked(trained(loose), DIVIDED), DIVIDED.reshape(20, 16))
    binary = (PIXELS > 99).astype(np.int64)
    np.testing.assert_array_equal(asked(trained(binary), binary), binary.reshape(20, 16))


def test_the_digits(tmp_path):
    encoding, images = load().encoding, read_digits()["x_train"]
    np.save(tmp_path / "x.npy", images[:50])
    wanted = read_inputs(tmp_path / "x.npy", encoding).rows[:]
    np.testing.assert_array_equal(wanted, images[:50].reshape(50, 64) / np.float32(16))
    np.save(tmp_path / "x.npy", images[:50] / 16)
    with pytest.raises(ValueError, match=r"x.npy: .* 0 to 16, found 0 to 1 \(divided already\?\)"):
        read_inputs(tmp_path / "x.npy", encoding)


def test_case_20_dtypes_keep_their_values_in_files(tmp_path):
    for dtype in ("int64", "bool", "uint16", "float64"):
        x = (PIXELS % 2).astype(dtype)
        np.savez(tmp_path / "d.npz", x_train=x, y_train=LABELS)
        np.testing.assert_array_equal(
            np.sort(load(tmp_path / "d.npz", holdout=0).train.x[:].ravel()), np.sort(x.ravel())
        )
