"""Where compiled kernels are kept, and what is trusted of what lies there.

A compiled function lies in one file named by a hash of everything it depends on: every file of this
package, versions, processor, settings and the kinds of its arguments; it is written whole and then
renamed. (Numba's own cache has a key that covers only the file that defines a function, so that an
edited helper elsewhere would leave a stale caller; an index that can be torn between processes; and
it can be read by Numba alone.)

What is read is run, so nothing is read, and nothing written, where somebody else could put code:
see `trusted`. The installation's own folder is looked into first, so that what its owner compiled
(root in an image, an administrator in a lab) serves everybody; the owner alone writes there, and
everybody else to a cache of their own. What cannot be read is a miss, a place that cannot be
written is passed over.
"""

import contextlib
import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from pathlib import Path

import llvmlite
import numpy as np

from . import processor, trusted

__all__ = ["cache_folder", "holds", "load", "name_of", "save", "source_hash"]

PACKAGE = Path(__file__).parent
INSTALLED = PACKAGE / "__pycache__"
LARGEST = 1 << 26  # bytes; the largest compiled function takes some .2 MB


def numba_version():
    """Return what tells one version of Numba from another; it is imported where no file says it.

    Raises
    ------
    ImportError
        Where there is none.
    """
    found = importlib.util.find_spec("numba")
    if found is None:
        raise ModuleNotFoundError("No module named 'numba'", name="numba")
    with contextlib.suppress(OSError):
        return Path(found.origin).with_name("_version.py").read_text("utf-8")
    import numba

    return numba.__version__


@cache
def source_hash():
    """Return a hash of every source file of this package and of the versions it runs on."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(PACKAGE)).encode() + path.read_bytes())
    versions = sys.version, numba_version(), llvmlite.__version__, np.__version__, sys.platform
    digest.update(repr(versions).encode())
    return digest.hexdigest()


def _places():
    """Return the folders to look into, first to last; all but the first are the user's own."""
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(named).absolute() / "bnn_ref"]
    if not trusted.CAN_TELL:  # Windows: others are kept out of a user's profile by the system
        own = os.environ.get("LOCALAPPDATA")
        return [Path(own) / "bnn_ref"] if own and os.path.isabs(own) else []
    places = [INSTALLED]
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(home) and home != "/.cache":
        places.append(Path(home) / "bnn_ref")
    with contextlib.suppress(OSError):  # there may be no place for temporary files
        places.append(Path(tempfile.gettempdir()) / f"bnn_ref-{os.geteuid()}")
    return places


def _to_write(place):
    """Open a folder to write to, made where it is absent; raise OSError where it is not for us."""
    if place != INSTALLED:
        return trusted.Folder(place, mode=0o700)
    owner, mode = trusted.owner_and_mode(PACKAGE)
    if owner != os.geteuid():
        raise PermissionError(f"{place}: not ours")
    return trusted.Folder(place, owners={owner}, mode=mode)


def _to_read(place):
    """Open a folder to read from; raise OSError where it is absent or somebody else's."""
    owners = {trusted.owner_and_mode(PACKAGE)[0]} if place == INSTALLED else set()
    return trusted.Folder(place, owners=owners)


def cache_folder():
    """Return the folder where this process would keep compiled kernels, or None: nowhere."""
    for place in _places():
        with contextlib.suppress(OSError), _to_write(place) as folder:
            folder.write(probe := f".{os.getpid()}-{os.urandom(4).hex()}", b"")
            folder.remove(probe)
            return place
    return None


def _digest(key):
    return hashlib.sha256(repr(key).encode()).hexdigest()[:16]


def _prefix(function):
    """Return what the names of a function's files begin with, whatever its arguments."""
    target = processor.TRIPLE, processor.NAME, processor.FEATURES, processor.settings()
    name = f"{function.__name__}.{sys.implementation.cache_tag}"
    return f"{name}-{source_hash()[:16]}-{_digest(target)}-"


def name_of(function, kinds):
    """Return the name of the file of a function, compiled for arguments of those kinds."""
    kinds = [(kind.form, str(kind.dtype), kind.dimensions) for kind in kinds]
    key = function.__module__, function.__qualname__, kinds
    return f"{_prefix(function)}{_digest(key)}.nbc"


def holds(function):
    """Return whether a function was compiled before, for any arguments, as it would be now."""
    prefix = _prefix(function)
    for place in _places():
        with contextlib.suppress(OSError), _to_read(place) as folder:
            if any(name.startswith(prefix) for name in folder.names()):
                return True
    return False


def load(name):
    """Return (content, folder) of a file, or (None, None) where it is to be made."""
    for place in _places():
        with contextlib.suppress(OSError), _to_read(place) as folder:
            data = folder.read(name, LARGEST)
            if hashlib.sha256(data[32:]).digest() == data[:32]:
                return data[32:], place
    return None, None


def save(name, content):
    """Keep a file, whole or not at all, in the first place that takes it; return that or None."""
    for place in _places():
        with contextlib.suppress(OSError), _to_write(place) as folder:
            folder.write(name, hashlib.sha256(content).digest() + content)
            if place == INSTALLED:  # nobody else's versions are here
                _remove_others(folder, name)
            return place
    return None


def _remove_others(folder, name):
    """Remove the files of a function that were compiled from other sources than the one named.

    Another processor's may be there as well, where machines share an installation.
    """
    prefix, sources, *_ = name.rsplit("-", 3)
    for other in folder.names():
        ours = other.startswith(f"{prefix}-") and other.endswith(".nbc")
        if ours and f"-{sources}-" not in other:
            folder.remove(other)
