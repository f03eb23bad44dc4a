"""Case 55: hostile files and requests, each one line, exit 2, in bounded memory and time.

Commands run in a child process that has imported what they need; it reports the memory that each
took beyond that, and its time.
"""

import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from command import SMALL, call, edit_json

from bnn_ref.cli import main
from bnn_ref.runs import schema
from bnn_ref.runs.checkpoints import load_checkpoint
from bnn_ref.storage.jsonfile import checksum_of

LIMIT_MB, LIMIT_SECONDS = 300, 2  # of the whole process, and of one command on an idle machine
BUSY = 4  # times as long on a machine that does other things too

CHILD = """
import contextlib, io, json, re, resource, sys, time
from bnn_ref.cli import main

def peak_mb():
    try:  # of this process alone: getrusage begins with what its parent had
        return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
    except OSError:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used / (1 << 20 if sys.platform == "darwin" else 1 << 10)

for warm in (["evaluate", sys.argv[1], "--draws", "1"], ["info"]):
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(warm) == 0, warm
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    begin = time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(json.loads(line))
    seconds = time.perf_counter() - begin
    print(json.dumps([code, err.getvalue(), peak_mb(), seconds]), flush=True)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with one good run; each case works on a copy of it."""
    folder = tmp_path_factory.mktemp("hostile")
    assert main(["train", *SMALL, "--steps", "2", "--out", str(folder / "good")]) == 0
    return folder


@pytest.fixture(scope="module")
def child(place):
    """A process that runs commands and measures them; its peak is of all commands together."""
    with subprocess.Popen([sys.executable, "-c", CHILD, str(place / "good")], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # fmt: skip

        def run(*words):
            process.stdin.write(json.dumps([os.fspath(word) for word in words]) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


@pytest.fixture
def run(place, tmp_path):
    """A copy of the good run."""
    return type(tmp_path)(shutil.copytree(place / "good", tmp_path / "run"))


def assert_refused(found, *parts):
    code, err, peak, seconds = found
    assert code == 2, found
    assert err.count("\n") == 1, err
    assert err.removesuffix("\n").isprintable(), err
    assert all(part in err for part in parts), err
    assert peak < LIMIT_MB
    assert seconds < LIMIT_SECONDS * BUSY


def keys_of(value, path=()):
    for key, one in value.items():
        yield (*path, key)
        if isinstance(one, dict):
            yield from keys_of(one, (*path, key))


@pytest.mark.parametrize("kind", ["absent", "of another type"])
def test_a_configuration_without_any_of_its_keys(run, capsys, kind):
    path = run / "config.json"
    whole = json.loads(path.read_text())
    later = {("settings", name) for name in schema.LATER}  # those the first version did without
    checked = 0
    for *above, last in keys_of(whole):
        free = above[:1] == ["network"] or above[:2] == ["data", "encoding"]
        if (*above, last) in later and kind == "absent":
            continue
        value = json.loads(json.dumps(whole))
        parent = value
        for key in above:
            parent = parent[key]
        if kind == "absent":
            del parent[last]
        else:
            parent[last] = {"odd": [True]}
        if last != "checksum":
            del value["checksum"]
            value["checksum"] = checksum_of(value)
        path.write_text(json.dumps(value))
        called = call(capsys, "evaluate", run)
        assert (called.code, called.err.count("\n")) == (2, 1) or free, (above, last, called)
        assert called.code in (0, 2), (above, last, called)
        assert free or last in called.err, (above, last, called)
        checked += 1
    assert checked > 40


def test_the_configuration_says_dev_zero(run, child):
    edit_json(run / "config.json",
              lambda c: c | {"settings": c["settings"] | {"data": "/dev/zero"}})  # fmt: skip
    for words in (["evaluate", run], ["train", "--resume", "--out", run]):
        assert_refused(child(*words), "/dev/zero: expected a file, found a device")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)],
                         ids=["pipe", "folder", "device"])  # fmt: skip
