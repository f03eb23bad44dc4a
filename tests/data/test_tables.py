"""Text tables: what divides them, which line names them, what their cells hold."""

import gzip
import sys

import numpy as np
import pytest

from bnn_ref.data import Reading
from bnn_ref.data.columns import read_table, target_numbers
from bnn_ref.data.layout import select_to_train


def read(path, target=None, **options):
    """Return the table of a file as `load` reads one to train on."""
    reading = Reading(**options)

    def choose(path, header, width):
        return select_to_train(path, header, width, reading, target)

    return read_table(path, reading, choose)


def written(tmp_path, content):
    path = tmp_path / "the-table"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


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
def test_separator_and_header_are_found(tmp_path, name, packed):
    content = TABLES[name].encode()
    path = written(tmp_path, gzip.compress(content) if packed else content)
    for target in ("y", "2", 2, -1):
        table = read(path, target)
        np.testing.assert_array_equal(table.x, [[1, 2], [4, 5]])
        assert table.y.tolist() == ["3", "6"]
        np.testing.assert_array_equal(target_numbers(path, table, "."), [3, 6])
        assert (table.layout.columns, table.layout.target) == (["a", "b"], "y")
        assert table.layout.named
    np.testing.assert_array_equal(read(path).x, [[1, 2, 3], [4, 5, 6]])


def test_numbers_are_the_nearest(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 3)) * 10.0 ** rng.integers(-300, 300, (500, 3))
    path = written(tmp_path, "\n".join(",".join(map(repr, row)) for row in values.tolist()))
    np.testing.assert_array_equal(read(path).x, values)


def test_a_table_is_read_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr("bnn_ref.data.tables.CELLS", 20)
    text = "a,kind,y\n" + "".join(f"{k},{'uvw'[k % 3]},{k * k}\n" for k in range(100))
    table = read(written(tmp_path, text), "y", categorical=("kind",))
    wanted = np.zeros((100, 4))
    wanted[:, 0] = np.arange(100)
    wanted[np.arange(100), 1 + np.arange(100) % 3] = 1
    np.testing.assert_array_equal(table.x, wanted)
    assert table.y.tolist() == [str(k * k) for k in range(100)]
    with pytest.raises(ValueError, match=r"line 91, column 'a': expected .* found 'x'"):
        read(written(tmp_path, text.replace("\n89,", "\nx,")), "y", drop=("kind",))


def test_no_header(tmp_path):
    table = read(written(tmp_path, "1e0 2\n3 -4.5\n"), 0)
    np.testing.assert_array_equal(table.x, [[2], [-4.5]])
    assert not table.layout.named
    assert table.layout.columns == ["column 1"]
    assert (table.layout.target, table.layout.target_place) == ("column 0", 0)


def test_a_text_target_is_no_header(tmp_path):
    table = read(written(tmp_path, "5.1,3.5,setosa\n7.0,3.2,versicolor\n"), -1)
    assert table.y.tolist() == ["setosa", "versicolor"]
    assert table.x.shape == (2, 2)


def test_a_header_may_hold_a_number(tmp_path):
    path = written(tmp_path, "id,2020,kind\n1,5,7\n2,6,8\n")
    assert read(path, "kind").layout.columns == ["id", "2020"]
    assert read(path, "2020").y.tolist() == ["5", "6"]  # a name before an index


def test_case_44_the_header_is_what_was_said(tmp_path):
    """pandas without names writes 0,1,2: as many rows as the frame has, where that is said."""
    path = written(tmp_path, "0,1,2\n5,6,7\n8,9,10\n")
    assert len(read(path).x) == 3  # as it looks
    table = read(path, "2", header=True)
    np.testing.assert_array_equal(table.x, [[5, 6], [8, 9]])
    assert table.layout.columns == ["0", "1"]
    words = written(tmp_path, "red,1\nblue,2\n")
    assert read(words, 1, header=False, categorical=("0",)).layout.levels == {
        "column 0": ["blue", "red"]
    }


def test_separator_and_decimal_are_what_was_said(tmp_path):
    path = written(tmp_path, "a;b;y\n1,5;2;3\n-,5;2e-1;4\n")
    table = read(path, "y", decimal=",")
    np.testing.assert_array_equal(table.x, [[1.5, 2], [-0.5, 0.2]])
    with pytest.raises(ValueError, match=r"line 2, column 'a': .*--decimal ,.* found '1,5'"):
        read(path, "y")
    with pytest.raises(ValueError, match=r"line 2, column 'a': expected a number .* found '1.5'"):
        read(written(tmp_path, "a;y\n1.5;2\n"), "y", decimal=",")
    spaced = written(tmp_path, "1,5 2\n3,5 4\n")
    np.testing.assert_array_equal(read(spaced, separator=" ", decimal=",").x, [[1.5, 2], [3.5, 4]])


