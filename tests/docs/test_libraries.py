"""docs/libraries.md says what the checks find now, of the libraries that are installed."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import libraries
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "libraries.md").read_text()


def lines_of(text):
    return [line for line in text.splitlines() if line.startswith("| ")][1:]


def test_every_row_has_a_line():
    for name, layer, _ in libraries.ROWS:
        assert any(line.startswith(f"| {name} ") and f"`{layer}`" in line
                   for line in lines_of(PAGE))  # fmt: skip


@pytest.mark.slow
def test_the_page_is_what_the_command_finds():
    found = subprocess.run(
        [sys.executable, ROOT / "tools" / "libraries.py"], capture_output=True, text=True,
        timeout=280, check=True,
    ).stdout  # fmt: skip
    checked = 0
    for line, then in zip(lines_of(found), lines_of(PAGE), strict=True):
        name, version = then.split()[1:3]
        try:
            if importlib.metadata.version(name) != version:
                continue
        except importlib.metadata.PackageNotFoundError:
            continue
        if "cannot be imported" not in line:
            assert line == then
            checked += 1
    if not checked:
        pytest.skip("none of the libraries is installed in the page's version")
