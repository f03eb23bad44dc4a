"""Bad requests: each one line on standard error, exit code 2, nothing written, nothing lost."""

import errno
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
from command import SMALL, call, contents

from bnn_ref.cli import main

TRAIN = ("train", *SMALL, "--steps", "2")
WORDS = {
    "no command": ((), "the following arguments are required: COMMAND"),
    "unknown command": (("trian",), "invalid choice: 'trian'"),
    "unknown option": (
        (*TRAIN, "--step-size", "1"),
        "arguments: --step-size 1 (see bnn-ref train --help)",
    ),
    "steps of text": (("train", "--steps", "many"), "argument --steps: invalid int value: 'many'"),
    "steps and epochs": (("train", "--steps", "1", "--epochs", "1"), "not allowed with argument"),
    "negative steps": (("train", "--steps", "-1"), "--steps: expected a whole number, at least 0"),
    "negative epochs": (("train", "--epochs", "-3"), "--epochs: expected a whole number"),
    "batch of 0": (
        (*TRAIN, "--batch-size", "0"),
        "--batch-size: expected a whole number, at least 1",
    ),
    "batch of -1": ((*TRAIN, "--batch-size", "-1"), "at least 1, found -1"),
    "no draws": ((*TRAIN, "--draws", "0"), "--draws: expected a whole number, at least 1, found 0"),
    "no draws a step": ((*TRAIN, "--draws-per-step", "0"), "--draws-per-step: expected"),
    "learning rate 0": (
        (*TRAIN, "--learning-rate", "0"),
        "learning_rate: expected a finite number",
    ),
    "learning rate NaN": ((*TRAIN, "--learning-rate", "nan"), "learning_rate: expected a finite"),
    "KL weight -1": ((*TRAIN, "--kl-weight", "-1"), "kl_weight: expected a finite number"),
    "negative seed": ((*TRAIN, "--seed", "-1"), "--seed: expected a whole number, at least 0"),
    "seed of 65 bits": (
        (*TRAIN, "--seed", str(2**64)),
        "seed: expected a whole number below 2**64",
    ),
    "hold out all": (
        (*TRAIN, "--holdout", "1797"),
        "fewer than the 1797 training rows, found 1797",
    ),
    "hold out -1": ((*TRAIN, "--holdout", "-1"), "--holdout: expected a whole number"),
    "a layer of 0": ((*TRAIN, "--layers", "8,0"), "--layers: expected whole numbers above 0"),
    "a layer of text": ((*TRAIN, "--layers", "8;8"), "like 128,128, found '8;8'"),
    "unknown activation": ((*TRAIN, "--activation", "swish"), "activation: expected one of linear"),
    "unknown likelihood": (
        (*TRAIN, "--likelihood", "poisson"),
        "expected one of bernoulli, categorical, normal, predicted_normal, ",
    ),
    "scale of text": (
        (*TRAIN, "--likelihood", "normal:wide"),
        "likelihood.scale: expected a number, found 'wide'",
    ),
    "scale of 0": ((*TRAIN, "--likelihood", "normal:0"), "a finite standard deviation above 0"),
    "digits are not 0/1": ((*TRAIN, "--likelihood", "bernoulli"), "digits: y: expected "),
    "a function's likelihood": ((*TRAIN, "--likelihood", "custom"), "likelihood: expected one of"),
    "categorical:2": ((*TRAIN, "--likelihood", "categorical:2"), "likelihood: expected"),
    "normal: and nothing": (
        (*TRAIN, "--likelihood", "normal:"),
        "normal:SCALE, found 'normal:'",
    ),
    "categorical: and nothing": (
        (*TRAIN, "--likelihood", "categorical:"),
        "normal:SCALE, found 'categorical:'",
    ),
    "a prior's option without a name": (
        (*TRAIN, "--prior", "normal:"),
        "prior normal: expected options loc, scale, found ''",
    ),
    "a tensor without a name": (
        (*TRAIN, "--freeze", "layers.0,"),
        "freeze: expected names of tensors",
    ),
    "a page without a name": (("report", "run", "-o", ""), "--output: expected a file, found ''"),
    "a target without a name": (
        (*TRAIN, "--data", "table.csv", "--target", ""),
        "--target: expected a column's name or its index, found ''",
    ),
    "no arrays": (
        (*TRAIN, "--data", "narrow.npz", "--arrays", ""),
        "arrays: expected x=NAME,y=NAME, found ''",
    ),
    "float16": ((*TRAIN, "--dtype", "float16"), "argument --dtype: invalid choice: 'float16'"),
    "unknown back end": (("train", "--backend", "cuda"), "argument --backend: invalid choice"),
    "no threads": ((*TRAIN, "--threads", "0"), "threads: expected a whole number, at least 1"),
    "no checkpoint interval": ((*TRAIN, "--checkpoint-every", "0"), "--checkpoint-every: expected"),
    "resume nothing": ((*TRAIN, "--resume"), "expected --out RUN with them, found none"),
    "resume and overwrite": ((*TRAIN, "--out", "new", "--resume", "--overwrite"), "found both"),
    "an empty folder's name": ((*TRAIN, "--out", ""), "--out: expected a folder, found"),
    "data without a name": (
        ("train", *SMALL, "--data", ""),
        "--data: expected 'digits' or a path, found ''",
    ),
    "a range without end": (
        ("sweep", "--out", "new", "steps=1", "seed=0-9999999999999"),
        "setting seed: expected a number, or a range of at most 100000 of them, found '0-9",
    ),
    "a sweep into no name": (("sweep", "--out", "", "layers=2"), "--out: expected a folder, found"),
    "no such data": (
        (*TRAIN, "--data", "nowhere"),
        "data: expected 'digits' or a path, found nothing",
    ),
    "target of digits": (
        (*TRAIN, "--target", "0"),
        "target: expected none: digits is no text table",
    ),
    "table without target": ((*TRAIN, "--data", "table.csv"), "expected the target's column"),
    "table, unknown target": ((*TRAIN, "--data", "table.csv", "--target", "z"), "found 'z'"),
    "table with text": ((*TRAIN, "--data", "text.csv", "--target", "y"), "found 'red'"),
    "table with NaN": (
        (*TRAIN, "--data", "nan.csv", "--target", "y"),
        "nan.csv, line 3, column 'x': expected a value (--missing-rows drop",
    ),
    "a header for digits": ((*TRAIN, "--header", "yes"), "--header: expected a text table to read"),
    "arrays of a table": (
        (*TRAIN, "--data", "table.csv", "--arrays", "x=a"),
        "--arrays: expected an npz to read",
    ),
    "arrays of nothing": ((*TRAIN, "--data", "narrow.npz", "--arrays", "x"), "arrays: expected x="),
    "a separator of two": (
        (*TRAIN, "--data", "table.csv", "--target", "y", "--separator", "::"),
        "separator: expected one character, tab or space, found '::'",
    ),
    "evaluate with other inputs": (
        ("evaluate", "run", "--data", "table.csv", "--drop", "x"),
        "--drop: expected none, as run records, found x",
    ),
    "report with a header of nothing": (
        ("report", "run", "--header", "no"),
        "--header: expected --data PATH with it, found none",
    ),
    "empty file": ((*TRAIN, "--data", "empty", "--target", "y"), "found an empty file"),
    "binary file": ((*TRAIN, "--data", "binary", "--target", "y"), "found a binary file"),
    "train on an npy": (
        (*TRAIN, "--data", "narrow.npy"),
        "narrow.npy: expected a folder of IDX or",
    ),
    "train on one IDX file": ((*TRAIN, "--data", "idx"), "idx: expected a folder of IDX or CIFAR"),
    "evaluate on an npy": (
        ("evaluate", "run", "--data", "column.npy"),
        "a text table, found one npy array alone",
    ),
    "empty folder": ((*TRAIN, "--data", "folder"), "train-images-idx3-ubyte (or .gz), found"),
    "an HTML page as images": ((*TRAIN, "--data", "html"), "IDX file of images (first bytes"),
    "npz of other arrays": ((*TRAIN, "--data", "other.npz"), "array 'x_train': expected one"),
    "npz of pickles": ((*TRAIN, "--data", "pickle.npz"), "object"),
    "npz cut off": ((*TRAIN, "--data", "cut.npz"), "cut.npz: expected an .npz archive"),
    "labels of 3.5": (
        (*TRAIN, "--data", "half.npz", "--likelihood", "categorical"),
        "found 3.5 in row",
    ),
    "NaN pixels": (
        (*TRAIN, "--data", "nan.npz"),
        "nan.npz: expected finite numbers, found nan in row 0, column 0",
    ),
    "run is a file": ((*TRAIN, "--out", "table.csv"), "table.csv: Not a directory"),
    "run below a file": ((*TRAIN, "--out", "table.csv/run"), "Not a directory"),
    "run in use": ((*TRAIN, "--out", "run"), "run: expected a new or an empty folder, found one"),
    "run of other files": ((*TRAIN, "--out", "folder"), "expected a new or an empty folder"),
    "overwrite a foreign config": (
        (*TRAIN, "--out", "foreign", "--overwrite"),
        "config.json: format: expected 'bnn-ref-run', found none",
    ),
    "resume a foreign folder": ((*TRAIN, "--out", "foreign", "--resume"), "expected 'bnn-ref-run'"),
    "resume half a checkpoint": (
        ("train", "--out", "half", "--resume"),
        "expected a checkpoint of",
    ),
    "resume another seed": (
        ("train", "--out", "run", "--resume", "--seed", "9"),
        "expected 0, as run",
    ),
    "resume without configuration": (("train", "--out", "bare", "--resume"), "No such file"),
    "evaluate nothing": (("evaluate", "nowhere"), "found no checkpoint.npz in it"),
    "evaluate half a checkpoint": (("evaluate", "half"), "expected a checkpoint of bnn-ref"),
    "evaluate a foreign npz": (("evaluate", "alien"), "meta: expected the description"),
    "evaluate without draws": (
        ("evaluate", "run", "--draws", "0"),
        "draws: expected a whole number",
    ),
    "evaluate on other inputs": (
        ("evaluate", "run", "--data", "narrow.npz"),
        "64 inputs a row, found 3",
    ),
    "draws of the mean": (
        ("evaluate", "run", "--kind", "mean", "--draws", "7"),
        "--draws: expected none with --kind mean, found 7",
    ),
    "predict nothing": (("predict", "run", "nowhere", "-o", "p.csv"), "found nothing at"),
    "predict narrow rows": (("predict", "run", "narrow.npy", "-o", "p.csv"), "64 inputs a row"),
    "predict a column": (
        ("predict", "run", "column.npy", "-o", "p.csv"),
        "column.npy: expected a shape (rows, columns), neither 0, found (10,)",
    ),
    "predict text": (("predict", "run", "text.npy", "-o", "p.csv"), "text.npy: expected numbers"),
    "predict pickled rows": (("predict", "run", "pickle.npy", "-o", "p.csv"), "pickle.npy"),
    "predict to a text": (("predict", "run", "digits", "-o", "p.txt"), "a name in .csv or .npz"),
    "predict to a folder": (
        ("predict", "run", "digits", "-o", "is.csv"),
        "found the folder is.csv",
    ),
    "predict to nowhere": (("predict", "run", "digits", "-o", "no/p.csv"), "No such file"),
    "predict over the checkpoint": (
        ("predict", "run", "digits", "-o", "run/checkpoint.npz"),
        "expected another file than",
    ),
    "predict over the input": (
        ("predict", "run", "narrow.npz", "-o", "narrow.npz"),
        "expected another file than narrow.npz",
    ),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of things that can be named by mistake, and one good run."""
    folder = tmp_path_factory.mktemp("place")
    assert main([*TRAIN, "--out", str(folder / "run")]) == 0
    (folder / "table.csv").write_text("x,y\n1,2\n3,4\n5,6\n7,8\n9,10\n")
    (folder / "text.csv").write_text("x,y\n1,2\nred,4\n")
    (folder / "nan.csv").write_text("x,y\n1,2\nnan,4\n")
    (folder / "empty").write_text("")
    (folder / "binary").write_bytes(bytes(range(256)))
    for name in ("folder", "html", "foreign", "half", "bare", "alien", "is.csv"):
        (folder / name).mkdir()
    (folder / "folder" / "notes.txt").write_text("mine")
    (folder / "html" / "train-images-idx3-ubyte").write_text("<!DOCTYPE html>")
    (folder / "html" / "train-labels-idx1-ubyte").write_text("<!DOCTYPE html>")
    (folder / "foreign" / "config.json").write_text('{"name": "another program"}')
    checkpoint = (folder / "run" / "checkpoint.npz").read_bytes()
    (folder / "bare" / "checkpoint.npz").write_bytes(checkpoint)
    (folder / "half" / "checkpoint.npz").write_bytes(checkpoint[:-1000])
    for name in ("half", "alien"):
        for file in ("config.json", "history.json"):
            (folder / name / file).write_bytes((folder / "run" / file).read_bytes())
    np.savez(folder / "alien" / "checkpoint.npz", weights=np.ones(3))
    good = {"x_train": np.ones((6, 3)), "x_test": np.ones((2, 3)), "y_test": np.zeros(2, int)}
    np.savez(folder / "narrow.npz", y_train=np.arange(6), **good)
    np.savez(folder / "half.npz", y_train=np.full(6, 3.5), **good)
    np.savez(
        folder / "nan.npz", y_train=np.arange(6), **(good | {"x_train": np.full((6, 3), np.nan)})
    )
    np.savez(folder / "pickle.npz", y_train=np.array([{}] * 6), **good)
    np.savez(folder / "other.npz", images=np.ones(3))
    (folder / "cut.npz").write_bytes((folder / "narrow.npz").read_bytes()[:-30])
    np.save(folder / "narrow.npy", np.ones((2, 3)))
    np.save(folder / "column.npy", np.ones(10))
    np.save(folder / "text.npy", np.array([["a", "b"]]))
    (folder / "idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
    np.save(folder / "pickle.npy", np.array([{}] * 3))
    return folder


def assert_one_line(called, message):
    assert called.code == 2, called
    assert message in called.err
    assert called.err.startswith("bnn-ref")
    assert called.err.count("\n") == 1
    assert "Traceback" not in called.err


def test_there_are_at_least_forty():
    assert len(WORDS) >= 40


@pytest.mark.parametrize("name", WORDS)
def test_one_line_exit_2_and_nothing_changed(place, monkeypatch, capsys, name):
    words, message = WORDS[name]
    monkeypatch.chdir(place)
    before = contents(place)
    assert_one_line(call(capsys, *words), message)
    assert contents(place) == before


def refuse(number):
    def refusing(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    return refusing


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO]
)
@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_disk_that_refuses_loses_nothing(tmp_path, monkeypatch, capsys, number, function):
    run = tmp_path / "run"
    assert call(capsys, *TRAIN, "--out", run).code == 0
    before = contents(run)
    with monkeypatch.context() as patch:
        patch.setattr(os, function, refuse(number))
        called = call(capsys, "train", "--out", run, "--resume", "--steps", 5)
    assert_one_line(called, os.strerror(number))
    assert f"{run}/" in called.err
    assert contents(run) == before
    assert call(capsys, "train", "--out", run, "--resume", "--steps", 5).code == 0


def test_a_full_disk_keeps_half_a_vector_out_of_the_copied_suite(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "suite"
    monkeypatch.setattr(os, "fsync", refuse(errno.ENOSPC))
    called = call(capsys, "vectors", "suite", folder)
    assert_one_line(called, os.strerror(errno.ENOSPC))
    assert f"{folder}/" in called.err
    assert list(folder.iterdir()) == []


def test_a_disk_that_fills_up(tmp_path, capsys):
    """A file may grow to 20 kB: the configuration fits, a checkpoint of 30 kB does not.

    Nor does bytecode, which Python would leave cut short for every process after (hence -B).
    """
    run = tmp_path / "run"
    train = ["train", "--backend", "numpy", "--layers", "32"]
    words = [sys.executable, "-B", "-m", "bnn_ref", *train]

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    def limited(*more):
        return subprocess.run([*words, "--out", str(run), *more], capture_output=True, text=True,
                              preexec_fn=small_files, check=False)  # fmt: skip

    done = limited("--steps", "3")
    assert_one_line(done_as_called(done), f"{run}/checkpoint.npz: File too large")
    assert sorted(contents(run)) == ["config.json", "history.json"]
    assert call(capsys, *train, "--out", run, "--resume", "--steps", 3).code == 0
    before = contents(run)
    done = limited("--resume", "--steps", "6")
    assert_one_line(done_as_called(done), f"{run}/checkpoint.npz: File too large")
    assert contents(run)["checkpoint.npz"] == before["checkpoint.npz"]
    assert set(contents(run)) == set(before)
    assert call(capsys, *train, "--out", run, "--resume", "--steps", 6).code == 0


def done_as_called(done):
    from command import Called

    return Called(done.returncode, done.stdout, done.stderr)


def test_a_folder_without_write_permission(tmp_path, capsys):
    """Root may write anywhere, so root becomes somebody else for the length of the call."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    call(capsys, *TRAIN)  # everything is imported, for somebody else may not read it
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        called = call(capsys, *TRAIN, "--out", closed / "run")
    finally:
        if root:
            os.seteuid(0)
    assert_one_line(called, "Permission denied")
    assert contents(closed) == {}
