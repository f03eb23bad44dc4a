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

from ...registry import Registry

if TYPE_CHECKING:
    from ...step.adam import Adam
    from ..vectors.files import Vector


class Adapter(NamedTuple):
    """Where a framework's file is, and what it cannot do without.

    Attributes
    ----------
    module : str
        Whose ``framework(name)`` returns the `Framework`.
    needs : tuple of str
        Modules.
    install : str
        What pip installs them by.
    """

    module: str
    needs: tuple[str, ...]
    install: str


FRAMEWORKS: Registry[Adapter] = Registry("framework")
for _name, _file, _install, *_needs in (
    ("numpy", "ours", "bnn_ref", "numpy"),
    ("numba", "ours", "bnn_ref", "numba"),
    ("jax", "jax", "'bnn_ref[jax]'", "jax", "jaxlib"),
    ("torch", "torch", "'bnn_ref[torch]'", "torch"),
    ("tfp", "tfp", "'bnn_ref[tfp]'", "tensorflow", "tensorflow_probability", "tf_keras"),
    ("bayesian-torch", "bayesian_torch", "bayesian-torch", "torch", "bayesian_torch"),
):
    FRAMEWORKS.register(_name, Adapter(f"{__name__}.{_file}", tuple(_needs), _install))


class FrameworkMissing(ImportError):
    """A framework that is not installed; the message is one line."""


class CannotAnswer(ValueError):
    """A question that a framework's layers cannot express; the message is one line."""


class Framework(NamedTuple):
    """What every framework's file offers.

    Attributes
    ----------
    name : str
        As in `FRAMEWORKS`.
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
        (kernel_mu, kernel_sigma) -> a function from inputs to the pre-activations of the
        framework's own layer, without a bias, with fresh noise at each call.
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
    types: Sequence[str] = ("DenseFlipout",),
) -> str | None:
    """Return why an owner of some layers cannot express a version 2 `meta`, None where it can.

    Parameters
    ----------
    meta : dict
    priors : sequence of str
        The kinds that it has; "point" for one on a deterministic bias.
    owner : str
        What the message calls it.
    likelihoods : sequence of str, optional
        Those that it has where not all are.
    types : sequence of str
        The layers that it has.
    """
    for k, layer in enumerate(meta["layers"]):
        if layer["type"] not in types:
            known = ", ".join(types)
            return f"layers[{k}].type: {owner} is asked for {known}, not {layer['type']}"
        if "kernel_prior" not in layer:
            continue
        if layer["bias"] == "deterministic" and layer["bias_prior"] and "point" not in priors:
            return f"layers[{k}].bias_prior: {owner} has none of a deterministic bias"
        for part in ("kernel_prior", "bias_prior"):
            kind = (layer[part] or {}).get("type", "normal")
            if kind not in priors:
                return f"layers[{k}].{part}: {owner} has no prior of kind {kind}"
    if meta.get("estimator") == "local":
        return f"estimator: {owner} has no local reparameterisation"
    kind = meta["likelihood"]["type"]
    if likelihoods is not None and kind not in likelihoods:
        return f"likelihood: {owner} is not asked for {kind}"
    return None


def installed(name: str) -> bool:
    """Return whether everything that a framework needs can be found (nothing is imported)."""
    return not _absent(FRAMEWORKS.find(name))


def _absent(adapter):
    """Return the modules that cannot be found."""
    return [module for module in adapter.needs if importlib.util.find_spec(module) is None]


def load(name: str) -> Framework:
    """Return the `Framework` of that name; its file and library are imported now.

    Raises
    ------
    ValueError
        For an unknown name.
    FrameworkMissing
        Where the library is not installed or cannot be imported.
    """
    adapter = FRAMEWORKS.find(name)
    absent = _absent(adapter)
    if absent:
        raise FrameworkMissing(f"{name}: not installed (no module {absent[0]}): python -m pip "
                               f"install {adapter.install}")  # fmt: skip
    try:
        module = importlib.import_module(adapter.module)
    except Exception as error:  # an ill-matched installation raises what it likes
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise FrameworkMissing(f"{name}: cannot be imported ({reason})") from None
    return module.framework(name)
