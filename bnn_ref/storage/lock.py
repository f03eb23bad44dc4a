"""One writer for a folder, by a lock that the system releases when its process ends, however."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import warnings
from collections.abc import Iterator
from os import PathLike

from ..errors import expected

NAME = ".lock"
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK)
_WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
_FLAGS = (
    os.O_RDWR
    | os.O_CREAT
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
)


@contextlib.contextmanager
def sole_writer(folder: str | PathLike[str]) -> Iterator[None]:
    """Hold a folder for this process alone while the block runs.

    A folder that is absent is made, and removed again where nothing was written to it. The lock is
    the system's, on a file `.lock` that goes when the block ends: a process that is killed leaves
    the file, which blocks nobody.

    Parameters
    ----------
    folder : str or path

    Raises
    ------
    ValueError
        Where another process holds it.
    OSError
        Where the folder cannot be made or written to.
    """
    made = []
    try:
        _make(folder, made)
        path = os.path.join(folder, NAME)
        handle = _open_locked(path, folder)
        try:
            yield
        finally:
            if os.name == "posix":
                _unlink(path)  # while it is still held: nobody else has begun to use it
            os.close(handle)
            if os.name != "posix":
                _unlink(path)  # an open file cannot be removed there
    finally:
        for parent in reversed(made):
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(parent)


def _make(folder, made):
    """Make a folder with what is missing above it, and add what was made to a list."""
    missing = []
    parent = os.path.abspath(folder)
    while not os.path.lexists(parent):
        missing.append(parent)
        parent = os.path.dirname(parent)
    for place in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(place)
            made.append(place)


def _open_locked(path, folder):
    """Return the descriptor of the lock file, locked."""
    while True:
        try:
            handle = os.open(path, _FLAGS, 0o666)
        except OSError as error:
            error.filename = os.fspath(folder)
            raise
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise expected(path, "a file", "something else")
            _lock(handle, folder)
            if _is_still_there(path, status):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the one before removed it between our opening and our locking


def _is_still_there(path, status):
    """Return whether a path still names the file of that status."""
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino)


def _lock(handle, folder):
    """Lock an open file, or raise where another process has."""
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in _TAKEN:
            raise expected(folder, "a folder that nobody writes to",
                           "another process at work in it") from None  # fmt: skip
        if error.errno not in _WITHOUT_LOCKS:
            raise
        warnings.warn(
            f"{folder}: its file system has no locks: see to it that no other process writes there",
            stacklevel=4,
        )


def _unlink(path):
    with contextlib.suppress(OSError):
        os.unlink(path)
