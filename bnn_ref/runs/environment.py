"""What a result's last bits depend on besides the program: libraries, BLAS, threads, machine."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from .._version import __version__
from ..fast.threads import available_cores

FEATURES = ("fma", "avx", "avx2", "avx512f", "neon", "sve")
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def version_of(package: str) -> str | None:
    """Return an installed package's version without importing it, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def blas() -> tuple[str, int]:
    """Return (name and version, threads) of the BLAS that NumPy calls.

    Threads are asked of the library where threadpoolctl is installed, else they are what the
    environment variables or the number of cores make them.
    """
    name = _blas_name()
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        for variable in THREAD_VARIABLES:
            if os.environ.get(variable, "").isdecimal():
                return name, int(os.environ[variable])
        return name, available_cores()
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    pools.sort(key=lambda pool: "numpy" not in pool["filepath"])  # NumPy's own before SciPy's
    if not pools:
        return name, available_cores()
    if pools[0].get("architecture"):
        name = f"{name} ({pools[0]['architecture']})"
    return name, pools[0]["num_threads"]


def _blas_name():
    """Return name and version of the BLAS NumPy was built with."""
    try:
        built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    except (KeyError, TypeError):
        return "unknown"
    return f"{built.get('name', 'unknown')} {built.get('version', '')}".strip()


@functools.cache
def processor() -> tuple[str, str]:
    """Return (name, features that decide how numbers are rounded) of this machine's processor.

    Features are those of `FEATURES` that it has, as LLVM names them; "unknown" without llvmlite.
    """
    try:
        from llvmlite import binding

        there = binding.get_host_cpu_features()
        features = " ".join(name for name in FEATURES if there.get(name)) or "none of note"
    except (ImportError, RuntimeError):  # RuntimeError: LLVM cannot tell on this system
        features = "unknown"
    return _processor_name() or platform.processor() or platform.machine(), features


def _processor_name():
    """Return what Linux or macOS calls the processor, or None."""
    try:
        if sys.platform == "darwin":
            words = ["sysctl", "-n", "machdep.cpu.brand_string"]
            done = subprocess.run(words, capture_output=True, text=True, timeout=5, check=True)
            return done.stdout.strip()
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            lines = (line.partition(":") for line in file)
            return next(
                (text.strip() for key, _, text in lines if key.strip() == "model name"), None
            )
    except (OSError, subprocess.SubprocessError):
        return None


def describe() -> dict[str, Any]:
    """Return libraries, BLAS and machine as a dict of text and numbers; no clock, no host name."""
    name, threads = blas()
    model, features = processor()
    return {
        "bnn_ref": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": version_of("scipy"),
        "numba": version_of("numba"),
        "machine": f"{sys.platform} {platform.machine()}",
        "processor": model,
        "features": features,
        "blas": name,
        "blas_threads": threads,
    }


def optional_versions() -> dict[str, str | None]:
    """Return the version, or None, of each package that some command can use."""
    packages = ("tqdm", "matplotlib", "threadpoolctl", "mpmath", "scikit-learn", "dask", "jax",
                "torch", "tensorflow", "tensorflow-probability", "bayesian-torch")  # fmt: skip
    return {package: version_of(package) for package in packages}


def default_backend() -> tuple[str, str | None]:
    """Return (name, folder of compiled kernels or None) of the back end that serves by default."""
    from ..backends import get_backend, name_of

    if name_of(get_backend()) == "numpy":
        return "numpy", None
    from ..kernels.cache import cache_folder

    folder = cache_folder()
    return "numba", None if folder is None else str(folder)


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any], backend: str) -> list[str]:
    """Return a line for each thing that may change bits: "numpy: recorded 2.0, now 2.1".

    Parameters
    ----------
    recorded, now : dict
        As `describe` returns them.
    backend : str
        BLAS threads matter to "numpy" alone.
    """
    names = [name for name in now if name != "python"]
    if backend != "numpy":
        names.remove("blas_threads")
    return [
        f"{name}: recorded {recorded[name]}, now {now[name]}"
        for name in names
        if name in recorded and recorded[name] != now[name]
    ]
