"""npz archives without pickle: written the same to the bit every time, read without trusting them.

`numpy.load` allocates what a header claims before it looks at the bytes, so `read_archive` checks
names, sizes and dtypes first.
"""

import io
import math
import zipfile
import zlib

import numpy as np
from numpy.lib import format as npy_format

from .errors import expected

LIMIT = 1 << 32  # bytes that an archive may unpack to, unless the caller says otherwise
_CHUNK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def archive_bytes(arrays):
    """Return the bytes of an uncompressed npz with those arrays; equal arrays give equal bytes.

    Parameters
    ----------
    arrays : mapping of name to array
        Anything but object arrays.

    Raises
    ------
    ValueError
        For an object array.
    """
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")  # dated 1980-01-01, whatever the clock says
            member.create_system, member.external_attr = 3, 0o600 << 16
            with archive.open(member, "w", force_zip64=True) as stream:
                npy_format.write_array(stream, np.asanyarray(array), allow_pickle=False)
    return whole.getvalue()


def read_archive(path, names=None, *, limit=LIMIT):
    """Return the arrays of an npz as a dict, nothing in it trusted.

    Parameters
    ----------
    path : path or binary file
    names : collection of str, optional
        What to read; others are skipped, a missing one is refused. By default everything.
    limit : int
        The most bytes the members read may unpack to.

    Raises
    ------
    ValueError
        Where the file is no archive, is cut off or damaged, holds what is no plain array in native
        byte order, or would unpack to more than the limit.
    OSError
        Where the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_members(archive, path, names, limit)
    except _BROKEN as error:
        raise expected(path, "a whole npz archive", f"something else ({error})") from None


def _read_members(archive, path, names, limit):
    """Return name to array; see `read_archive`."""
    members = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name in members:
            raise expected(path, "every name once", f"{name!r} twice")
        if names is None and name == member.filename:
            raise expected(path, "members that end in .npy", repr(name))
        members[name] = member
    missing = [name for name in names or () if name not in members]
    if missing:
        found = ", ".join(sorted(members)[:12]) or "no array"
        raise expected(path, f"an array {missing[0]!r}", found)
    chosen = {name: members[name] for name in (members if names is None else names)}
    total = sum(member.file_size for member in chosen.values())
    if total > limit:
        raise expected(path, f"at most {limit} bytes unpacked", f"{total}")
    return {name: _read_array(archive, m, f"{path}: {name}") for name, m in chosen.items()}


def _read_array(archive, member, thing):
    """Return one member's array, its size checked before memory is taken for it."""
    if member.compress_type not in _METHODS or member.flag_bits & 1:
        raise expected(thing, "a stored or deflated member", "another kind")
    with archive.open(member) as stream:
        try:
            version = npy_format.read_magic(stream)
            read_header = {
                (1, 0): npy_format.read_array_header_1_0,
                (2, 0): npy_format.read_array_header_2_0,
            }[version]
            shape, fortran, dtype = read_header(stream, max_header_size=10_000)
        except (ValueError, KeyError, SyntaxError, TypeError, RecursionError, MemoryError):
            raise expected(thing, "an array in npy format", "something else") from None
        if dtype.hasobject or dtype.kind not in "biufcU":
            raise expected(thing, "numbers or text", f"dtype {dtype}")
        if not dtype.isnative:
            raise expected(thing, "native byte order", f"dtype {dtype.str}")
        size, rest = math.prod(shape) * dtype.itemsize, member.file_size - stream.tell()
        if min(shape, default=0) < 0 or size != rest:
            raise expected(thing, f"{size} bytes for shape {shape} of {dtype}", f"{rest}")
        array = np.empty(shape, dtype, order="F" if fortran else "C")
        view = memoryview(array.reshape(-1, order="A").view(np.uint8)) if size else memoryview(b"")
        done = 0
        while piece := stream.read(_CHUNK):
            view[done : done + len(piece)] = piece
            done += len(piece)
        if done != size:
            raise expected(thing, f"{size} bytes", f"{done}, then the end")
    return array
