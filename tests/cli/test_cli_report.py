"""``bnn-ref report``: what it writes, and one line where it cannot."""

import os
import shutil
import sys

import numpy as np
import pytest
from command import SMALL, call, contents, edit_json

pytest.importorskip("matplotlib", reason="the report needs matplotlib")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a table and a run on it."""
    from bnn_ref.cli import main

    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    np.savetxt(folder / "t.csv", np.c_[x, x[:, 0] > 0], fmt="%.4f", delimiter=",",
               header="a,b,sick", comments="")  # fmt: skip
    words = ["train", *SMALL, "--steps", "40", "--data", str(folder / "t.csv"), "--target", "sick",
             "--likelihood", "bernoulli"]  # fmt: skip
    assert main([*words, "--out", str(folder / "run")]) == 0
    return folder


@pytest.fixture
def place(trained, tmp_path):
    """The same, for one test to spoil; the run still names the first folder's table."""
    shutil.copytree(trained, tmp_path / "copy")
    return tmp_path / "copy"


def refused(called, *words):
    assert called.code == 2
    assert called.out == ""
    assert called.err.startswith("bnn-ref: error: ")
    assert called.err.count("\n") == 1
    for word in words:
        assert str(word) in called.err


def test_page_in_the_run_and_nothing_else_touched(place, capsys):
    before = contents(place)
    called = call(capsys, "report", place / "run")
    assert called.code == 0, called.err
    assert called.err == ""
    assert called.out.startswith(f"wrote {place / 'run' / 'report.html'} (17 figures, ")
    after = contents(place)
    page = after.pop("run/report.html").decode()
    assert after == before
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert "--target sick" in page
    assert "--likelihood bernoulli" in page


@pytest.mark.usefixtures("words_alone")
def test_output_plots_and_draws(place, capsys):
    called = call(capsys, "report", place / "run", "-o", place / "p.html", "--plots",
                  place / "new" / "plots", "--draws", 7)  # fmt: skip
    assert called.code == 0, called.err
    assert not (place / "run" / "report.html").exists()
    assert "over 7 draws" in (place / "p.html").read_text()
    pictures = sorted((place / "new" / "plots").iterdir())
    assert len(pictures) == 17  # none is wrong
    assert {picture.suffix for picture in pictures} == {".png"}
    assert "calibration-reliability.png" in {picture.name for picture in pictures}
    assert f"wrote 17 PNG files to {place / 'new' / 'plots'}" in called.out


@pytest.mark.usefixtures("words_alone")
def test_data_that_have_moved(place, capsys):
    gone = {"data": str(place / "gone.csv")}
    edit_json(place / "run" / "config.json", lambda c: c | {"settings": c["settings"] | gone})
    before = contents(place)
    refused(call(capsys, "report", place / "run"), "data", "gone.csv")
    other = (place / "t.csv").read_text().replace("1.0000", "0.0000", 1)
    (place / "other.csv").write_text(other)
    refused(call(capsys, "report", place / "run", "--data", place / "other.csv"), "other.csv",
            "the rows that")  # fmt: skip
    refused(call(capsys, "report", place / "run", "--data", "digits"), "expected", "found")
    (place / "other.csv").unlink()
    assert contents(place) == before
    assert call(capsys, "report", place / "run", "--data", place / "t.csv").code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such names")
@pytest.mark.usefixtures("words_alone")
def test_a_run_whose_name_is_no_utf_8(place, capsys):
    named = place / os.fsdecode(b"r\xfcn")
    (place / "run").rename(named)
    called = call(capsys, "report", named)
    assert called.code == 0, called.err
    assert r"r\udcfcn" in (named / "report.html").read_text(encoding="utf-8")


def test_no_run_at_all(tmp_path, capsys):
    refused(call(capsys, "report", tmp_path / "none"), tmp_path / "none", "expected", "found")
    refused(call(capsys, "report", tmp_path), tmp_path, "checkpoint")
    (tmp_path / "checkpoint.npz").write_bytes(b"no archive")
    refused(call(capsys, "report", tmp_path), "config.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.npz"]


@pytest.mark.usefixtures("words_alone")
def test_what_a_run_can_do_without(place, capsys):
    name = "history.json"
    (place / "run" / name).write_bytes((place / "run" / name).read_bytes()[:40])
    called = call(capsys, "report", place / "run")
    assert called.code == 0
    assert called.err.count("\n") == 1
    assert f"{name}: left out" in called.err
    page = (place / "run" / "report.html").read_text()
    assert page.count("<svg>") == 13  # all but the curves
    assert page.endswith("</html>\n")


