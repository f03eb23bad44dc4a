"""Arrays in an `.npz` file from a stranger: sizes are bounded before anything is unpacked.

`numpy.load` trusts sizes that a file states: a kilobyte can ask it for gigabytes. Here the zip
directory is bounded before it is parsed, every member's stated size before it is opened, an
array's header is read from a bounded prefix, and its data only after the caller has compared
shape and dtype with what it wants. Nothing is ever unpickled.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..border.files import open_file
from ..border.text import show, show_name
from ..errors import expected
from .wholefile import whole_file

LIMIT = 2**27  # bytes that all members together may unpack to, unless the caller says otherwise
_MEMBERS = 4096  # members in a directory
_DIRECTORY = 2**20  # bytes of the zip directory
_HEADER = 10_000  # bytes of an array's header, numpy's own bound
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,  # encrypted, or a zip feature that zipfile does not know (NotImplementedError)
    SyntaxError,
    TypeError,
    ValueError,
)


class ArchiveError(ValueError):
    """A file that is not a sound `.npz` archive; the message is one line."""


class Archive:
    """The members of an open `.npz` file. Use `open_archive` to make one.

    Attributes
    ----------
    names : tuple of str
        The arrays' names, without ".npy", in the order of the directory.
    """

    names: tuple[str, ...]
    _members: dict[str, zipfile.ZipInfo]
    _headers: dict[str, tuple[tuple[int, ...], np.dtype[Any], bool, int]]  # that were read

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file, self._zip = file, zipfile.ZipFile(file)
        self._members, self._headers = {}, {}
        for info in self._zip.infolist():
            name, ending = info.filename[:-4], info.filename[-4:]
            if ending != ".npy" or not name:
                raise ArchiveError(f"member {show(info.filename)}: expected a name in .npy")
            if name in self._members:
                raise ArchiveError(f"member {show(info.filename)}: found twice")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ArchiveError(
                    f"member {show(info.filename)}: expected stored or deflated data, "
                    f"found compression type {info.compress_type}"
                )
            self._members[name] = info
        total = sum(info.file_size for info in self._members.values())
        if total > limit:
            raise ArchiveError(
                f"members: expected at most {limit:,} bytes unpacked (the reader's limit), "
                f"found {total:,}"
            )
        self.names = tuple(self._members)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()
        self._file.close()

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return (shape, dtype) of an array without reading its data.

        Raises
        ------
        ArchiveError
            Where the header is broken, or the dtype is an object's, structured or big-endian.
        """
        shape, dtype, _, _ = self._header(name)
        return shape, dtype

    def read(self, name: str) -> NDArray[Any]:
        """Return an array, read-only, C order.

        Raises
        ------
        ArchiveError
            Where the member does not hold exactly the bytes its header promises.
        """
        shape, dtype, fortran, start = self._header(name)
        count = 1
        for size in shape:
            count *= size
        wanted, found = start + count * dtype.itemsize, self._members[name].file_size
        if wanted != found:
            raise ArchiveError(f"{show_name(name)}: expected {wanted} bytes, found {found}")
        with self._open(name) as member:
            member.read(start)
            data = member.read(wanted - start)
            rest = member.read(1)  # the end: zipfile compares the checksum here
        if rest or len(data) != wanted - start:
            raise ArchiveError(
                f"{show_name(name)}: expected {wanted} bytes, found a truncated member"
            )
        if not data:
            return np.zeros(shape, dtype)
        array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
        return np.ascontiguousarray(array).reshape(shape)  # (ascontiguousarray makes () (1,))

    @contextlib.contextmanager
    def _open(self, name):
        try:
            with self._zip.open(self._members[name]) as member:
                yield member
        except ArchiveError:
            raise
        except _BROKEN as error:
            raise ArchiveError(
                f"{show_name(name)}: broken or truncated ({show(str(error))})"
            ) from None

    def _header(self, name):
        """Return (shape, dtype, fortran_order, bytes before the data)."""
        if name not in self._headers:
            with self._open(name) as member:
                self._headers[name] = _parse_header(show_name(name), member.read(12 + _HEADER))
        return self._headers[name]


@functools.lru_cache(maxsize=256)  # most arrays of a file, and of a suite, have one of few headers
def _literal(text):
    """Return the Python literal that a header's bytes are."""
    return ast.literal_eval(text.decode("utf-8").strip())


def _parse_header(thing, prefix):
    """Return (shape, dtype, fortran_order, bytes before the data) of a `.npy` array's beginning."""
    if prefix[:6] != b"\x93NUMPY" or len(prefix) < 12:
        raise ArchiveError(f"{thing}: expected a .npy array, found other data")
    wide = prefix[6] > 1  # versions 2 and 3 have a length of four bytes, version 1 of two
    start = 12 if wide else 10
    length = struct.unpack("<I" if wide else "<H", prefix[8:start])[0]
    if prefix[6] not in (1, 2, 3) or length > len(prefix) - start:
        raise ArchiveError(f"{thing}: expected a .npy header, found a broken one")
    header = _literal(prefix[start : start + length])
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise ArchiveError(f"{thing}: expected a .npy header, found {show(header)}")
    shape, descr = header["shape"], header["descr"]
    sound = isinstance(shape, tuple) and len(shape) <= 32
    if not sound or any(type(size) is not int or not 0 <= size < 2**48 for size in shape):
        raise ArchiveError(f"{thing}: expected a shape, found {show(shape)}")
    return shape, _plain_dtype(thing, descr), header["fortran_order"] is True, start + length


