"""Files that may be hostile: opened by one function, bounded before they are read.

`open_file` opens a regular file and nothing else, and of a bounded size. `open_content` unpacks
one that is gzipped, bounded while it is unpacked: what a file promises is never believed. Nothing
is held in memory but what the caller reads.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from os import PathLike
from typing import IO

from ..errors import expected

LIMIT = 1 << 31  # bytes of a file's content, unless the caller says otherwise
FREE = 1 << 26  # bytes that a gzipped file may always unpack to, and beyond them
RATIO = 100  # times its own size: text and pixels stay far below, a bomb has a thousand
CHUNK = 1 << 20
# An open that never waits for a pipe's other end, and that a child process does not inherit.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _check_regular(path, status):
    """Raise the `ValueError` for anything but a regular file."""
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise expected(path, "a file", kind)


def open_file(path: str | PathLike[str], limit: int | None = None) -> io.BufferedReader:
    """Return a regular file, open for reading bytes; to be used in a ``with`` statement.

    What is opened is looked at again: a pipe that took the file's place is refused, never waited
    for.

    Parameters
    ----------
    path : str or path
    limit : int, optional
        Bytes that the file may have; any number unless given.

    Raises
    ------
    ValueError
        For a folder, a pipe, a device or a socket, and for a file that is too large.
    OSError
        Where it cannot be opened.
    """
    _check_regular(path, os.stat(path))
    file = os.fdopen(os.open(path, _FLAGS), "rb")
    try:
        status = os.fstat(file.fileno())
        _check_regular(path, status)
        if limit is not None and status.st_size > limit:
            raise expected(path, f"at most {limit:,} bytes", f"{status.st_size:,}")
    except ValueError:
        file.close()
        raise
    return file


class _Bounded(io.RawIOBase):
    """A stream of at most `limit` bytes of another; more is refused as it is read."""

    def __init__(self, path, stream, limit, what):
        self._path, self._stream, self._limit, self._what = path, stream, limit, what
        self._left = limit

    def readable(self):
        """Return True."""
        return True

    def readinto(self, buffer):
        """Fill a buffer and return how many bytes are in it; 0 at the end."""
        try:
            piece = self._stream.read(min(len(buffer), self._left + 1)) or b""
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise expected(self._path, "a whole gzip file", f"damage ({error})") from None
        self._left -= len(piece)
        if self._left < 0:
            raise expected(self._path, f"at most {self._limit:,} bytes{self._what}", "more")
        buffer[: len(piece)] = piece
        return len(piece)


@contextlib.contextmanager
def open_content(path: str | PathLike[str], limit: int = LIMIT) -> Iterator[io.BufferedReader]:
    """Yield a binary stream of a file's content, unpacked where it begins as gzip does.

    Parameters
    ----------
    path : str or path
    limit : int
        Bytes that the content may have. A gzipped file's may have no more than 100 times the
        file's size, or 64 MB where that is more.

    Raises
    ------
    ValueError
        As `open_file`; also while reading, for content that is too large, damaged or cut off.
    OSError
        Where it cannot be opened or read.
    """
    with open_file(path, limit) as file:
        if file.peek(2)[:2] != b"\x1f\x8b":
            yield io.BufferedReader(_Bounded(path, file, limit, ""), CHUNK)
            return
        limit = min(limit, max(FREE, RATIO * os.fstat(file.fileno()).st_size))
        with gzip.GzipFile(fileobj=file) as unpacked:
            bounded = _Bounded(path, unpacked, limit, " unpacked (unpack larger ones first)")
            yield io.BufferedReader(bounded, CHUNK)


def read_at_most(stream: IO[bytes], size: int) -> bytearray:
    """Return up to that many bytes as a bytearray, taking memory only for what is there.

    Parameters
    ----------
    stream : binary stream
    size : int
    """
    content = bytearray()
    while len(content) < size and (piece := stream.read(min(CHUNK, size - len(content)))):
        content += piece
    return content


def read_file(path: str | PathLike[str], limit: int) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes.

    Parameters
    ----------
    path : str or path
    limit : int

    Raises
    ------
    ValueError, OSError
        As `open_file`.
    """
    with open_file(path, limit) as file:
        content = read_at_most(file, limit + 1)
    if len(content) > limit:  # it grew while it was read, or has no size of its own
        raise expected(path, f"at most {limit:,} bytes", "more")
    return bytes(content)
