"""The examples of docs/tables.md, run as they stand there, and its rules against the code."""

import re
import shlex
from pathlib import Path

import pytest

from bnn_ref.cli import main
from bnn_ref.cli.reading import OPTIONS
from bnn_ref.data import cells, reading

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text("utf-8")
FILES = dict(re.findall(r"```csv (\S+)\n(.*?)```", PAGE, re.S))
SESSIONS = [
    step
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.S)
    for step in re.findall(r"\$ bnn-ref (.*)\n((?:(?!\$ ).*\n)*)", block)
]


def test_there_are_examples():
    assert len(FILES) == 3
    assert len(SESSIONS) == 5
    assert all(lines.strip() for _, lines in SESSIONS)


def test_the_examples_print_what_the_page_says(tmp_path, monkeypatch, capsys):
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        Path(name).write_text(content)
    for words, lines in SESSIONS:
        code = main(shlex.split(words))
        printed = capsys.readouterr()
        assert code == (2 if lines.startswith("bnn-ref: error") else 0), printed.err
        shown = (printed.out + printed.err).splitlines()
        for line in lines.splitlines():
            assert line in shown, shown
    assert len(Path("prices.csv").read_text().splitlines()) == 3


def test_every_option_and_limit_is_on_the_page():
    for name in OPTIONS:
        assert f"--{name.replace('_', '-')} " in PAGE, name
    assert set(OPTIONS) == set(reading.OPTIONS)
    for word in reading.MISSING:
        assert f"`{word}`" in PAGE
    assert f"at most {cells.MOST_LEVELS:,} a column" in PAGE
    assert f"at most {cells.LONGEST_NAME} characters" in PAGE