def open_npy(path: str | PathLike[str]) -> NDArray[Any]:
    """Return the array of an `.npy` file, mapped into memory and read-only.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    ValueError
        For a file that does not hold exactly what its header promises, or holds objects; the
        message names it.
    OSError
        Where it cannot be opened.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            shape, dtype, fortran, start = _parse_header("array", file.read(12 + _HEADER))
            wanted = start + math.prod(shape) * dtype.itemsize
            if wanted != size:
                raise ArchiveError(f"array: expected {wanted} bytes, found {size}")
        except _BROKEN as error:  # an ArchiveError among them
            found = f"another file ({show(str(error), 200)})"
            raise expected(path, "an npy array of numbers", found) from None
        if wanted == start:
            return np.zeros(shape, dtype)
        return np.memmap(file, dtype, "r", start, shape, "F" if fortran else "C")


def _plain_dtype(thing, descr):
    """Return a dtype of numbers or text, little-endian or of single bytes."""
    kind = descr[1:2] if isinstance(descr, str) else ""
    if kind == "O":
        raise ArchiveError(f"{thing}: expected numbers, found an object array")
    if kind not in tuple("biufU") or descr[0] not in "<>|=" or not descr[2:].isdecimal():
        raise ArchiveError(f"{thing}: expected numbers or text, found dtype {show(descr)}")
    if descr[0] == ">":
        raise ArchiveError(f"{thing}: expected little-endian data, found dtype {descr}")
    try:
        return np.dtype(descr).newbyteorder("<")
    except _BROKEN:
        raise ArchiveError(f"{thing}: expected a dtype, found {show(descr)}") from None


def _check_ends(file):
    """Return a zip file's size and the number of members that its end promises.

    What is no zip file, or has too large a directory to parse, is refused.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(4) not in (b"PK\x03\x04", b"PK\x05\x06"):
        raise ArchiveError("expected an .npz archive, found other data" if size else "empty file")
    file.seek(max(0, size - 42 - 65535))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        raise ArchiveError("expected an .npz archive, found no zip directory (truncated?)")
    entries, directory = struct.unpack("<HI", tail[at + 10 : at + 16])
    zip64 = tail[max(0, at - 20) : max(0, at - 16)] == b"PK\x06\x07"  # for 65,536 members or more
    if entries > _MEMBERS or directory > _DIRECTORY or zip64:
        raise ArchiveError(f"expected at most {_MEMBERS} members, found a larger zip directory")
    file.seek(0)
    return size, entries


def open_archive(path: str | PathLike[str], limit: int | None = None) -> Archive:
    """Return the `Archive` of an `.npz` file, to be used in a ``with`` statement.

    Parameters
    ----------
    path : str or path
        A plain file: folders, pipes and devices are refused.
    limit : int, optional
        Bytes that all members together may unpack to; the file's own size unless given, which is
        enough for members that are stored.

    Raises
    ------
    ArchiveError
        One line, without the path.
    """
    try:
        file = open_file(path)
    except OSError as error:
        raise ArchiveError(error.strerror or show(str(error))) from None
    except ValueError as error:
        raise ArchiveError(str(error).removeprefix(f"{path}: ")) from None
    try:
        size, entries = _check_ends(file)
        archive = Archive(file, size if limit is None else limit)
        if len(archive.names) != entries:  # zipfile reads a damaged directory as a shorter one
            raise ArchiveError(f"members: expected {entries}, as the file's end says, found "
                               f"{len(archive.names)}")  # fmt: skip
        return archive
    except Exception as error:
        file.close()
        if isinstance(error, ArchiveError) or not isinstance(error, _BROKEN):
            raise
        raise ArchiveError(f"expected an .npz archive, found {show(str(error))}") from None


def write_archive(
    path: str | PathLike[str],
    arrays: Mapping[str, ArrayLike],
    check: Callable[[str], object] | None = None,
) -> None:
    """Write arrays as an uncompressed `.npz` file: the same arrays give the same bytes.

    The file appears whole or not at all: it is written beside its place and renamed.

    Parameters
    ----------
    path : str or path
    arrays : dict of str to array
    check : function(path), optional
        As `whole_file` takes it.

    Raises
    ------
    OSError
        Where the folder is absent, full or closed to writing; nothing is left behind.
    """
    with whole_file(path, check) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(name + ".npy")  # its date is 1980, whatever the clock
            array = np.asarray(array)
            large = array.nbytes > 2**31 - 2**16  # else in the old form, which all readers know
            with archive.open(info, "w", force_zip64=large) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
