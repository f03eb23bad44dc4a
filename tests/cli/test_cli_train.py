"""``bnn-ref train``: what it prints, what it writes, how it goes on."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from command import SMALL, call, contents

from bnn_ref.backends import why_not_numba
from bnn_ref.runs.checkpoints import load_checkpoint
from bnn_ref.runs.run import Run

KEYS = {
    "heldout_nats",
    "heldout_accuracy",
    "test_nats",
    "test_accuracy",
    "loss",
    "nll",
    "kl",
    "steps",
    "seconds",
}
RUN_FILES = {"config.json", "history.json", "results.json", "checkpoint.npz"}


def last_json(called):
    assert called.code == 0, called.err
    return json.loads(called.out.splitlines()[-1])


def test_the_default_data_without_out_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    called = call(capsys, "train", *SMALL, "--steps", 250, "--json")
    found = last_json(called)
    assert set(found) >= KEYS
    assert found["heldout_accuracy"] > 0.85
    assert found["heldout_nats"] < 0
    assert (found["test_nats"], found["test_accuracy"], found["steps"]) == (None, None, 250)
    assert np.isclose(found["loss"], found["nll"] + found["kl"] / 1437, rtol=0.1)
    assert "digits, 1437 training, 360 held-out rows" in called.out
    assert "step    250  loss" in called.out
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_the_default_run_reaches_95_per_cent(capsys):
    assert (
        last_json(call(capsys, "train", "--backend", "numpy", "--json"))["heldout_accuracy"] > 0.95
    )


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_five_and_five_are_ten_in_every_file(tmp_path, capsys, backend):
    if backend == "numba" and why_not_numba():
        pytest.skip(f"numba: {why_not_numba()}")
    ten, parts = tmp_path / "ten", tmp_path / "parts"
    options = (*SMALL, "--backend", backend, "--checkpoint-every", 3, "--learning-rate", 0.01)
    assert call(capsys, "train", *options, "--steps", 10, "--out", ten).code == 0
    assert call(capsys, "train", *options, "--steps", 5, "--out", parts).code == 0
    first = load_checkpoint(parts / "checkpoint.npz")
    assert first.state.step == 5
    called = call(capsys, "train", "--steps", 10, "--out", parts, "--resume")
    assert called.code == 0
    assert "training to step 10 from step 5" in called.out
    assert set(contents(ten)) == RUN_FILES
    assert contents(ten) == contents(parts)


def test_an_interrupted_schedule_goes_on_to_the_same_files(tmp_path, capsys, monkeypatch):
    """Rate, rise of the KL's weight and temperature are functions of the step and the length."""
    ten, parts = tmp_path / "ten", tmp_path / "parts"
    options = (*SMALL, "--checkpoint-every", 3, "--steps", 10, "--temperature", 0.3,
               "--learning-rate", "cosine:0.02:0.1:0.2", "--prior-scale", 0.7, "--adam", "keras",
               "--bias", "normal", "--estimator", "shared", "--kl-warm-up", 0.5)  # fmt: skip
    assert call(capsys, "train", *options, "--out", ten).code == 0
    save = Run.save

    def save_and_interrupt(run, trainer, history):
        save(run, trainer, history)
        if trainer.state.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Run, "save", save_and_interrupt)
    assert call(capsys, "train", *options, "--out", parts).code == 130
    assert 3 <= load_checkpoint(parts / "checkpoint.npz").state.step < 10
    monkeypatch.undo()
    called = call(capsys, "train", "--out", parts, "--resume")
    assert called.code == 0
    assert "KL weight 0.3/N, rising over the first 50% of the steps (a cold posterior" in called.out
    assert "training has not settled" in called.out
    assert f"next: bnn-ref report {parts}" in called.out
    assert contents(ten) == contents(parts)


def test_equal_runs_are_equal_folders(tmp_path, capsys):
    for name in ("a", "b"):
        assert call(capsys, "train", *SMALL, "--steps", 7, "--out", tmp_path / name).code == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    call(capsys, "train", *SMALL, "--steps", 7, "--seed", 1, "--out", tmp_path / "c")
    assert contents(tmp_path / "a")["checkpoint.npz"] != contents(tmp_path / "c")["checkpoint.npz"]


def test_resume_starts_what_is_not_there(tmp_path, capsys):
    wanted, run = tmp_path / "wanted", tmp_path / "some" / "where"
    call(capsys, "train", *SMALL, "--steps", 4, "--out", wanted)
    assert call(capsys, "train", *SMALL, "--steps", 4, "--out", run, "--resume").code == 0
    assert contents(run) == contents(wanted)
    (run / "checkpoint.npz").unlink()
    assert call(capsys, "train", *SMALL, "--steps", 4, "--out", run, "--resume").code == 0
    assert contents(run) == contents(wanted)