@pytest.mark.parametrize("name", ["config.json", "checkpoint.npz"])
def test_something_else_in_the_place_of_a_file_of_a_run(run, child, name, make):
    (run / name).unlink()
    make(run / name)
    for words in (["evaluate", run], ["train", "--resume", "--out", run, "--steps", "9"]):
        assert_refused(child(*words), name)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_something_else_in_the_place_of_what_a_run_can_do_without(run, child, make):
    for name in ("history.json", "results.json"):
        (run / name).unlink()
        make(run / name)
    code, err, _, seconds = child("train", "--resume", "--out", run, "--steps", "5")
    assert "history.json: left out (" in err
    assert load_checkpoint(run / "checkpoint.npz").state.step == 5
    assert seconds < LIMIT_SECONDS * BUSY
    if make is os.mkdir:  # a pipe is replaced by the file, a folder cannot be
        assert "history.json: not written (Is a directory)" in err
        assert (code, "results.json: Is a directory" in err) == (2, True)
    else:
        assert code == 0, err


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)],
                         ids=["pipe", "device"])  # fmt: skip
def test_something_else_for_data(tmp_path, place, child, make):
    path = tmp_path / "data"
    make(path)
    assert_refused(child("train", *SMALL, "--data", path, "--target", "y"), "expected a file")
    assert_refused(child("predict", place / "good", path, "-o", tmp_path / "p.csv"), "expected a")
    images = tmp_path / "train-images-idx3-ubyte"
    make(images)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"")
    assert_refused(child("train", *SMALL, "--data", tmp_path), "train-images", "expected a file")
    assert_refused(child("check", path), "expected a file")


