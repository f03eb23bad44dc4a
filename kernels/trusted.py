"""Folders that nobody else can put code into, checked as they are opened.

A path is walked from the root, folder by folder, each opened within the one before by its
descriptor and looked at once it is open, so that nothing can be exchanged between the look and the
use (as OpenSSH's StrictModes and SQLite do). Every folder on the way belongs to root, to this
process's user or to an owner named by the caller, and is closed to writing by anybody else; one
with the sticky bit (/tmp) may stand on the way, for there nobody can take away what is not theirs.
A link is followed where it is trusted itself, and what it points to is walked in the same way.

Where the system has no owners and no folders by descriptor (Windows), `CAN_TELL` is False and
nothing is checked: use folders there that the system itself keeps for one user.
"""

import contextlib
import errno
import os
import stat

__all__ = ["CAN_TELL", "Folder", "owner_and_mode"]

CAN_TELL = hasattr(os, "geteuid") and os.open in os.supports_dir_fd
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_ENTER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW
_READ = os.O_RDONLY | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | getattr(os, "O_BINARY", 0)
_LINKS = 40  # followed on one path before it is taken for a circle


def owner_and_mode(path):
    """Return the owner of a folder and its permissions, without writing by anybody else."""
    status = os.stat(path)
    return status.st_uid, stat.S_IMODE(status.st_mode) & 0o755


def _refuse(found, owners, thing, shut):
    """Raise PermissionError where somebody else owns a thing or, if it is to be shut, can write."""
    if CAN_TELL and found.st_uid not in owners:
        raise PermissionError(errno.EPERM, f"belongs to user {found.st_uid}", thing)
    if CAN_TELL and shut and found.st_mode & _OTHERS:
        raise PermissionError(errno.EPERM, "others can write there", thing)


def _step(folder, name, owners, mode):
    """Open one folder within another; return (its descriptor, None) or (None, a link's target)."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        if mode is None:
            raise
        _make(folder, name, mode)
    else:
        if stat.S_ISLNK(found.st_mode):
            _refuse(found, owners, name, shut=False)
            return None, os.readlink(name, dir_fd=folder)
    return os.open(name, _ENTER, dir_fd=folder), None


def _make(folder, name, mode):
    """Make a folder within an open one, with these permissions whatever the umask is."""
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
    except FileExistsError:  # another process was quicker
        return
    handle = os.open(name, os.O_RDONLY | _NOFOLLOW, dir_fd=folder)
    try:
        os.fchmod(handle, mode)
    finally:
        os.close(handle)


def _walk(path, owners, mode):
    """Return the descriptor of a folder that is trusted with every folder above it."""
    todo = os.fspath(path).split(os.sep)[::-1]
    folder, links = os.open(os.sep, _ENTER), 0
    stack = [folder]  # open folders from the root to here, for ".."
    try:
        _refuse(os.fstat(folder), owners, os.sep, shut=False)
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                if len(stack) > 1:
                    os.close(stack.pop())
                continue
            inner, target = _step(stack[-1], name, owners, mode)
            if target is not None:
                links += 1
                if links > _LINKS:
                    raise OSError(errno.ELOOP, "too many links", os.fspath(path))
                todo += target.split(os.sep)[::-1]
                while target.startswith(os.sep) and len(stack) > 1:
                    os.close(stack.pop())
                continue
            stack.append(inner)
            found = os.fstat(inner)
            _refuse(found, owners, name, shut=not found.st_mode & stat.S_ISVTX)
        _refuse(os.fstat(stack[-1]), owners, os.fspath(path), shut=True)
        return stack.pop()
    finally:
        for one in stack:
            os.close(one)


class Folder:
    """An open folder that nobody but its owners can write to; a context manager.

    Parameters
    ----------
    path : absolute path
    owners : set of int
        User numbers trusted besides root and this process's user.
    mode : int, optional
        Make it, and folders above it, where they are absent, with these permissions whatever the
        process's umask is, which stays as it is; absent folders are an error unless given.

    Raises
    ------
    OSError
        Where it is absent, cannot be opened, or somebody else could write there.
    """

    def __init__(self, path, owners=(), mode=None):
        self._path, self._mode = os.fspath(path), mode
        self._owners = {0, *owners}
        if not CAN_TELL:
            if mode is not None:
                os.makedirs(path, exist_ok=True)
            self._at = {}
            return
        self._owners.add(os.geteuid())
        self._at = {"dir_fd": _walk(path, self._owners, mode)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for descriptor in self._at.values():
            os.close(descriptor)

    def _named(self, name):
        return name if self._at else os.path.join(self._path, name)

    def read(self, name, largest):
        """Return a file's bytes, after a look at the open file.

        Parameters
        ----------
        name : str
        largest : int
            No file of more bytes is read.

        Raises
        ------
        OSError
            Where it is absent, no regular file, too large, or somebody else could write to it.
        """
        handle = os.open(self._named(name), _READ, **self._at)
        with open(handle, "rb") as file:
            found = os.fstat(handle)
            _refuse(found, self._owners, name, shut=True)
            if not stat.S_ISREG(found.st_mode) or found.st_size > largest:
                raise OSError(errno.EINVAL, f"expected a file of at most {largest} bytes", name)
            return file.read(largest)

    def write(self, name, content):
        """Put a file there, whole or not at all, readable by whoever may enter the folder.

        Parameters
        ----------
        name : str
        content : bytes
        """
        temporary = f"{name}.{os.getpid()}-{os.urandom(4).hex()}"
        handle = os.open(self._named(temporary), _WRITE, 0o600, **self._at)
        try:
            with open(handle, "wb") as file:
                file.write(content)
                if CAN_TELL:
                    os.fchmod(handle, self._mode & 0o644)
            if self._at:
                os.replace(temporary, name, src_dir_fd=self._at["dir_fd"],
                           dst_dir_fd=self._at["dir_fd"])  # fmt: skip
            else:
                os.replace(self._named(temporary), self._named(name))
        except BaseException:
            self.remove(temporary)
            raise

    def remove(self, name):
        """Remove a file; one that is not there is no error."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._named(name), **self._at)

    def names(self):
        """Return the names of what the folder holds."""
        if not self._at:
            return os.listdir(self._path)
        handle = os.open(".", os.O_RDONLY, **self._at)
        try:
            return os.listdir(handle)
        finally:
            os.close(handle)
