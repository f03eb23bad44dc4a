"""Files that appear whole or not at all."""

import contextlib
import os
import tempfile

PREFIX, SUFFIX = ".bnn-ref-", ".part"  # of temporary names; what a killed writer leaves behind


@contextlib.contextmanager
def whole_file(path):
    """Yield a binary file that takes the place of ``path`` when the block ends without an error.

    It is written beside its place, flushed to the disk and renamed, and then the folder is flushed,
    so that a crash at any moment leaves the old file or the new one.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    OSError
        Where the folder is absent, full or closed to writing; ``path`` is as it was and nothing is
        left behind.
    """
    path = os.fspath(path)
    folder = os.path.dirname(path) or "."
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=PREFIX, suffix=SUFFIX, dir=folder)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp's files are their owner's alone
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError):
            error.filename = path  # a full disk names no file, a closed folder the temporary one
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise
    _flush_folder(folder)


def _flush_folder(folder):
    """Flush a folder's entries to the disk, on systems that let folders be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_leftovers(folder):
    """Remove the temporary files that a killed writer left in a folder."""
    for name in os.listdir(folder):
        if name.startswith(PREFIX) and name.endswith(SUFFIX):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))
