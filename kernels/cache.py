"""Where compiled kernels are kept, and what is trusted of what lies there.

The cache is Numba's, with another key and other places. Numba's key covers only the file that
defines a function, so that an edited helper elsewhere would leave a stale caller, and its index
file can be torn between processes that compile different signatures at once. Here a compiled
function lies in one file named by a hash of everything it depends on: every file of this package,
versions, processor and signature; it is written whole and then renamed.

What is read is run, so nothing is read, and nothing written, where somebody else could put code:
see `trusted`. The installation's own folder is looked into first, so that what its owner compiled
(root in an image, an administrator in a lab) serves everybody; the owner alone writes there, and
everybody else to a cache of their own. What cannot be read is a miss, a place that cannot be
written is passed over.
"""

import contextlib
import hashlib
import os
import pickle
import sys
import tempfile
from pathlib import Path

import numba
import numpy as np
from numba.core.caching import FunctionCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from . import trusted

__all__ = ["Cache", "cache_folder", "source_hash"]

PACKAGE = Path(__file__).parent
INSTALLED = PACKAGE / "__pycache__"
LARGEST = 1 << 26  # bytes; the largest compiled function takes some 3 MB


def source_hash():
    """Return a hash of every source file of this package and of the versions it runs on."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(PACKAGE)).encode() + path.read_bytes())
    versions = (sys.version, numba.__version__, np.__version__, sys.platform)
    digest.update(repr(versions).encode())
    return digest.hexdigest()


def _places():
    """Return the folders to look into, first to last; all but the first are the user's own."""
    if numba.config.CACHE_DIR:
        return [Path(numba.config.CACHE_DIR).absolute() / "bnn_ref"]
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


class Cache(FunctionCache):
    """Numba's cache of one function, one file a signature, named by all it depends on.

    Parameters
    ----------
    function : Python function
    """

    announced = False

    def __init__(self, function):
        self._py_func = function
        self._sources = source_hash()[:16]
        self._prefix = f"{function.__name__}.{sys.implementation.cache_tag}-"
        self._used = None

    @property
    def cache_path(self):
        """The folder that the last compiled function came from or went to; None: none did."""
        return None if self._used is None else str(self._used)

    def enable(self):
        """Do nothing: this cache is always on."""

    def disable(self):
        """Do nothing, see `enable`."""

    def flush(self):
        """Remove this function's files wherever this process may write."""
        for place in _places():
            with contextlib.suppress(OSError), _to_write(place) as folder:
                self._remove(folder, keep=None)

    def _remove(self, folder, keep):
        """Remove this function's files from a folder, but for those with `keep` in their names."""
        for name in folder.names():
            ours = name.startswith(self._prefix) and name.endswith(".nbc")
            if ours and (keep is None or keep not in name):
                folder.remove(name)

    def _name(self, signature, codegen):
        key = (self._py_func.__qualname__, str(signature), codegen.magic_tuple())
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return f"{self._prefix}{self._sources}-{digest}.nbc"

    def load_overload(self, sig, target_context):
        """Return the compiled function for a signature, or None where it is to be compiled."""
        target_context.refresh()
        name = self._name(sig, target_context.codegen())
        for place in _places():
            # A pickle that fits no more raises what it likes: whatever it is, compiling helps.
            with contextlib.suppress(Exception), _to_read(place) as folder:
                data = folder.read(name, LARGEST)
                if hashlib.sha256(data[32:]).digest() == data[:32]:
                    compiled = CompileResult._rebuild(target_context, *pickle.loads(data[32:]))
                    self._used = place
                    return compiled
        if not Cache.announced:
            Cache.announced = True
            print(
                "bnn_ref: compiling kernels for this machine (once, some 10 s)",
                file=sys.stderr,
                flush=True,
            )
        return None

    def save_overload(self, sig, data):
        """Keep a compiled function, whole or not at all, in the first place that takes it."""
        content = dumps(data._reduce())
        content = hashlib.sha256(content).digest() + content
        for place in _places():
            with contextlib.suppress(OSError), _to_write(place) as folder:
                folder.write(self._name(sig, data.codegen), content)
                self._used = place
                if place == INSTALLED:  # nobody else's versions are here
                    self._remove(folder, keep=self._sources)
                return
