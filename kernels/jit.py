"""The one place that fixes how kernels are compiled, and where compiled kernels are kept.

Options: ``nogil`` (sweeps run on several Python threads), ``error_model="numpy"`` (a division
without a zero check, or no loop with one is vectorised) and fastmath as far as no result can
depend on it in kind: contraction to fused multiply-adds and the sign of a zero. Flags that assume
that no NaN occurs are left out, for a NaN must reach the loss. ``reassociate`` adds the one that
reorders sums; it is for functions that hold nothing but a sum meant to be reordered.

The cache is Numba's, with another key and other places. Numba's key covers only the file that
defines a function, so that an edited helper elsewhere would leave a stale caller, and its index
file can be torn between processes that compile different signatures at once. Here a compiled
function lies in one file named by a hash of everything it depends on: every file of this package,
versions, processor and signature; it is written whole and then renamed. A file that cannot be
read is a miss, a place that cannot be written is passed over.
"""

import hashlib
import os
import pickle
import stat
import sys
import tempfile
from pathlib import Path

import numba
import numpy as np
from numba.core.caching import FunctionCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

__all__ = ["cache_folder", "entry", "inner", "kernel", "reassociate", "source_hash"]

OPTIONS = {"nogil": True, "error_model": "numpy"}
EXACT = {"contract", "nsz"}

# Called from compiled code only, so nothing is compiled for Python to call them by.
INSIDE = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

inner = numba.njit(**INSIDE, fastmath=EXACT, forceinline=True)  # small, called in loops
kernel = numba.njit(**INSIDE, fastmath=EXACT)
reassociate = numba.njit(**INSIDE, fastmath=EXACT | {"reassoc"})


def entry(function):
    """Return the function jitted as one that Python calls: compiled once, then kept on disk."""
    dispatcher = numba.njit(**OPTIONS, fastmath=EXACT)(function)
    folder = cache_folder()
    if folder is not None:
        dispatcher._cache = _Cache(function, folder)
    return dispatcher


def source_hash():
    """Return a hash of every source file of this package and of the versions it runs on."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    versions = (sys.version, numba.__version__, np.__version__, sys.platform)
    digest.update(repr(versions).encode())
    return digest.hexdigest()


def _places():
    """Yield the folders to try, first to last; the last belongs to the user alone."""
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR) / "bnn_ref"
        return
    yield Path(__file__).parent / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(home) and home != "/.cache":
        yield Path(home) / "bnn_ref"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    yield Path(tempfile.gettempdir()) / f"bnn_ref-{user}"


def _usable(folder):
    """Return whether files can be written there and nobody else can put files there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if hasattr(os, "getuid") and (
            found.st_uid not in (os.getuid(), 0) or found.st_mode & stat.S_IWOTH
        ):
            return False  # compiled code is read from here: it must be our own
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def cache_folder():
    """Return the first usable folder for compiled kernels, or None: then nothing is kept."""
    return next((folder for folder in _places() if _usable(folder)), None)


class _Cache(FunctionCache):
    """Numba's cache of one function, one file a signature, named by all it depends on."""

    announced = False

    def __init__(self, function, folder):
        self._py_func = function
        self._folder = folder
        self._sources = source_hash()
        self._prefix = f"{function.__name__}.{sys.implementation.cache_tag}-"

    @property
    def cache_path(self):
        """The folder, as Numba's statistics show it."""
        return str(self._folder)

    def enable(self):
        """Do nothing: this cache is always on."""

    def disable(self):
        """Do nothing, see `enable`."""

    def flush(self):
        """Remove this function's files."""
        for path in self._folder.glob(f"{self._prefix}*.nbc"):
            path.unlink(missing_ok=True)

    def _path(self, signature, codegen):
        key = (self._py_func.__qualname__, str(signature), codegen.magic_tuple())
        name = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return self._folder / f"{self._prefix}{self._sources[:16]}-{name}.nbc"

    def load_overload(self, sig, target_context):
        """Return the compiled function for a signature, or None where it is to be compiled."""
        target_context.refresh()
        try:
            data = self._path(sig, target_context.codegen()).read_bytes()
        except OSError:
            data = b""
        if data and hashlib.sha256(data[32:]).digest() == data[:32]:
            return CompileResult._rebuild(target_context, *pickle.loads(data[32:]))
        if not _Cache.announced:
            _Cache.announced = True
            print("bnn_ref: compiling kernels for this machine (once)", file=sys.stderr, flush=True)
        return None

    def save_overload(self, sig, data):
        """Keep a compiled function, whole or not at all."""
        content = dumps(data._reduce())
        path = self._path(sig, data.codegen)
        temporary = path.with_suffix(f".{os.getpid()}-{os.urandom(4).hex()}")
        try:
            temporary.write_bytes(hashlib.sha256(content).digest() + content)
            os.replace(temporary, path)
            if self._folder.parent == Path(__file__).parent:  # nobody else's versions are here
                for old in self._folder.glob(f"{self._prefix}*.nbc"):
                    if self._sources[:16] not in old.name:
                        old.unlink(missing_ok=True)
        except OSError:
            temporary.unlink(missing_ok=True)