def test_resume_does_nothing_on_a_finished_run(tmp_path, capsys):
    run = tmp_path / "run"
    first = last_json(call(capsys, "train", *SMALL, "--steps", 4, "--out", run, "--json"))
    before = {path: path.stat().st_mtime_ns for path in run.iterdir()}
    for words in ((), ("--steps", 4), ("--steps", 3), ("--seed", 0, "--data", "digits")):
        called = call(capsys, "train", "--out", run, "--resume", "--json", *words)
        assert last_json(called) | {"seconds": 0} == first | {"seconds": 0}
        assert "finished at step 4" in called.out
        assert {path: path.stat().st_mtime_ns for path in run.iterdir()} == before
    more = last_json(call(capsys, "train", "--out", run, "--resume", "--json", "--draws", 5))
    assert more["draws"] == 5
    assert more["nll"] == first["nll"]
    (run / "results.json").unlink()  # as if killed after the last checkpoint
    assert last_json(call(capsys, "train", "--out", run, "--resume", "--json")).items() >= (
        {"heldout_nats": first["heldout_nats"]}.items()
    )
    assert (run / "results.json").exists()


CONTRADICTIONS = {
    "--seed": (1, 0),
    "--layers": ("9", [8]),
    "--activation": ("tanh", "relu"),
    "--likelihood": ("bernoulli", "categorical"),
    "--batch-size": (64, 128),
    "--learning-rate": (0.5, "cosine:0.01:0.01:0.0"),
    "--kl-weight": (1.0, None),
    "--temperature": (0.5, 1.0),
    "--kl-warm-up": (0.1, 0.0),
    "--prior": ("laplace", "normal"),
    "--prior-scale": (2.0, 1.0),
    "--initial-sigma": (0.1, None),
    "--bias": ("normal", "deterministic"),
    "--initializer": ("he", "tfp"),
    "--adam": ("keras", "paper"),
    "--estimator": ("shared", "flipout"),
    "--freeze": ("layers.0", None),
    "--holdout": (10, 360),
    "--draws-per-step": (2, 1),
    "--dtype": ("float64", "float32"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    from bnn_ref.cli import main

    run = tmp_path_factory.mktemp("finished") / "run"
    assert main(["train", *SMALL, "--steps", "4", "--out", str(run)]) == 0
    return run


@pytest.mark.parametrize("option", CONTRADICTIONS)
def test_resume_refuses_what_contradicts_the_record(finished, capsys, option):
    value, recorded = CONTRADICTIONS[option]
    before = contents(finished)
    called = call(capsys, "train", "--out", finished, "--resume", "--steps", 9, option, value)
    assert called.code == 2
    assert called.err.startswith(f"bnn-ref: error: {option}: expected {recorded}, as {finished}")
    assert called.err.count("\n") == 1
    assert contents(finished) == before


def test_resume_refuses_other_data_but_not_another_place(tmp_path, capsys):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        rng = np.random.default_rng(seed)
        arrays = {"x_train": rng.random((20, 3)), "y_train": np.arange(20) % 2}
        np.savez(
            tmp_path / f"{name}.npz", x_test=rng.random((4, 3)), y_test=np.arange(4) % 2, **arrays
        )
    run = tmp_path / "run"
    call(capsys, "train", *SMALL, "--steps", 3, "--data", tmp_path / "a.npz", "--out", run)
    go_on = ("train", "--out", run, "--resume", "--steps", 5, "--data")
    before = contents(run)
    called = call(capsys, *go_on, tmp_path / "c.npz")
    assert called.code == 2
    assert "data: expected the checksum that" in called.err
    assert contents(run) == before
    (tmp_path / "a.npz").unlink()
    assert call(capsys, *go_on, tmp_path / "b.npz").code == 0
    assert load_checkpoint(run / "checkpoint.npz").state.step == 5


def test_an_existing_run_is_replaced_only_when_told(tmp_path, capsys):
    run, wanted = tmp_path / "run", tmp_path / "wanted"
    call(capsys, "train", *SMALL, "--steps", 3, "--out", run)
    before = contents(run)
    called = call(capsys, "train", *SMALL, "--steps", 2, "--seed", 1, "--out", run)
    assert called.code == 2
    assert (
        f"{run}: expected a new or an empty folder, found one that holds checkpoint" in called.err
    )
    assert contents(run) == before
    (run / "mine.txt").write_text("kept")
    called = call(capsys, "train", *SMALL, "--steps", 2, "--seed", 1, "--out", run, "--overwrite")
    assert called.code == 0
    call(capsys, "train", *SMALL, "--steps", 2, "--seed", 1, "--out", wanted)
    assert contents(run) == contents(wanted) | {"mine.txt": b"kept"}


def test_other_libraries_are_said(tmp_path, capsys, monkeypatch):
    from bnn_ref.runs import environment

    run, now = tmp_path / "run", environment.describe()
    call(capsys, "train", *SMALL, "--steps", 2, "--out", run)
    monkeypatch.setattr(environment, "describe", lambda: now | {"blas_threads": 64, "numpy": "9"})
    called = call(capsys, "train", "--out", run, "--resume", "--steps", 3)
    assert called.code == 0
    assert f"note: blas_threads: recorded {now['blas_threads']}, now 64" in called.out
    assert f"note: numpy: recorded {np.__version__}, now 9" in called.out
    assert environment.differences(now, now | {"blas_threads": 64}, "numba") == []


def test_case_1_both_weighted_kl_terms_are_shown_for_a_weight_of_ones_own(capsys):
    called = call(capsys, "train", *SMALL, "--steps", 2, "--kl-weight", 1 / 128)
    assert "warning: kl_weight 0.007812 is 1/128" in called.err
    (line,) = [line for line in called.out.splitlines() if "kl_weight" in line]
    words = line.replace(";", "").split()
    theirs, ours = float(words[4]), float(words[-1])
    assert words[1] == "0.0078125:"
    assert np.isclose(theirs / ours, 1437 / 128, rtol=1e-4)
    assert "kl_weight" not in call(capsys, "train", *SMALL, "--steps", 2).out


def test_epochs_and_a_table(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    y = 1000 + 300 * x[:, 0]
    np.savetxt(tmp_path / "t.csv", np.c_[x, y], delimiter=",", header="a,b,price", comments="")
    called = call(capsys, "train", *SMALL, "--data", tmp_path / "t.csv", "--target", "price",
                  "--epochs", 100, "--batch-size", 16, "--json")  # fmt: skip
    found = last_json(called)
    assert found["steps"] == 100 * 3
    assert found["heldout_accuracy"] is None
    assert found["heldout_rmse"] < 150  # in the target's units, of a standard deviation of 300
    assert -8 < found["heldout_nats"] < -4  # log-density per unit of price: about -log(300) - 1.4
    assert "held-out nats" in called.out
    assert "rmse" in called.out


def test_ctrl_c_keeps_a_checkpoint(tmp_path):
    run = tmp_path / "run"
    words = ["train", *SMALL, "--steps", "1000000", "--checkpoint-every", "9", "--out", str(run)]
    with subprocess.Popen(
        [sys.executable, "-m", "bnn_ref", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        checkpoint = run / "checkpoint.npz"
        while not checkpoint.exists() or load_checkpoint(checkpoint).state.step == 0:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    step = load_checkpoint(checkpoint).state.step
    assert f"stopped at step {step}: kept in {run}, --resume goes on" in out


def test_a_value_that_is_not_finite_keeps_the_last_good_state(tmp_path, capsys):
    run = tmp_path / "run"
    words = ("train", *SMALL, "--steps", 500, "--learning-rate", 1e30, "--out", run)
    called = call(capsys, *words)
    assert called.code == 2
    assert called.err.startswith("bnn-ref: error: step ")
    assert "expected finite values, found a NaN or an infinity in " in called.err
    assert called.err.count("\n") == 1
    step = int(called.err.split("step ")[1].split(":")[0])
    assert load_checkpoint(run / "checkpoint.npz").state.step == step - 1


@pytest.mark.slow
def test_mnist_within_400_mb_and_beside_tfp(mnist_folder):
    """Issue figures: TFP 0.25 reached held-out nats -0.1226, -0.1135, -0.1102 and .966 to .971."""
    code = (
        "import resource, sys; from bnn_ref.cli import main; code = main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"
    )
    words = ["train", "--data", str(mnist_folder), "--holdout", "5000", "--steps", "6000", "--json"]
    words += ["--learning-rate", "0.01", "--backend", "numpy", "--seed", "1"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True,
                          check=True)  # fmt: skip
    *_, line, kilobytes = done.stdout.splitlines()
    found = json.loads(line)
    assert found["heldout_nats"] > -0.1154 - 0.03
    assert found["heldout_accuracy"] > 0.969 - 0.01
    assert int(kilobytes) < 400_000
