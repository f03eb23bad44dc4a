"""One writer for a folder, by a lock that dies with its process."""

import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from bnn_ref.storage import lock
from bnn_ref.storage.lock import NAME, sole_writer

HOLD = """
import sys, time
from bnn_ref.storage.lock import sole_writer
with sole_writer(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder):
    """Start a process that holds a folder until its standard input ends."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout.readline() == "held\n"
    return process


def enter(folder):
    with sole_writer(folder):
        return os.listdir(folder)


def test_the_second_is_refused_and_the_third_after_the_first_is_gone(tmp_path):
    with holder(tmp_path) as process:
        with pytest.raises(ValueError, match=f"{tmp_path}: expected a folder that nobody writes"):
            enter(tmp_path)
        assert os.listdir(tmp_path) == [NAME]
        process.stdin.close()
        process.wait(30)
    assert enter(tmp_path) == [NAME]
    assert os.listdir(tmp_path) == []


def test_a_killed_holder_blocks_nobody(tmp_path):
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert os.listdir(tmp_path) == [NAME]
    assert enter(tmp_path) == [NAME]
    assert os.listdir(tmp_path) == []


def test_one_process_cannot_hold_a_folder_twice_nor_after_an_error(tmp_path):
    with sole_writer(tmp_path), pytest.raises(ValueError, match="another process"):
        enter(tmp_path)
    with pytest.raises(KeyError), sole_writer(tmp_path):
        raise KeyError
    assert enter(tmp_path) == [NAME]


def test_a_folder_is_made_and_goes_again_where_nothing_was_written(tmp_path):
    assert enter(tmp_path / "a" / "b") == [NAME]
    assert os.listdir(tmp_path) == []
    with sole_writer(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "mine").write_text("")
    assert os.listdir(tmp_path / "a" / "b") == ["mine"]


def test_two_that_come_as_one_leaves_never_hold_it_together(tmp_path):
    """The file goes with its holder: who opened it just before must not lock what is gone."""
    inside, most, refused, done = 0, 0, 0, 0
    mutex = threading.Lock()

    def work():
        nonlocal inside, most, refused, done
        for _ in range(300):
            try:
                with sole_writer(tmp_path):
                    with mutex:
                        inside += 1
                        most, done = max(most, inside), done + 1
                    with mutex:
                        inside -= 1
            except ValueError:
                refused += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)
    assert done > 100
    assert os.listdir(tmp_path) == []


@pytest.mark.timeout(20)
def test_what_stands_in_the_place_of_the_lock_is_refused(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    for k, make in enumerate((os.mkfifo, os.mkdir, lambda path: os.symlink(outside, path))):
        folder = tmp_path / str(k)
        folder.mkdir()
        make(folder / NAME)
        with pytest.raises((ValueError, OSError)):
            enter(folder)
        assert os.listdir(folder) == [NAME]
    assert outside.read_text() == "mine"


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    import fcntl

    def without(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", without)
    with pytest.warns(UserWarning, match="its file system has no locks"):
        assert enter(tmp_path) == [NAME]


def test_a_lost_folder_is_the_folders_error(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(OSError, match="Not a directory") as caught:
        enter(path)
    assert caught.value.filename == str(path)
    assert lock.NAME not in str(caught.value)


def test_who_locks_what_the_one_before_has_removed_begins_again(tmp_path, monkeypatch):
    """The file goes between its opening and its locking: the lock would be on nothing."""
    true, path = lock._lock, tmp_path / NAME
    seen = []

    def late(handle, folder):
        if not seen:
            os.unlink(path)
        seen.append(handle)
        true(handle, folder)

    monkeypatch.setattr(lock, "_lock", late)
    with sole_writer(tmp_path):
        assert len(seen) == 2
        assert path.exists()
        with pytest.raises(ValueError, match="another process"):
            enter(tmp_path)


def test_a_lock_file_in_anothers_place_is_not_the_one_that_was_locked(tmp_path):
    path, other = tmp_path / NAME, tmp_path / "other"
    path.touch()
    other.touch()
    status = os.stat(path)
    assert lock._is_still_there(path, status)
    os.replace(other, path)
    assert not lock._is_still_there(path, status)
    path.unlink()
    assert not lock._is_still_there(path, status)
