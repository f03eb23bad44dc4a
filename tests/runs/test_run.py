"""Kill -9 at any moment: the run goes on to the same bits, and no half-written file is read."""

import json
import os
import random
import subprocess
import sys
import time

import pytest
from command import call, contents

from bnn_ref.runs.checkpoints import load_checkpoint
from bnn_ref.runs.run import Run
from bnn_ref.storage.wholefile import PREFIX

STEPS = 60
WORDS = ("train", "--backend", "numpy", "--layers", "8", "--draws", "2", "--steps", str(STEPS),
         "--batch-size", "32", "--checkpoint-every", "2")  # fmt: skip


def start(folder, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "bnn_ref", *WORDS, "--out", str(folder), *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def is_sound(folder):
    """Every file under a final name can be read whole; return the checkpoint's step."""
    for path in folder.glob("*"):
        if path.name.startswith(PREFIX):
            assert not path.name.endswith(".npz")
        elif path.suffix == ".json":
            json.loads(path.read_text())
        else:
            assert path.name == "checkpoint.npz"
    run = Run(folder)
    return run.load()[0].state.step if run.has_checkpoint else None


def test_killed_at_twenty_random_moments(tmp_path, capsys):
    """The moments are random within the run; the bits afterwards are not."""
    whole = tmp_path / "whole"
    process = start(whole)
    while not (whole / "checkpoint.npz").exists():
        time.sleep(0.001)
    begin = time.monotonic()
    assert process.wait(120) == 0
    length = time.monotonic() - begin
    wanted = contents(whole)
    moments, steps = random.Random(20), []
    for k in range(20):
        folder = tmp_path / f"killed-{k}"
        process = start(folder)
        while not (folder / "checkpoint.npz").exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, length))
        process.kill()
        process.wait()
        steps.append(is_sound(folder))
        if k % 4 == 0:  # killed a second time while it goes on, some of them before its first step
            process = start(folder, "--resume")
            time.sleep(moments.uniform(0.2, 0.6) + length / 4)
            process.kill()
            process.wait()
            is_sound(folder)
        called = call(capsys, *WORDS, "--out", folder, "--resume")
        assert called.code == 0, called.err
        assert contents(folder) == wanted
    assert len({step for step in steps if step not in (0, STEPS)}) >= 5, steps


KILLED = """
import os, sys
from bnn_ref.cli import main
name, count = sys.argv[1], int(sys.argv[2])
true = getattr(os, name)
def counted(*args, **options):
    global count
    count -= 1
    if count == 0:
        os.kill(os.getpid(), 9)
    return true(*args, **options)
setattr(os, name, counted)
main(sys.argv[3:])
"""


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    words = [sys.executable, "-m", "bnn_ref", *WORDS, "--steps", "6", "--out", str(folder)]
    subprocess.run(words, check=True, capture_output=True)
    return contents(folder)


@pytest.mark.parametrize(
    ("function", "count"),
    [
        ("replace", 1),  # the configuration written, not in place
        ("replace", 2),  # the first history
        ("replace", 3),  # the first checkpoint, not in place
        ("replace", 5),  # a history in place that is ahead of its checkpoint
        ("fsync", 8),  # in the middle of a pair
        ("fsync", 9),
        ("replace", 10),  # the results
    ],
)
def test_killed_between_any_two_calls_of_the_system(tmp_path, capsys, wanted, function, count):
    run = tmp_path / "run"
    words = [*WORDS, "--steps", "6", "--out", str(run)]
    done = subprocess.run([sys.executable, "-c", KILLED, function, str(count), *words],
                          capture_output=True, check=False)  # fmt: skip
    assert done.returncode == -9
    step = is_sound(run)
    assert step is None or step < 6 or function == "replace"
    left = [name for name in os.listdir(run) if name.startswith(PREFIX)]
    assert len(left) <= 1
    assert call(capsys, *words, "--resume").code == 0
    assert contents(run) == wanted


def test_records_of_steps_that_will_be_taken_again_are_left_out(tmp_path, capsys):
    run = tmp_path / "run"
    assert call(capsys, *WORDS, "--steps", 6, "--out", run).code == 0
    path = run / "history.json"
    history = json.loads(path.read_text())
    history["records"].append(history["records"][-1] | {"step": 7})
    path.write_text(json.dumps(history))
    _, found = Run(run).load()
    assert [record["step"] for record in found.records] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a JSON object"),
        ("[]", "a JSON object, found list"),
        ("{", "a JSON object"),
        ("{}", "a list of records"),
        ('{"records": [3]}', "a list of records"),
        ('{"records": [{"step": "3"}]}', "a list of records"),
        ("[" * 100_000, "a JSON object"),
    ],
)
def test_a_foreign_history_is_refused(tmp_path, capsys, text, message):
    run = tmp_path / "run"
    assert call(capsys, *WORDS, "--steps", 1, "--out", run).code == 0
    (run / "history.json").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        Run(run).load()
    assert str(caught.value).startswith(str(run / "history.json"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "x"}, "the configuration of a run"),
        ({"version": 2}, "version 1"),
        ({"settings": None}, "a key 'settings'"),
    ],
)
def test_a_foreign_configuration_is_refused(tmp_path, capsys, change, message):
    run = tmp_path / "run"
    assert call(capsys, *WORDS, "--steps", 1, "--out", run).code == 0
    path = run / "config.json"
    config = {k: v for k, v in (json.loads(path.read_text()) | change).items() if v is not None}
    path.write_text(json.dumps(config))
    called = call(capsys, *WORDS, "--steps", 1, "--out", run, "--resume")
    assert called.code == 2
    assert message in called.err
    assert load_checkpoint(run / "checkpoint.npz").state.step == 1