@pytest.mark.parametrize("cell", ["1_0", "0x10", "١", "1e", "1 0", "--1", "infinity", "1d5"])
def test_case_45_what_is_no_number_is_text(tmp_path, cell):
    path = written(tmp_path, f"a,y\n1,2\n{cell},4\n")
    with pytest.raises(ValueError, match=r"line 3, column 'a': expected a number \(text"):
        read(path, "y")


@pytest.mark.parametrize("cell", ["", "NA", "N/A", "NaN", "nan", "null", "?", "  "])
def test_missing_cells_are_refused_or_their_rows_left_out(tmp_path, cell):
    path = written(tmp_path, f"a,b,y\n1,0,2\n{cell},0,4\n5,0,{cell}\n7,{cell},8\n")
    with pytest.raises(ValueError, match=r"line 3, column 'a': expected a value .*--missing-rows"):
        read(path, "y")
    table = read(path, "y", missing_rows="drop", drop=("b",))
    np.testing.assert_array_equal(table.x, [[1], [7]])
    assert (table.dropped, table.y.tolist()) == (2, ["2", "8"])


def test_the_words_of_a_missing_cell_are_what_was_said(tmp_path):
    path = written(tmp_path, "a,y\n1,2\n-999,4\n3,NA\n")
    table = read(path, "y", missing=("-999",), missing_rows="drop")
    np.testing.assert_array_equal(table.x, [[1], [3]])
    assert table.y.tolist() == ["2", "NA"]  # Namibia


def test_text_columns_are_one_hot_encoded(tmp_path):
    path = written(tmp_path, "a,color,size,y\n1,red,10,0\n2,blue,9,1\n3,red,10,0\n")
    table = read(path, "y", categorical=("color", "size"))
    np.testing.assert_array_equal(table.x, [[1, 0, 1, 0, 1], [2, 1, 0, 1, 0], [3, 0, 1, 0, 1]])
    assert table.layout.levels == {"color": ["blue", "red"], "size": ["9", "10"]}
    assert table.layout.inputs == 5
    every = read(path, "y", categorical="all")
    assert every.layout.levels == {"color": ["blue", "red"]}  # the one with a cell of text
    np.testing.assert_array_equal(every.x[:, 3], [10, 9, 10])
    with pytest.raises(ValueError, match=r"line 2, column 'color'.*--categorical.*found 'red'"):
        read(path, "y")
    assert read(path, "y", drop=("color",)).layout.columns == ["a", "size"]


def test_too_many_values_are_no_categories(tmp_path):
    path = written(tmp_path, "id,y\n" + "".join(f"n{k},1\n" for k in range(1001)))
    with pytest.raises(ValueError, match="one-hot encoded column: expected at most 1000 values"):
        read(path, "y", categorical="all")
    path = written(tmp_path, f"id,y\n{'x' * 201},1\n")
    with pytest.raises(ValueError, match="at most 200 characters, found 201"):
        read(path, "y", categorical="all")


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_case_47_an_index_is_no_input_unless_asked_for(tmp_path, name):
    path = written(tmp_path, f"{name},a,y\n0,5,1\n1,6,2\n")
    table = read(path, "y")
    np.testing.assert_array_equal(table.x, [[5], [6]])
    assert "--index yes" in table.left[name]
    np.testing.assert_array_equal(read(path, "y", index=True).x, [[0, 5], [1, 6]])


