"""How a command ends: by signals, with standard output gone, beside another writer, by a fault."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from command import SMALL, call, contents

from bnn_ref import cli
from bnn_ref.cli import faults, info
from bnn_ref.cli.output import Output
from bnn_ref.runs.checkpoints import load_checkpoint
from bnn_ref.runs.run import Run

LONG = ("train", *SMALL, "--steps", "1000000", "--checkpoint-every", "7")


def start(*words, shell=None, **options):
    """Start a command; by a shell's words where ``shell`` is given, which ends in "$@"."""
    command = [sys.executable, "-m", "bnn_ref", *map(str, words)]
    if shell is not None:
        command = ["sh", "-c", shell, "sh", *command]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


def wait_for_a_step(run, process):
    """Wait until a run has taken steps."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if (run / "checkpoint.npz").exists() and load_checkpoint(run / "checkpoint.npz").state.step:
            return
        time.sleep(0.02)
    raise AssertionError(f"no step in a minute: {process.communicate()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_case_42_every_ending_signal_leaves_a_checkpoint_of_the_last_step(tmp_path, number):
    run = tmp_path / "run"
    process = start(*LONG, "--out", run, stdout=subprocess.PIPE)
    wait_for_a_step(run, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    step = int(re.search(r"stopped at step (\d+): kept in", out)[1])
    assert load_checkpoint(run / "checkpoint.npz").state.step == step > 0


def test_case_42_an_ignored_sigint_stays_ignored_and_sigterm_still_ends(tmp_path):
    run = tmp_path / "run"
    shell = 'trap "" INT; exec "$@"'
    process = start(*LONG, "--out", run, shell=shell, stdout=subprocess.PIPE)
    wait_for_a_step(run, process)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert "stopped at step" in out


def test_nohup_is_left_alone(tmp_path):
    run = tmp_path / "run"
    process = start(*LONG, "--out", run, shell='trap "" HUP; exec "$@"', stdout=subprocess.PIPE)
    wait_for_a_step(run, process)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_case_42_a_reader_that_goes_away_ends_training_with_a_checkpoint(tmp_path):
    run = tmp_path / "run"
    process = start(*LONG[:-4], "--steps", "400", "--out", run, stdout=subprocess.PIPE)
    assert process.stdout.readline().startswith("data: digits")
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(60) == 1
    process.stderr.close()
    line = r"bnn-ref: error: standard output: Broken pipe; stopped at step (\d+): kept in "
    told = re.fullmatch(rf"{line}{run}, --resume goes on\n", err)
    assert load_checkpoint(run / "checkpoint.npz").state.step == int(told[1]) > 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_case_42_a_full_disk_behind_standard_output(tmp_path):
    run = tmp_path / "run"
    with open("/dev/full", "w") as full:
        process = start(*LONG[:-4], "--steps", "400", "--out", run, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith("bnn-ref: error: standard output: No space left on device; stopped at")
    assert err.count("\n") == 1
    assert load_checkpoint(run / "checkpoint.npz").state.step > 0


def test_case_42_a_closed_standard_output_trains_to_the_end(tmp_path):
    run = tmp_path / "run"
    process = start("train", *SMALL, "--steps", "5", "--out", run, shell='exec "$@" >&-')
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == "bnn-ref: warning: standard output is closed: nothing is printed\n"
    assert load_checkpoint(run / "checkpoint.npz").state.step == 5
    assert json.loads((run / "results.json").read_text())["steps"] == 5


@pytest.mark.parametrize("shell", ['exec "$@" <&- >&- 2>&-', 'exec "$@" >/dev/full 2>&-'])
def test_case_42_nobody_can_be_told(tmp_path, shell):
    run = tmp_path / "run"
    process = start("train", *SMALL, "--steps", "90", "--out", run, shell=shell)
    _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode in (0, 1)
    assert Run(run).load()[0].state.step > 0


def test_a_short_command_whose_output_goes_nowhere():
    for shell in ('"$@" > /dev/full', 'exec "$@" 2>/dev/full >/dev/full'):
        process = start("info", shell=shell)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        told = "bnn-ref: error: standard output: No space left on device\n"
        assert err == (told if "2>" not in shell else "")


def test_case_50_a_second_writer_is_refused_and_harms_nothing(tmp_path, capsys):
    run = tmp_path / "run"
    process = start(*LONG, "--out", run, stdout=subprocess.PIPE)
    wait_for_a_step(run, process)
    config = (run / "config.json").read_bytes()
    for more in ([], ["--resume"], ["--overwrite"]):
        called = call(capsys, "train", *SMALL, "--seed", 7, "--out", run, *more)
        assert (called.code, called.out) == (2, "")
        assert called.err == (f"bnn-ref: error: {run}: expected a folder that nobody writes to, "
                              "found another process at work in it\n")  # fmt: skip
    assert call(capsys, "evaluate", run).code == 0  # who reads may
    assert (run / "config.json").read_bytes() == config
    process.kill()
    process.communicate()
    step = load_checkpoint(run / "checkpoint.npz").state.step
    called = call(capsys, "train", "--resume", "--out", run, "--steps", step + 1)
    assert called.code == 0, called.err
    assert load_checkpoint(run / "checkpoint.npz").state.step == step + 1


def test_case_50_two_at_once_one_wins(tmp_path, capsys):
    wanted, run = tmp_path / "wanted", tmp_path / "run"
    words = ("train", *SMALL, "--steps", "40")
    assert call(capsys, *words, "--out", wanted).code == 0
    processes = [start(*words, "--out", run, stdout=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 2, 2]
    assert all(err.count("\n") == (process.returncode == 2)
               for process, err in zip(processes, errors, strict=True))  # fmt: skip
    assert contents(run) == contents(wanted)


@pytest.mark.parametrize("every", [1, 500])
def test_case_53_what_diverges_names_the_step_and_the_last_good_checkpoint(tmp_path, capsys, every):
    run = tmp_path / "run"
    words = ["train", *SMALL, "--steps", 60, "--out", run, "--checkpoint-every", every]
    called = call(capsys, *words, "--learning-rate", "1e38")
    assert (called.code, called.err.count("\n")) == (2, 1)
    told = re.search(r"step (\d+): expected finite values.*, found a NaN or an infinity in .*; "
                     r".* keeps the state of step (\d+)\n", called.err)  # fmt: skip
    kept = load_checkpoint(run / "checkpoint.npz")
    assert kept.state.step == int(told[2]) < int(told[1]) < 60
    assert call(capsys, "evaluate", run, "--draws", 1).code == 0


def test_case_53_a_checkpoint_that_cannot_be_read_back_leaves_the_one_before(
    tmp_path, capsys, monkeypatch
):
    run = tmp_path / "run"
    assert call(capsys, "train", *SMALL, "--steps", 3, "--out", run).code == 0
    before = contents(run)
    true = os.fsync

    def half(handle):
        if os.fstat(handle).st_size > 10_000:
            os.ftruncate(handle, 10_000)  # a disk that lies
        true(handle)

    monkeypatch.setattr(os, "fsync", half)
    called = call(capsys, "train", "--resume", "--steps", 6, "--out", run)
    assert (called.code, called.err.count("\n")) == (2, 1)
    assert f"{run / 'checkpoint.npz'}: what was written could not be read back" in called.err
    assert contents(run)["checkpoint.npz"] == before["checkpoint.npz"]
    assert set(contents(run)) == set(before)


def test_a_fault_of_ours_is_told_as_one_and_shown_on_request(capsys, monkeypatch):
    def fail(args):
        return {}["\x1b[31mkey"]

    monkeypatch.setattr(info, "run", fail)
    called = call(capsys, "info")
    assert (called.code, called.out, called.err.count("\n")) == (70, "", 1)
    assert called.err.startswith("bnn-ref: fault: KeyError: ")
    assert "(test_cli_ends.py, line " in called.err
    assert "a fault of bnn-ref, not yours" in called.err
    assert "\x1b" not in called.err
    monkeypatch.setenv(faults.VARIABLE, "1")
    called = call(capsys, "info")
    assert called.code == 70
    assert called.err.startswith("Traceback (most recent call last)")
    assert "\x1b" not in called.err


def test_case_56_nothing_printed_can_drive_a_terminal(capsys, monkeypatch):
    def run(args):
        print("a\x1b[2Jb\rc\u202e\x9b", "größe", sep="\n")
        raise ValueError("x\x1b]0;title\x07y" + "z" * 70_000)

    monkeypatch.setattr(info, "run", run)
    called = call(capsys, "info")
    assert called.out == "a\\x1b[2Jb\\rc\\u202e\\x9b\ngröße\n"
    assert called.err.startswith("bnn-ref: error: x\\x1b]0;title\\x07yzz")
    assert len(called.err) < 2100
    called = call(capsys, "in\x1b[2Jfo")
    assert (called.code, "\x1b" in called.err) == (2, False)


def test_an_encoding_that_lacks_a_letter(tmp_path):
    path = tmp_path / "größe.npz"
    done = subprocess.run([sys.executable, "-m", "bnn_ref", "train", "--data", path],
                          capture_output=True, check=False,
                          env=os.environ | {"PYTHONIOENCODING": "ascii"})  # fmt: skip
    assert done.returncode == 2
    assert b"gr\\xf6\\xdfe.npz" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_handlers_are_as_they_were(capsys):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    streams = sys.stdout, sys.stderr
    assert call(capsys, "train", *SMALL, "--steps", 2).code == 0
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert after == before
    assert (sys.stdout, sys.stderr) == streams
    assert cli.main(["--version"]) == 0


def test_an_output_that_outlives_its_stream_ends_quietly():
    """Python 3.13 flushes what is collected, and tells of an exception there."""
    stream = io.StringIO()
    output = Output(stream, "standard output")
    stream.close()
    output.flush()
    output.close()