@pytest.mark.parametrize("name", ["checkpoint.npz", "config.json"])
def test_a_spoiled_file(place, capsys, name):
    (place / "run" / name).write_bytes((place / "run" / name).read_bytes()[:40])
    before = contents(place)
    refused(call(capsys, "report", place / "run"), name)
    assert contents(place) == before


def test_places_that_cannot_be_written(place, capsys):
    before = contents(place)
    refused(call(capsys, "report", place / "run", "-o", place / "no" / "p.html"), "-o", "folder")
    refused(call(capsys, "report", place / "run", "-o", place), "-o", "file")
    refused(call(capsys, "report", place / "run", "--plots", place / "t.csv"), "--plots", "t.csv")
    refused(call(capsys, "report", place / "run", "--draws", 0), "--draws")
    assert contents(place) == before


def fail(*arguments, **options):
    raise OSError(28, "No space left on device")


@pytest.mark.usefixtures("words_alone")
def test_a_terminal_is_told_what_is_being_worked_on(place, capsys, monkeypatch):
    monkeypatch.setattr("bnn_ref.cli.output.Output.isatty", lambda self: True)
    called = call(capsys, "report", place / "run")
    assert called.code == 0, called.err
    lines = called.err.splitlines()
    assert lines[0] == "bnn-ref: report: predictions"
    assert lines[-1] == "bnn-ref: report: drawing 17 figures"
    assert len(lines) > 5


@pytest.mark.usefixtures("words_alone")
@pytest.mark.parametrize("where", ["bnn_ref.report.page.to_svg", "os.replace", "os.fsync"])
def test_a_full_disk_leaves_the_old_page_and_nothing_else(place, capsys, monkeypatch, where):
    (place / "run" / "report.html").write_text("old")
    before = contents(place)
    monkeypatch.setattr(where, fail)
    refused(call(capsys, "report", place / "run"), "No space left")
    assert contents(place) == before


def test_a_full_disk_leaves_no_half_a_picture(place, capsys, monkeypatch):
    monkeypatch.setattr("os.replace", fail)
    refused(call(capsys, "report", place / "run", "--plots", place / "plots"), "No space left")
    assert contents(place / "plots") == {}
    assert not (place / "run" / "report.html").exists()


def test_without_matplotlib(place, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    before = contents(place)
    refused(call(capsys, "report", place / "run"), "matplotlib", "pip install")
    assert contents(place) == before


@pytest.mark.usefixtures("words_alone")
def test_a_run_that_was_not_trained(trained, tmp_path, capsys):
    words = ("--data", trained / "t.csv", "--target", "sick", "--likelihood", "bernoulli")
    called = call(capsys, "train", *SMALL, "--steps", 0, *words, "--out", tmp_path / "run")
    assert called.code == 0, called.err
    called = call(capsys, "report", tmp_path / "run")
    assert called.code == 0, called.err
    page = (tmp_path / "run" / "report.html").read_text()
    assert "for 0 steps" in page
    assert "there are no curves to show" in page
    assert 'id="training-loss"' not in page


@pytest.mark.usefixtures("words_alone")
def test_an_interrupted_run_says_so(place, capsys):
    """A run killed after a checkpoint: more steps were asked for, and nothing was scored."""
    more = {"steps": 9000}
    edit_json(place / "run" / "config.json", lambda c: c | {"settings": c["settings"] | more})
    (place / "run" / "results.json").unlink()
    called = call(capsys, "report", place / "run")
    assert called.code == 0, called.err
    page = (place / "run" / "report.html").read_text()
    assert "stopped at step 40 of 9,000" in page
    assert "held-out accuracy" in page


@pytest.mark.usefixtures("words_alone")
def test_a_run_without_held_out_rows_warns(trained, tmp_path, capsys):
    words = ("--data", trained / "t.csv", "--target", "sick", "--holdout", 0)
    called = call(capsys, "train", *SMALL, "--steps", 5, "--likelihood", "bernoulli", *words,
                  "--out", tmp_path / "run")  # fmt: skip
    assert called.code == 0, called.err
    assert call(capsys, "report", tmp_path / "run").code == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "No row was held out" in page
    assert "training accuracy" in page