REFUSED = {
    "empty": ("", {}, "at least one row, found an empty file"),
    "blank": ("\n \n", {}, "at least one row, found an empty file"),
    "header alone": ("a,b\n", {"target": "b"}, "at least one row and one input column"),
    "too narrow": ("1,2\n3,4\n5\n", {}, "line 3: expected 2 columns, found 1"),
    "too narrow, unused": ("a,b,c\n1,2,3\n\n4,5\n", {"drop": ("c",)}, "line 4: .*3.*, found 2"),
    "too wide": ("1,2\n3,4\n\n5,6,7\n", {}, "line 4: expected 2 columns, found 3"),
    "too wide after a quote": ('a,b\n"1\n\n",2\n\n1,2,3\n', {"drop": ("a",)}, "line 6: .* found 3"),
    "white space, too narrow": ("1 2\n3\n", {}, "line 2: expected 2 columns, found 1"),
    "text in an input": ("a,b\n1,2\nx,4\n", {}, "line 3, column 'a': expected a number"),
    "case 49, blank lines": ("\n\na,b\n\n1,2\n\nx,4\n", {}, "line 7, column 'a': expected a num"),
    "case 49, two lines": ('a,b\n1,"2\n3"\n\nx,4\n', {"drop": ("b",)}, "line 5, column 'a'"),
    "empty target": ("1,2\n3,\n", {"target": -1}, "line 2, column 'column 1': .*an empty cell"),
    "overflow": ("1,2\n1e999,4\n", {}, "line 2, column 'column 0': expected a finite number"),
    "infinity": ("1,2\ninf,4\n", {}, "line 2, column 'column 0': expected a number"),
    "no such name": ("a,b\n1,2\n", {"target": "c"}, r"a column's name \(a, b\) or its ind.*'c'"),
    "no such index": ("1,2\n", {"target": 2}, r"index from -2 to 1, found '2'"),
    "name without header": ("1,2\n", {"target": "y"}, "it has no header.*found 'y'"),
    "case 44, name twice": ("a,a,c,y\n1,2,3,4\n", {"target": "y"}, "each name once, found 'a' tw"),
    "no name": ("a,,c\n1,2,3\n", {}, "a name for each of 3 columns, found none for column 1"),
    "only the target": ("1\n2\n", {"target": 0}, "at least one row and one input column"),
    "binary": ("ab\0c\n", {}, "delimited text, found a binary file"),
    "binary, later": ("a,b\n" + "1,2\n" * 9000 + "\0,1\n", {}, "text, found a binary file"),
    "a quote that never ends": ('a,"b\n' + "1,2\n" * 100_000, {}, "delimited text, found"),
    "a later one": ('a,b\n1,2\n3,"4\n', {}, "a quote that is never closed"),
    "drop the target": ("a,b\n1,2\n", {"target": "b", "drop": ("b",)}, "beside the target"),
    "drop and encode": ("a,b\n1,2\n", {"categorical": ("b",), "drop": ("b",)}, "one of drop and"),
    "drop nothing": ("a,b\n1,2\n", {"drop": ("z",)}, "drop: expected a column's name"),
    "drop all": ("a,b\n1,2\n", {"drop": ("a", "b")}, "at least one row and one input column"),
    "only missing rows": ("a,b\n?,2\n", {"missing_rows": "drop"}, "at least one row"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_file_wanted_and_found(tmp_path, name):
    content, options, message = REFUSED[name]
    path = written(tmp_path, content)
    with pytest.raises(ValueError, match=message) as caught:
        read(path, **options)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_from_a_file_are_escaped(tmp_path):
    path = written(tmp_path, "a\x1b[31m,y\n1,2\n\x07,3\n")
    with pytest.raises(ValueError, match=r"column 'a\\x1b\[31m'.*found '\\x07'") as caught:
        read(path, "y")
    assert str(caught.value).isprintable()


def test_other_encodings_and_damage_are_refused(tmp_path):
    with pytest.raises(ValueError, match="UTF-8 text, found byte 0xe9"):
        read(written(tmp_path, "café;1\n".encode("latin-1")))
    late = b"1,2\n" * 100_000 + "é".encode("latin-1")
    with pytest.raises(ValueError, match="UTF-8 text, found byte 0xe9"):
        read(written(tmp_path, late))
    with pytest.raises(ValueError, match="a whole gzip file"):
        read(written(tmp_path, gzip.compress(b"1,2\n" * 1000)[:-9]))


def test_a_line_that_never_ends_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("bnn_ref.data.tables.LONGEST_LINE", 1 << 19)  # two of pandas' pieces
    text = "a,b\n1,2\n3," + "4" * (1 << 20) + "\n5,6\n"
    with pytest.raises(ValueError, match="lines below 524288 characters, found more"):
        read(written(tmp_path, text))


def test_a_bomb_is_refused_before_it_is_parsed(tmp_path):
    path = written(tmp_path, gzip.compress(b"0,0\n" * (17 << 20), 1))
    with pytest.raises(ValueError, match="67,108,864 bytes unpacked"):
        read(path)


def test_without_pandas_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"expected pandas, found none: .*'bnn_ref\[tables\]'"):
        read(written(tmp_path, "1,2\n3,4\n"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decimal": ";"}, "decimal: expected '.' or ','"),
        ({"missing_rows": "keep"}, "missing_rows: expected 'refuse' or 'drop'"),
        ({"separator": "::"}, "separator: expected one character"),
        ({"separator": ",", "decimal": ","}, "another character than the decimal's"),
        ({"arrays": (("z", "a"),)}, "arrays: expected names among"),
    ],
)
def test_readings_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Reading(**options)


def test_a_reading_of_settings():
    settings = {
        "header": "yes",
        "separator": "tab",
        "missing": '-1,"a, b",',
        "categorical": 'c, "d,e"',
        "drop": None,
        "index": "no",
        "arrays": "x=images,y=labels,x_test=t",
        "layers": [3],
    }
    assert Reading.from_settings(settings) == Reading(
        header=True,
        separator="\t",
        missing=("-1", "a, b"),
        categorical=("c", "d,e"),
        arrays=(("x_train", "images"), ("y_train", "labels"), ("x_test", "t")),
    )
    for bad in ({"header": "maybe"}, {"arrays": "x"}, {"arrays": "x=a,x_train=b"}):
        with pytest.raises(ValueError, match="expected"):
            Reading.from_settings(bad)
