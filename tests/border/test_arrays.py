"""Arrays at the border: what is taken, what is refused and how it is called, what is copied."""

import numpy as np
import pytest

from bnn_ref.border import own_array, take_array


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (np.ma.masked_array([[1.0]], [[True]]), TypeError, "x: expected a plain array.*masked"),
        (np.array([[1, None]], object), TypeError, "x: expected numbers, found dtype object"),
        (np.zeros(2, [("a", "f4"), ("b", "i4")]), TypeError, "found dtype fields a, b"),
        ([[1, 2], [3]], ValueError, "x: expected rows of one length"),
        ([["a"]], TypeError, "x: expected numbers, found dtype <U1"),
        ([[0.0, 1.0], [2.0, np.nan]], ValueError, "finite numbers, found nan in row 1, column 1"),
        ([[1e39, 0.0]], ValueError, "numbers finite in float32, found 1e\\+39 in row 0, column 0"),
        (np.zeros((2, 3)), ValueError, r"x: expected shape \(any, 2\), found \(2, 3\)"),
    ],
)
def test_what_is_refused(value, error, words):
    with pytest.raises(error, match=words):
        take_array(value, "x", dtype=np.float32, shape=(None, 2))


@pytest.mark.parametrize("dtype", ["u1", "i8", "?", "f4", ">f8"])
def test_values_are_kept(dtype):
    value = np.array([[0, 1], [1, 0]], dtype)
    found = take_array(value, "x", dtype=np.float32)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, value.astype(float))


def test_what_compiled_code_writes_to_is_its_own(tmp_path):
    plain = np.zeros(6)
    assert own_array(plain) is plain
    assert own_array(plain[:3]).base is plain
    frozen = np.zeros(6)
    frozen.flags.writeable = False
    np.save(tmp_path / "a.npy", plain)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r+")
    borrowed = np.frombuffer(bytearray(48))
    for array in (plain[::2], frozen, plain.astype(">f8"), mapped, mapped[:2], borrowed):
        found = own_array(array)
        assert found.flags.carray
        assert found.flags.owndata
        assert found.dtype.isnative
        found[...] = 1
        assert not np.any(array)
