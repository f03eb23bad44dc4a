"""Kill -9 at any moment: the run goes on to the same bits, and no half-written file is read."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import call, contents, edit_json

from bnn_ref.border.schema import Maybe, check_schema
from bnn_ref.runs import environment
from bnn_ref.runs.checkpoints import load_checkpoint
from bnn_ref.runs.run import Run
from bnn_ref.storage.jsonfile import checksum_of, read_json, write_json
from bnn_ref.storage.lock import NAME as LOCK
from bnn_ref.storage.wholefile import PREFIX

STEPS = 60
WORDS = ("train", "--backend", "numpy", "--layers", "8", "--draws", "2", "--steps", str(STEPS),
         "--batch-size", "32", "--checkpoint-every", "2", "--learning-rate", "0.01")  # fmt: skip


def start(folder, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "bnn_ref", *WORDS, "--out", str(folder), *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def is_sound(folder):
    """Every file under a final name can be read whole; return the checkpoint's step."""
    for path in folder.glob("*"):
        if path.name == LOCK:
            assert path.read_bytes() == b""
        elif path.name.startswith(PREFIX):
            assert not path.name.endswith(".npz")
        elif path.suffix == ".json":
            json.loads(path.read_text())
        else:
            assert path.name == "checkpoint.npz"
    run = Run(folder)
    return run.load()[0].state.step if run.has_checkpoint else None


@pytest.mark.parametrize(
    ("kills", "different"), [(2, 0), pytest.param(20, 5, marks=pytest.mark.slow)]
)
def test_killed_at_random_moments(tmp_path, capsys, kills, different):
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
    for k in range(kills):
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
    assert len({step for step in steps if step not in (0, STEPS)}) >= different, steps


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


ANY = {...: (str, int, float, list, dict, bool, type(None))}


