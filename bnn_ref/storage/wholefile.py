"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from os import PathLike
from typing import BinaryIO

PREFIX, SUFFIX = ".bnn-ref-", ".part"  # of temporary names; what a killed writer leaves behind


_FLAGS = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)


@contextlib.contextmanager
def whole_file(
    path: str | PathLike[str], check: Callable[[str], object] | None = None
) -> Iterator[BinaryIO]:
    """Yield a binary file that takes the place of ``path`` when the block ends without an error.

    It is written beside its place, flushed to the disk, read back where there is a `check`, and
    renamed; then the folder is flushed. A crash at any moment leaves the old file or the new one.
    Its permissions are those of any new file.

    Parameters
    ----------
    path : str or path
    check : function(path), optional
        Called with the path of what was written; where it raises, the old file stays.

    Raises
    ------
    OSError
        Where the folder is absent, full or closed to writing, or ``path`` a device, such as
        /dev/null or /dev/stdout; ``path`` is as it was and nothing is left behind.
    """
    path = os.fspath(path)
    _refuse_device(path)
    folder = os.path.dirname(path) or "."
    temporary = os.path.join(folder, f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}")
    try:
        with os.fdopen(os.open(temporary, _FLAGS, 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(temporary)
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError):
            error.filename = path  # a full disk names no file, a closed folder the temporary one
            error.filename2 = None
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _flush_folder(folder)


def _refuse_device(path):
    """Raise where a rename would put a file in the place of a device or of a link to a stream."""
    try:
        mode = os.stat(path).st_mode
    except OSError:  # nothing there, or a link to nothing
        return
    stream = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or (stream and os.path.islink(path)):
        raise FileExistsError(errno.EEXIST, "expected a file to write, found a device", path)


def _flush_folder(folder):
    """Flush a folder's entries to the disk, on systems that let folders be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_leftovers(folder: str | PathLike[str]) -> None:
    """Remove the temporary files that a killed writer left in a folder."""
    for name in os.listdir(folder):
        if name.startswith(PREFIX) and name.endswith(SUFFIX):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))
