"""Text tables and npz files of a person's own."""

import gzip

import numpy as np
import pytest

from bnn_ref.data.tables import read_npz, read_table

TABLES = {
    "comma, header": "a,b,y\n1,2,3\n4,5,6\n",
    "semicolon, header, quotes": '"a";"b";"y"\n1;2;3\n4;5;6\n',
    "tab, header": "a\tb\ty\n1\t2\t3\n4\t5\t6\n",
    "bar with spaces": "a | b | y\n1 | 2 | 3\n4 | 5 | 6\n",
    "white space": "a b  y\n 1  2 3\n4 5   6 \n",
    "byte order mark, blank lines, CRLF": "\ufeffa,b,y\r\n\r\n1,2,3\r\n4,5,6\r\n\r\n",
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_delimiter_and_header_are_found(tmp_path, name, packed):
    path = tmp_path / "t"
    content = TABLES[name].encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    for target in ("y", "2", 2, -1):
        table = read_table(path, target)
        np.testing.assert_array_equal(table.x, [[1, 2], [4, 5]])
        np.testing.assert_array_equal(table.y, [3, 6])
        assert (table.columns, table.target) == (["a", "b"], "y")
    np.testing.assert_array_equal(read_table(path).x, [[1, 2, 3], [4, 5, 6]])


def test_no_header(tmp_path):
    path = tmp_path / "t"
    path.write_text("1e0 2\n3 -4.5\n")
    table = read_table(path, 0)
    np.testing.assert_array_equal(table.x, [[2], [-4.5]])
    assert table.columns is None
    assert table.target == 0


def test_a_text_target_is_no_header(tmp_path):
    path = tmp_path / "iris"
    path.write_text("5.1,3.5,setosa\n7.0,3.2,versicolor\n")
    table = read_table(path, -1)
    assert table.y.tolist() == ["setosa", "versicolor"]
    assert table.x.shape == (2, 2)


def test_a_header_may_hold_a_number(tmp_path):
    path = tmp_path / "t"
    path.write_text("id,2020,kind\n1,5,7\n2,6,8\n")
    assert read_table(path, "kind").columns == ["id", "2020"]
    assert read_table(path, "2020").y.tolist() == [5, 6]  # a name before an index


REFUSED = {
    "empty": ("", -1, "at least one row, found an empty file"),
    "blank": ("\n \n", -1, "at least one row, found an empty file"),
    "header alone": ("a,b\n", "b", "at least one row and one input column"),
    "ragged": ("1,2\n3,4\n5\n", -1, "line 3: expected 2 columns, found 1"),
    "text in an input": ("a,b\n1,2\nx,4\n", "b", "line 3: expected a number .*, found 'x'"),
    "decimal comma": ("1,5;2\n3;4\n", -1, "line 1: expected a number .*, found '1,5'"),
    "empty cell": ("1,2\n,4\n", -1, "line 2: expected a number .*, found ''"),
    "empty target": ("1,2\n3,\n", -1, "data row 1: expected a target, found an empty cell"),
    "NaN": ("1,2\nnan,4\n", -1, "data row 1: expected finite numbers, found nan"),
    "infinity in the target": ("1,2\n3,inf\n", -1, "data row 1: expected a finite target"),
    "no such name": ("a,b\n1,2\n", "c", r"a column's name \(a, b\) or its index.*found 'c'"),
    "no such index": ("1,2\n", 2, r"index from -2 to 1, found '2'"),
    "name without header": ("1,2\n", "y", "it has no header.*found 'y'"),
    "name twice": ("a,a,b\n1,2,3\n", "a", "found 'a'"),
    "only the target": ("1\n2\n", 0, "at least one row and one input column"),
    "binary": ("ab\0c\n", -1, "delimited text, found a binary file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_file_wanted_and_found(tmp_path, name):
    content, target, message = REFUSED[name]
    path = tmp_path / "the-table"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_table(path, target)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_encodings_and_damage_are_refused(tmp_path):
    path = tmp_path / "t"
    path.write_bytes("café;1\n".encode("latin-1"))
    with pytest.raises(ValueError, match="UTF-8 text, found byte 0xe9"):
        read_table(path, 0)
    path.write_bytes(gzip.compress(b"1,2\n" * 1000)[:-9])
    with pytest.raises(ValueError, match="a whole gzip file"):
        read_table(path, 0)
    path.write_text('a,"b\n' + "1,2\n" * 100_000)  # a quote that never ends
    with pytest.raises(ValueError, match="delimited text, found field larger"):
        read_table(path, 0)


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
    np.testing.assert_array_equal(read_npz(path)["y_train"], np.arange(4))


REFUSED_NPZ = {
    "rows and targets differ": (arrays(y_test=np.arange(3)), r"y_test: expected 2 rows, as x_test"),
    "no rows": (arrays(x_test=np.ones((0, 3)), y_test=np.ones(0)), "x_test: expected a shape"),
    "rank 1": (arrays(x_train=np.ones(4)), r"x_train: expected a shape \(rows, columns\)"),
    "widths differ": (arrays(x_test=np.ones((2, 5))), r"x_test: expected rows of shape \(3,\)"),
    "objects": (arrays(x_train=np.array([[{}]] * 4)), "x_train.*object"),
    "scalar target": (arrays(y_train=np.array(4)), "y_train: expected 4 rows"),
}


@pytest.mark.parametrize("name", REFUSED_NPZ)
def test_npz_refused(tmp_path, name):
    content, message = REFUSED_NPZ[name]
    path = tmp_path / "the.npz"
    np.savez(path, **content)
    with pytest.raises(ValueError, match=message) as caught:
        read_npz(path)
    assert str(path) in str(caught.value)


def test_npz_without_a_part_or_cut_off(tmp_path):
    path = tmp_path / "the.npz"
    np.savez(path, **{name: a for name, a in arrays().items() if name != "x_test"})
    with pytest.raises(ValueError, match="array 'x_test'.*found x_train, y_train, y_test"):
        read_npz(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"the.npz: expected an .npz archive"):
        read_npz(path)