@pytest.fixture
def run(tmp_path, wanted):
    """The folder of a run of six steps."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name, content in wanted.items():
        (folder / name).write_bytes(content)
    return folder


def test_records_of_steps_that_will_be_taken_again_are_left_out(run):
    edit_json(
        run / "history.json", lambda h: {"records": [*h["records"], h["records"][-1] | {"step": 7}]}
    )
    _, found = Run(run).load()
    assert [record["step"] for record in found.records] == [1, 2, 3, 4, 5, 6]


DAMAGED = {
    "empty": ("", "a JSON object"),
    "a list": ("[]", "a JSON object, found a list"),
    "half": ("{", "a JSON object"),
    "without records": ("{}", "records: expected such a key"),
    "a number": ('{"records": [3]}', r"records\[0\]: expected an object"),
    "a key less": ('{"records": [{"step": 3}]}', r"records\[0\].epoch: expected such a key"),
    "deep": ("[" * 100_000, "a JSON object"),
    "an infinity": ('{"records": [], "a": Infinity}', "expected finite numbers"),
    "twice": ('{"records": [], "records": []}', "expected every key once"),
    "without checksum": ('{"records": []}', "checksum: expected such a key"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_case_53_a_damaged_history_costs_the_history_not_the_run(run, capsys, name):
    text, message = DAMAGED[name]
    path, before = run / "history.json", contents(run)
    path.write_text(text)
    with pytest.warns(UserWarning, match=message) as caught:
        checkpoint, history = Run(run).load()
    assert str(caught[0].message).startswith(f"{path}: left out (")
    assert checkpoint.state.step == 6
    assert history.records == []
    called = call(capsys, "train", "--resume", "--steps", 8, "--out", run)
    assert called.code == 0
    assert called.err.count("\n") == 1
    assert load_checkpoint(run / "checkpoint.npz").state.step == 8
    path.unlink()
    assert call(capsys, "evaluate", run).code == 0
    assert before["config.json"] != b""


def test_case_55_a_doubled_scale_is_refused(run, capsys):
    """In the configuration: what predictions are decoded by."""

    config = json.loads((run / "config.json").read_text())
    config["data"]["encoding"]["x_scale"] *= 2
    (run / "config.json").write_text(json.dumps(config))
    for words in (["evaluate", run], ["train", "--out", run, "--resume"], ["report", run]):
        called = call(capsys, *words)
        assert called.code == 2
        assert "config.json: checksum: expected the checksum of what the file says" in called.err
        assert called.err.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "x"}, "format: expected 'bnn-ref-run', found 'x'"),
        ({"version": 3}, "version: expected 1 or 2, found 3"),
        ({"settings": None}, "settings: expected such a key"),
        ({"identity": None}, "identity: expected such a key"),
    ],
)
def test_a_foreign_configuration_is_refused(run, capsys, change, message):
    edit_json(run / "config.json",
         lambda c: {k: v for k, v in (c | change).items() if v is not None})  # fmt: skip
    called = call(capsys, *WORDS, "--steps", 1, "--out", run, "--resume")
    assert called.code == 2
    assert message in called.err
    assert load_checkpoint(run / "checkpoint.npz").state.step == 6


def test_case_51_a_checkpoint_of_another_run_is_refused(run, tmp_path, capsys):
    for k, words in enumerate((["--seed", "1"], ["--learning-rate", "0.02"])):
        other = tmp_path / f"other-{k}"
        assert call(capsys, *WORDS, *words, "--steps", 6, "--out", other).code == 0
        (other / "config.json").write_bytes((run / "config.json").read_bytes())
        before = contents(other)
        for command in (["train", "--resume", "--steps", 9, "--out"], ["evaluate"], ["report"]):
            called = call(capsys, *command, other)
            assert called.code == 2
            assert "checkpoint.npz: expected a checkpoint of the run in config.json" in called.err
            assert called.err.count("\n") == 1
        assert contents(other) == before


def test_case_52_the_recorded_settings_where_there_is_no_checkpoint_yet(tmp_path, capsys):
    wanted, run = tmp_path / "wanted", tmp_path / "run"
    words = [*WORDS, "--seed", "5", "--learning-rate", "0.03", "--steps", "6"]
    assert call(capsys, *words, "--out", wanted).code == 0
    assert call(capsys, *words, "--out", run).code == 0
    for name in ("checkpoint.npz", "history.json", "results.json"):
        (run / name).unlink()
    called = call(capsys, "train", "--resume", "--seed", 6, "--out", run)
    assert (called.code, called.err.count("\n")) == (2, 1)
    assert "--seed: expected 5, as" in called.err
    assert call(capsys, "train", "--resume", "--checkpoint-every", 2, "--out", run).code == 0
    assert contents(run) == contents(wanted)


@pytest.fixture
def first(tmp_path):
    """A run that the first version wrote: six steps on the digits, 8 units, NumPy back end."""
    return Path(shutil.copytree(Path(__file__).parents[1] / "frozen" / "first-version-run",
                                tmp_path / "first"))  # fmt: skip


def test_a_run_of_the_first_version_is_read_with_a_line_and_goes_on(first, capsys):
    line = "config.json: of bnn-ref's first version, whose files carry no checksum: taken as it is"
    called = call(capsys, "evaluate", first)
    assert (called.code, called.err.count("\n")) == (0, 1), called.err
    assert line in called.err
    recorded = json.loads((first / "results.json").read_text())
    for _ in range(2):
        called = call(capsys, "train", "--resume", "--steps", 9, "--out", first)
        assert (called.code, called.err.count("\n")) == (0, 1), called.err
        assert line in called.err
    kept = load_checkpoint(first / "checkpoint.npz")
    assert kept.state.step == 9
    assert json.loads((first / "results.json").read_text())["loss"] != recorded["loss"]
    edit_json(first / "config.json", lambda c: c | {"settings": c["settings"] | {"seed": 4}})
    called = call(capsys, "evaluate", first)
    assert called.code == 2
    assert "expected a checkpoint of the run in config.json (seed 4), found seed 0" in called.err


def test_a_table_of_the_first_version_is_refused_in_a_line(first, capsys):
    config = json.loads((first / "config.json").read_text())
    config["data"]["encoding"] |= {"columns": ["a", "b"], "target": "y"}
    (first / "config.json").write_text(json.dumps(config))
    called = call(capsys, "evaluate", first)
    assert called.code == 2
    assert "one of the first, on a text table: train it again" in called.err


def test_a_checksum_is_of_what_is_said_not_of_how(tmp_path):
    path, value = tmp_path / "a.json", {"b": [1, 2.5, None], "a": {"c": "é\n", "d": True}}
    write_json(path, value)
    assert read_json(path, ANY) == value
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content, indent=3, sort_keys=True, ensure_ascii=False))
    assert read_json(path, ANY) == value
    assert checksum_of(value) == content["checksum"]
    for changed in ({"b": [1, 2.5, 0]}, {"a": {"c": "é", "d": True}}, {"more": 1}):
        path.write_text(json.dumps(content | changed))
        with pytest.raises(ValueError, match="checksum: expected .* it was changed or damaged"):
            read_json(path, ANY)


def test_every_setting_has_a_schema_and_later_ones_what_was_done_before_them():
    from bnn_ref.cli.settings import DEFAULTS
    from bnn_ref.runs.schema import LATER, SETTINGS

    assert set(SETTINGS) == set(DEFAULTS)
    assert set(LATER) == {name for name, one in SETTINGS.items() if isinstance(one, Maybe)}
    check_schema(LATER, {name: SETTINGS[name] for name in LATER}, "settings")


def test_a_resume_on_a_processor_of_another_kind_says_so(run, capsys, monkeypatch):
    model, features = environment.processor()
    monkeypatch.setattr(environment, "processor", lambda: ("Other 1", "avx"))
    called = call(capsys, "train", "--resume", "--steps", 7, "--out", run)
    assert called.code == 0
    told = "; the last bits may differ from an uninterrupted run's\n"
    assert f"note: processor: recorded {model}, now Other 1{told}" in called.out
    if features != "avx":
        assert f"note: features: recorded {features}, now avx{told}" in called.out
