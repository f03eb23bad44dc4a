"""The contenders, a file each, and which of them can run here.

This module imports none of them: a framework is imported in its own worker process alone.
"""

import importlib.util
import shutil
from importlib import metadata
from typing import NamedTuple


class Entry(NamedTuple):
    """A contender's title, and the modules and distributions that it needs."""

    title: str
    modules: tuple
    distributions: tuple


CONTENDERS = {
    "ours_numba": Entry("bnn_ref, Numba", ("numba", "bnn_ref.fast.compiled"), ("numba", "numpy")),
    "ours_numpy": Entry("bnn_ref, NumPy", (), ("numpy",)),
    "jax_jit": Entry("JAX, jit", ("jax",), ("jax", "jaxlib")),
    "torch_eager": Entry("PyTorch, eager", ("torch",), ("torch",)),
    "torch_compiled": Entry("PyTorch, compiled", ("torch",), ("torch",)),
    "tfp": Entry(
        "TFP, tf.function",
        ("tensorflow", "tensorflow_probability", "tf_keras"),
        ("tensorflow-probability", "tensorflow", "tf_keras"),
    ),
    "tfp_xla": Entry(
        "TFP, XLA",
        ("tensorflow", "tensorflow_probability", "tf_keras"),
        ("tensorflow-probability", "tensorflow", "tf_keras"),
    ),
    "bayesian_torch": Entry(
        "Bayesian-Torch", ("torch", "bayesian_torch"), ("bayesian-torch", "torch")
    ),
}
COMPILERS = ("c++", "g++", "clang++")


def missing(name):
    """Return why a contender cannot run here, in words, or None where it can."""
    for module in CONTENDERS[name].modules:
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    if name == "torch_compiled" and not any(map(shutil.which, COMPILERS)):
        return "torch.compile needs a C++ compiler, none is found"
    return None


def version_of(distribution):
    """Return an installed version, or None; tensorflow may be installed as tensorflow-cpu."""
    for name in (distribution, distribution + "-cpu"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def versions(name):
    """Return {distribution: version} of what a contender runs on."""
    return {one: version_of(one) for one in CONTENDERS[name].distributions}