def test_a_history_of_63_MB(run, child):
    path = run / "history.json"
    with open(path, "w") as file:
        file.write('{"records": [')
        for _ in range(63):
            file.write('{"step": 1},' * ((1 << 20) // 12))
        file.write('{"step": 1}]}')
    code, err, peak, seconds = child("evaluate", run)
    assert code == 0, err
    assert "history.json: left out (" in err
    assert "expected at most 16,777,216 bytes" in err
    assert peak < LIMIT_MB
    assert seconds < LIMIT_SECONDS * BUSY


def test_a_history_of_nothing_but_brackets(run, child):
    (run / "history.json").write_text('{"records": [' + "[]," * 4_000_000 + "[]]}")
    code, err, peak, _ = child("evaluate", run)
    assert (code, "at most 300,000 lists and objects" in err) == (0, True)
    assert peak < LIMIT_MB


@pytest.mark.parametrize("megabytes", [64, pytest.param(1024, marks=pytest.mark.slow)])
def test_a_checkpoint_whose_description_unpacks_to_a_gigabyte(run, child, megabytes):
    path = run / "checkpoint.npz"
    characters = megabytes << 18  # of four bytes
    text = f"{{'descr': '<U{characters}', 'fortran_order': False, 'shape': (), }}".encode()
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("meta.npy", "w") as member,
    ):
        member.write(header)
        for _ in range(megabytes):
            member.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 21
    assert_refused(child("evaluate", run), "checkpoint.npz", "bytes unpacked")


def test_a_gzipped_table_that_unpacks_to_a_thousand_times_its_size(tmp_path, child):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(b"a,y\n")
        for _ in range(80):
            file.write(b"0,0\n" * (1 << 18))
    assert_refused(child("train", *SMALL, "--data", path, "--target", "y"), "bomb.csv.gz")


def test_gzipped_images_that_unpack_to_100_times_their_promise(tmp_path, child):
    header = bytes([0, 0, 8, 3]) + struct.pack(">III", 10, 28, 28)
    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(header + bytes(100 * 7840))
    with gzip.open(tmp_path / "train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(bytes([0, 0, 8, 1]) + struct.pack(">I", 10) + bytes(10))
    assert_refused(child("train", *SMALL, "--data", tmp_path), "train-images", "7840 bytes")
    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb", 6) as file:
        file.write(bytes([0, 0, 8, 3]) + struct.pack(">III", 60000, 128, 128))
        for _ in range(70):
            file.write(bytes(1 << 20))
    assert_refused(child("train", *SMALL, "--data", tmp_path), "train-images", "unpack")


@pytest.mark.parametrize("shape", ["(1,", "(1", "((1,),)", "(-1, 64)", "(2**40, 64)",
                                   "(1099511627776, 64)", "1", "'(1, 64)'"])  # fmt: skip
def test_an_npy_header_that_is_none(tmp_path, place, child, shape):
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(512))
    assert_refused(child("predict", place / "good", path, "-o", tmp_path / "p.csv"), "x.npy")


@pytest.mark.parametrize("index", ["1e300", "-1", "0.5", "nan", "99", ""])
def test_a_uci_index_that_is_none(tmp_path, child, index):
    folder = tmp_path / "yacht"
    folder.mkdir()
    (folder / "data.txt").write_text("1 2 3\n4 5 6\n7 8 9\n")
    for name, text in {"features": "0\n1\n", "target": "2\n", "train_0": "0\n2\n",
                       "test_0": f"{index}\n"}.items():  # fmt: skip
        (folder / f"index_{name}.txt").write_text(text)
    words = ["uci", tmp_path, "--sets", "yacht", "--splits", "1", "--backend", "numpy"]
    assert_refused(child(*words), "index_test_0.txt: expected")
    (folder / "data.txt").unlink()
    os.mkfifo(folder / "data.txt")
    assert_refused(child(*words), "data.txt: expected a file, found a pipe")


@pytest.mark.parametrize("words", [("train", *SMALL, "--steps", "2", "--backend", "numba"),
                                   ("evaluate", "RUN", "--backend", "numba"),
                                   ("sweep", "--out", "OUT", "steps=1")])  # fmt: skip
def test_threads_without_end(place, tmp_path, child, words):
    names = {"RUN": place / "good", "OUT": tmp_path / "out"}
    words = [names.get(word, word) for word in words]
    assert_refused(child(*words, "--threads", "100000"), "threads: expected a whole number",
                   "at most 1024, found 100000")  # fmt: skip


def test_a_class_name_of_70000_letters(tmp_path, child):
    path = tmp_path / "t.csv"
    long = "l" * 70_000
    path.write_text("a,y\n" + "".join(f"{k},{long if k % 2 else 'b'}\n" for k in range(20)))
    found = child("train", *SMALL, "--data", path, "--target", "y", "--steps", "2")
    assert_refused(found, "expected at most 200 characters, found 70000")
    assert len(found[1]) < 2100


def test_case_57_the_command_to_repeat_a_run_runs_nothing_else(tmp_path):
    """A column's name is a person's text: pasted into a shell it stays one."""
    name, x = "-t$(touch X)`touch X`;touch X", np.random.default_rng(57).normal(size=20)
    path = tmp_path / "it's $(touch X).csv"
    path.write_text(f"a,{name}\n" + "".join(f"{v:.3f},{2 * v:.3f}\n" for v in x))
    run = tmp_path / "run"
    assert main(["train", *SMALL, "--steps", "2", "--data", str(path), f"--target={name}",
                 "--out", str(run)]) == 0  # fmt: skip
    from bnn_ref.runs.opened import open_run

    words = open_run(run).command
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("no bash here")
    script = f'bnn-ref() {{ "$PYTHON" -m bnn_ref "$@"; }}\n{words}\n'
    done = subprocess.run([shell, "-c", script], cwd=tmp_path, capture_output=True, text=True,
                          check=False, env=os.environ | {"PYTHON": sys.executable})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "X").exists()
    repeated = (tmp_path / "RUN" / "checkpoint.npz").read_bytes()
    assert repeated == (run / "checkpoint.npz").read_bytes()
