"""What several commands' tests use."""

from pathlib import Path

import pytest


@pytest.fixture
def words_alone(monkeypatch):
    """A report whose figures are their words: drawing takes seconds, spent once in its own tests.

    Whole PNG files are held by `tests/report/test_report_page.py`.
    """
    monkeypatch.setattr("bnn_ref.report.page.to_svg", lambda plot: f"<svg>{plot.alt}</svg>")
    monkeypatch.setattr(
        "bnn_ref.report.report.save_png", lambda plot, path: Path(path).write_text(plot.alt)
    )
