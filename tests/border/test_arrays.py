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


def frame(**columns):
    pandas = pytest.importorskip("pandas", reason="frames need pandas")
    plain = pandas.DataFrame({"a": [0.5, 1.5, -1.0], "b": [0, 1, 1], "c": [3, 4, 5]})
    return plain.assign(**{k: pandas.Series(v, dtype=d) for k, (v, d) in columns.items()})


@pytest.mark.parametrize("dtype", ["Int64", "UInt8", "Float32", "boolean", "bool", "category"])
def test_a_frame_is_its_numbers_whatever_pandas_keeps_them_in(dtype):
    found = take_array(frame(b=([0, 1, 1], dtype)), "x", dtype=np.float32)
    np.testing.assert_array_equal(found, [[0.5, 0, 3], [1.5, 1, 4], [-1, 1, 5]])
    column = frame(b=([0, 1, 1], dtype))["b"]
    np.testing.assert_array_equal(take_array(column, "y"), [0, 1, 1])


@pytest.mark.parametrize(
    ("column", "error", "words"),
    [
        (([0, None, 1], "Int64"), ValueError, "x: .* every row, found none in row 1, column 'b'"),
        (([0, None, 1], "category"), ValueError, "found none in row 1, column 'b'"),
        (([True, None, None], "boolean"), ValueError, "found none in row 1, column 'b'"),
        ((["u", "v", "u"], "category"), TypeError, "found dtype category in column 'b'"),
        ((["u", "v", "u"], "string"), TypeError, "x: expected numbers, found .* in column 'b'"),
        (([1, "v", None], object), TypeError, "found dtype object in column 'b'"),
    ],
)
def test_a_column_that_is_no_numbers_is_named(column, error, words):
    with pytest.raises(error, match=words):
        take_array(frame(b=column), "x")


def test_arrow_columns_are_numbers():
    pytest.importorskip("pyarrow", reason="columns of Arrow need pyarrow")
    found = take_array(frame(b=([0, 1, 1], "int64[pyarrow]")), "x")
    np.testing.assert_array_equal(found[:, 1], [0, 1, 1])
    with pytest.raises(ValueError, match="found none in row 2, column 'b'"):
        take_array(frame(b=([0, 1, None], "double[pyarrow]")), "x")
