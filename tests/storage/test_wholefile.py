"""Files that appear whole or not at all."""

import errno
import os

import pytest

from bnn_ref.storage.wholefile import PREFIX, SUFFIX, remove_leftovers, whole_file


def write(path, content=b"new"):
    with whole_file(path) as file:
        file.write(content)


def test_a_file_is_replaced_and_others_may_read_it(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    mask = os.umask(0o022)
    try:
        write(path)
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["f"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_device_stays_one(tmp_path):
    """A rename would put a file in its place where the writer is root."""
    terminal, other = os.openpty() if hasattr(os, "openpty") else pytest.skip("no terminals here")
    name = os.ttyname(other)
    link, stream = tmp_path / "link", tmp_path / "stream"
    link.symlink_to(name)
    os.mkfifo(tmp_path / "pipe")
    stream.symlink_to(tmp_path / "pipe")
    for path in (link, stream, name):
        with pytest.raises(FileExistsError, match="a file to write, found a device") as caught:
            write(path)
        assert caught.value.filename == os.fspath(path)
    assert link.is_symlink()
    assert stream.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe", "stream"]
    write(tmp_path / "pipe")  # alone, it stands in the place of a file
    for handle in (terminal, other):
        os.close(handle)


@pytest.mark.parametrize("broken", ["create", "fsync", "replace"])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, broken):
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    if broken == "create":
        monkeypatch.setattr(os, "open", full)
    else:
        monkeypatch.setattr(os, broken, full)
    with pytest.raises(OSError, match="No space left") as caught:
        write(path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_the_order_is_write_flush_rename_flush_the_folder(tmp_path, monkeypatch):
    seen = []
    for name in ("fsync", "replace"):
        true = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, name=name, true=true: (seen.append(name), true(*a))[1]
        )
    write(tmp_path / "f")
    assert seen == ["fsync", "replace", "fsync"]


def test_leftovers_of_a_killed_writer(tmp_path):
    (tmp_path / f"{PREFIX}abc{SUFFIX}").write_bytes(b"half")
    (tmp_path / "mine.part").write_bytes(b"")
    remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ["mine.part"]


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "f"
    write(path, b"old")

    def stop():
        with whole_file(path) as file:
            file.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]
