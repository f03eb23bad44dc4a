"""Files that may be hostile: what is opened, and how much of it is ever read."""

import gzip
import io
import os
import socket
import threading

import pytest

from bnn_ref.border import files
from bnn_ref.border.files import open_content, open_file, read_at_most, read_file


def test_a_regular_file_is_opened_read_and_seekable(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"hello")
    with open_file(path) as file:
        assert file.read() == b"hello"
        assert file.seek(0) == 0
    assert read_file(path, 5) == b"hello"


def folder(path):
    path.mkdir()


def pipe(path):
    os.mkfifo(path)


def unix_socket(path):
    where = os.getcwd()
    os.chdir(path.parent)  # a socket's path may have 108 bytes
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(where)


def device(path):
    path.symlink_to("/dev/zero")


KINDS = {"a folder": folder, "a pipe": pipe, "a socket": unix_socket, "a device": device}


@pytest.mark.timeout(20)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("opening", [open_file, lambda p: open_content(p).__enter__()])
def test_nothing_but_a_file_is_opened_and_nothing_waits(tmp_path, kind, opening):
    path = tmp_path / "a"
    KINDS[kind](path)
    with pytest.raises(ValueError, match=f"{path}: expected a file, found {kind}"):
        opening(path)


@pytest.mark.timeout(20)
def test_a_pipe_that_takes_the_place_of_a_file_after_the_first_look(tmp_path, monkeypatch):
    path, file = tmp_path / "a", tmp_path / "file"
    file.write_bytes(b"x")
    os.mkfifo(path)
    status = os.stat(file)
    monkeypatch.setattr(files.os, "stat", lambda p: status)
    with pytest.raises(ValueError, match="expected a file, found a pipe"):
        open_file(path)


def test_a_size_is_bounded_before_anything_is_read(tmp_path):
    path = tmp_path / "a"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    for opening in (open_file, read_file, lambda p, n: open_content(p, n).__enter__()):
        with pytest.raises(ValueError, match=r"expected at most 1,000 bytes, found 1,099,511,"):
            opening(path, 1000)
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "none")


def test_a_file_that_grows_or_states_no_size_is_bounded_while_it_is_read(tmp_path):
    if not os.path.exists("/proc/self/status"):
        pytest.skip("no file here states a size of 0 and has more")
    assert os.stat("/proc/self/status").st_size == 0
    with pytest.raises(ValueError, match="expected at most 10 bytes, found more"):
        read_file("/proc/self/status", 10)
    with (
        pytest.raises(ValueError, match="expected at most 10 bytes, found more"),
        open_content("/proc/self/status", 10) as stream,
    ):
        stream.read()


@pytest.mark.parametrize("packed", [False, True])
def test_content_is_the_same_plain_or_gzipped_whatever_the_name(tmp_path, packed):
    text = b"1,2\n3,4\n" * 1000
    path = tmp_path / "a.txt"
    path.write_bytes(gzip.compress(text) if packed else text)
    with open_content(path) as stream:
        assert stream.peek(1)[:1] == b"1"
        assert stream.readline() == b"1,2\n"
        assert stream.read() == text[4:]
    with open_content(path) as stream:
        assert len(io.TextIOWrapper(stream).read()) == len(text)
    with open_content(path) as stream:
        assert bytes(read_at_most(stream, 10)) == text[:10]


def test_a_bomb_is_refused_after_the_free_part(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(files.FREE + 2), 6))
    assert files.RATIO * path.stat().st_size < files.FREE
    with open_content(path) as stream:
        total = sum(len(stream.read(1 << 20)) for _ in range(64))
        assert total <= files.FREE
        with pytest.raises(ValueError, match=r"at most 67,108,864 bytes unpacked .*, found more"):
            stream.read(1 << 20)


@pytest.mark.parametrize("damage", ["cut", "flipped", "length"])
def test_damaged_gzip_is_told_as_that(tmp_path, damage):
    path, whole = tmp_path / "a.gz", bytearray(gzip.compress(os.urandom(50_000)))
    if damage == "cut":
        del whole[30_000:]
    else:
        whole[20_000 if damage == "flipped" else -2] ^= 0x40
    path.write_bytes(whole)
    with (
        pytest.raises(ValueError, match=r"a.gz: expected a whole gzip file, found damage"),
        open_content(path) as stream,
    ):
        stream.read()


def test_a_child_process_inherits_no_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x")
    with open_file(path) as file:
        assert not os.get_inheritable(file.fileno())


@pytest.mark.timeout(20)
def test_a_pipe_with_a_writer_is_refused_too(tmp_path):
    path = tmp_path / "a"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: os.close(os.open(path, os.O_RDWR)))
    writer.start()
    with pytest.raises(ValueError, match="found a pipe"):
        open_file(path)
    writer.join()
