"""The contenders, a file each, and which of them can run here.

This module imports none of them: a framework is imported in its own worker process alone.
"""

import importlib.util
import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """What is known of a contender without importing it.

    Attributes
    ----------
    title : str
    modules, distributions : tuple of str
        What it needs.
    form : str
        "best", the fastest of what was tried; "ordinary", what a person would write first; or
        "specification".
    tried : str
        What was tried, and what it gave.
    """

    title: str
    modules: tuple
    distributions: tuple
    form: str = "ordinary"
    tried: str = ""


TENSORFLOW = ("tensorflow", "tensorflow_probability", "tf_keras")
TENSORFLOW_NAMES = ("tensorflow-probability", "tensorflow", "tf_keras")
TORCH, JAX = ("torch",), ("jax", "jaxlib")
# Figures of what was tried are from two cores without AVX-512, times over the form named.
CONTENDERS = {
    "ours_numba": Entry(
        "bnn_ref, Numba", ("numba", "bnn_ref.fast.compiled"), ("numba", "numpy"), "best"
    ),
    "ours_numpy": Entry(
        "bnn_ref, NumPy", (), ("numpy",), "specification", "written to be read, not tuned"
    ),
    "jax_jit": Entry(
        "JAX, jit", ("jax",), JAX, "best",
        "signs from the bits of random words; over this form: the rbg generator 1.24, a scan over "
        "steps 1.04 to 1.44, no XLA flag helped",
    ),
    "jax_plain": Entry("JAX, plain", ("jax", "optax"), (*JAX, "optax"), "ordinary",
                       "a random.rademacher for each sign tensor, optax's Adam"),
    "torch_manual": Entry(
        "PyTorch, by hand", ("torch",), TORCH, "best",
        "gradient by hand under no_grad .64 of autograd's; signs through a table 99 µs for the "
        "uniform draws' 412 at 128 x 784",
    ),
    "torch_eager": Entry("PyTorch, eager", ("torch",), TORCH, "ordinary",
                         "autograd, signs from uniform draws, fused Adam"),
    "torch_compiled": Entry(
        "PyTorch, compiled", ("torch",), TORCH, "best",
        "eager's generator and signs through a table: .55 to .69 of the plain compiled form at "
        "three wide sizes",
    ),
    "torch_compiled_plain": Entry("PyTorch, compiled, plain", ("torch",), TORCH, "ordinary",
                                  "torch.compile of the eager form, Inductor's generator"),
    "tfp": Entry("TFP, tf.function", TENSORFLOW, TENSORFLOW_NAMES, "ordinary",
                 "the library's layers, a step in a tf.function"),
    "tfp_loop": Entry("TFP, loop inside", TENSORFLOW, TENSORFLOW_NAMES, "best",
                      "the loop over steps inside the tf.function too"),
    "tfp_xla": Entry("TFP, XLA", TENSORFLOW, TENSORFLOW_NAMES, "ordinary", "jit_compile=True"),
    "bayesian_torch": Entry(
        "Bayesian-Torch", ("torch", "bayesian_torch"), ("bayesian-torch", "torch"), "ordinary",
        "the library's layers; nothing of its own to tune",
    ),
}  # fmt: skip
MAIN_FORMS = ["ours_numba", "ours_numpy", "jax_jit", "torch_manual", "torch_eager",
              "torch_compiled", "tfp", "tfp_xla", "bayesian_torch"]  # fmt: skip
COMPILERS = ("c++", "g++", "clang++")


class OwnFile(NamedTuple):
    """A person's own contender: a file, and the name of its class."""

    path: str
    kind: str


def own_file(name):
    """Return the `OwnFile` of "path/file.py:Class", or None for another name."""
    match = re.fullmatch(r"(.+\.py):(\w+)", name)
    return OwnFile(*match.groups()) if match else None


def entry(name):
    """Return a contender's `Entry`; an own one's title is its class.

    Raises
    ------
    ValueError
        For an unknown name, or a file that is not there.
    """
    own = own_file(name)
    if own is not None:
        if not Path(own.path).is_file():
            raise ValueError(f"contender: expected a file, found no {own.path}")
        return Entry(own.kind, (), ("numpy",), "own")
    if name not in CONTENDERS:
        wanted = f"{', '.join(CONTENDERS)} or FILE.py:CLASS"
        raise ValueError(f"contender: expected one of {wanted}, found {name!r}")
    return CONTENDERS[name]


def missing(name):
    """Return why a contender cannot run here, in words, or None where it can."""
    for module in entry(name).modules:
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    if name.startswith("torch_compiled") and not any(map(shutil.which, COMPILERS)):
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
    return {package: version_of(package) for package in entry(name).distributions}


def choose(wanted, planted=()):
    """Return ({name: reason} of absent contenders, names that run) of those wanted, in order.

    Parameters
    ----------
    wanted : list of str
        Contenders.
    planted : list of str
        "kind:contender", as `planted.py` has them.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    from ..planted import split_name

    for name in planted:
        kind, contender = split_name(name)
        if not kind:
            raise ValueError(f"plant: expected KIND:CONTENDER, found {name!r}")
        entry(contender)
    absent = {name: reason for name in wanted if (reason := missing(name))}
    return absent, [name for name in wanted if name not in absent] + list(planted)
