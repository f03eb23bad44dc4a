"""The one list of frameworks: ours, and those of others, each in a file imported when asked for.

`numpy` and `numba` are this project's back ends. `jax` and `torch` hold the formula written in
them and differentiated by them. `tfp` and `bayesian-torch` are those libraries' own layers, their
random draws replaced by a vector's.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

if TYPE_CHECKING:
    from ...step.adam import Adam
    from ..vectors.files import Vector

NAMES = ("numpy", "numba", "jax", "torch", "tfp", "bayesian-torch")
_NEEDS = {
    "numpy": ("numpy",),
    "numba": ("numba",),
    "jax": ("jax", "jaxlib"),
    "torch": ("torch",),
    "tfp": ("tensorflow", "tensorflow_probability", "tf_keras"),
    "bayesian-torch": ("torch", "bayesian_torch"),
}
_FILES = {"numpy": "ours", "numba": "ours", "bayesian-torch": "bayesian_torch"}


class FrameworkMissing(ImportError):
    """A framework that is not installed; the message is one line."""


class CannotAnswer(ValueError):
    """A question that a framework's layers cannot express; the message is one line."""


class Framework(NamedTuple):
    """What every framework's file offers.

    Attributes
    ----------
    name : str
        One of `NAMES`.
    source : callable, () -> str
        Who computes, with versions.
    refusal : callable, (meta) -> str or None
        Why a vector's network cannot be expressed, None where it can.
    answer : callable, (vector) -> dict of str to array
        Every result, by its name in `docs/vectors.md`, differentiated by the framework.
    train : callable, (vectors, learning_rate) -> dict of str to array
        The parameters after one step of the framework's own Adam per vector, each with its noise
        and batch, starting from the first one's parameters.
    adam : Adam
        The convention its Adam follows.
    own_kl : callable or None, (vector) -> float
        The KL in the framework's own, documented, other convention.
    random_layer : callable or None
        (kernel_mu, kernel_sigma, bias_mu, bias_sigma) -> a function from inputs to the
        pre-activations of the framework's own layer with fresh noise at each call.
    """

    name: str
    source: Callable[[], str]
    refusal: Callable[[Mapping[str, Any]], str | None]
    answer: Callable[[Vector], dict[str, NDArray[Any]]]
    train: Callable[[Sequence[Vector], float], dict[str, NDArray[Any]]]
    adam: Adam
    own_kl: Callable[[Vector], float] | None = None
    random_layer: Callable[..., Callable[[Any], NDArray[Any]]] | None = None


def refuse_kinds(
    meta: Mapping[str, Any],
    priors: Sequence[str],
    owner: str,
    *,
    likelihoods: Sequence[str] | None = None,
    local: bool = False,
) -> str | None:
    """Return why an owner of dense layers cannot express a version 2 `meta`, None where it can.

    Parameters
    ----------
    meta : dict
    priors : sequence of str
        The kinds that it has; "point" for one on a deterministic bias.
    owner : str
        What the message calls it.
    likelihoods : sequence of str, optional
        Those that it has where not all are.
    local : bool
        Whether it has local reparameterisation.
    """
    for k, layer in enumerate(meta["layers"]):
        if layer["type"] != "DenseFlipout":
            return f"layers[{k}].type: {owner} is asked for DenseFlipout, not {layer['type']}"
        if layer["bias"] == "deterministic" and layer["bias_prior"] and "point" not in priors:
            return f"layers[{k}].bias_prior: {owner} has none of a deterministic bias"
        for part in ("kernel_prior", "bias_prior"):
            kind = (layer[part] or {}).get("type", "normal")
            if kind not in priors:
                return f"layers[{k}].{part}: {owner} has no prior of kind {kind}"
    if meta.get("estimator") == "local" and not local:
        return f"estimator: {owner} has no local reparameterisation"
    kind = meta["likelihood"]["type"]
    if likelihoods is not None and kind not in likelihoods:
        return f"likelihood: {owner} is not asked for {kind}"
    return None


def installed(name: str) -> bool:
    """Return whether everything that a framework needs can be found (nothing is imported)."""
    return all(importlib.util.find_spec(module) is not None for module in _NEEDS[check_name(name)])


def check_name(name: str) -> str:
    """Return the name, or raise a `ValueError` that lists the known ones."""
    if name not in NAMES:
        raise ValueError(f"framework: expected one of {', '.join(NAMES)}, found {name!r}")
    return name


def load(name: str) -> Framework:
    """Return the `Framework` of that name; its file and library are imported now.

    Raises
    ------
    ValueError
        For an unknown name.
    FrameworkMissing
        Where the library is not installed or cannot be imported.
    """
    check_name(name)
    missing = [module for module in _NEEDS[name] if importlib.util.find_spec(module) is None]
    if missing:
        what = name if name == "bayesian-torch" else f"'bnn_ref[{name}]'"
        raise FrameworkMissing(
            f"{name}: not installed (no module {missing[0]}): python -m pip install {what}"
        )
    try:
        module = importlib.import_module(f".{_FILES.get(name, name)}", __name__)
    except Exception as error:  # an ill-matched installation raises what it likes
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise FrameworkMissing(f"{name}: cannot be imported ({reason})") from None
    return module.framework(name)
