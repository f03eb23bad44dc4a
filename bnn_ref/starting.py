"""From a trained network: its weights as posterior means, a share of each as its deviation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from .border import check_number, take_array
from .errors import expected
from .network import Network
from .priors import NormalPrior

if TYPE_CHECKING:
    from .parameters import Parameters


def weights_of(trained: Any) -> list[tuple[Any, Any]]:
    """Return a list of (kernel (I, O), bias (O,) or None) of a trained network.

    Parameters
    ----------
    trained : scikit-learn MLP, or sequence of arrays and pairs (kernel, bias)
    """
    if hasattr(trained, "coefs_"):
        trained = zip(trained.coefs_, trained.intercepts_, strict=True)
    if not isinstance(trained, Iterable):
        wanted = "a scikit-learn MLP, or a sequence of arrays and pairs (kernel, bias)"
        raise expected("trained", wanted, type(trained).__name__)
    pairs = [pair if isinstance(pair, tuple | list) else (pair, None) for pair in trained]
    for k, pair in enumerate(pairs):
        if len(pair) != 2:
            raise expected(f"trained[{k}]", "an array or a pair (kernel, bias)",
                           f"{len(pair)} things")  # fmt: skip
    return [tuple(pair) for pair in pairs]


def init_from(
    network: Network,
    trained: Any,
    delta: float = 0.1,
    floor: float = 1e-3,
    *,
    centred: bool = False,
    dtype: DTypeLike = "float32",
) -> tuple[Network, Parameters]:
    """Return (network, parameters) that start from a trained network's weights.

    Every mean is the trained weight w, and every sigma = max(delta abs(w), floor): the share
    delta of it is what MOPED calls the initial perturbation.

    Parameters
    ----------
    network : Network
        Its layers with a kernel, those inside others too, have the trained network's shapes; any
        other parameters have their initial values.
    trained : scikit-learn MLP, or sequence of arrays and pairs (kernel, bias)
        One for each layer with a kernel, first to last; kernels (I, O), a convolution's as it has
        them.
    delta : float, > 0
    floor : float, > 0
        The least sigma: a weight that is 0 has it.
    centred : bool
        Replace each prior by a Normal that is the initial posterior, so that the KL starts at 0.
    dtype : "float32" or "float64"

    Returns
    -------
    (Network, Parameters)
        The network given, but for its priors where they are centred.

    Raises
    ------
    ValueError
        For shapes that do not fit, the layer named, or a delta or floor out of range.

    Source: Krishnan, Subedar and Tickoo (2020), "Specifying weight priors in Bayesian deep neural
    networks with empirical Bayes".
    """
    for name, value in (("delta", delta), ("floor", floor)):
        check_number(value, name, "(0, inf)")
    weights = weights_of(trained)
    members = [member for member in network.walk() if "kernel_mu" in member[1].parameter_shapes]
    if len(weights) != len(members):
        raise expected("trained", f"{len(members)} layers", len(weights))
    parameters, priors = network.init(0, dtype), {}
    for (place, layer, _), arrays in zip(members, weights, strict=True):
        priors[place] = {}
        for tensor, array in zip(("kernel", "bias"), arrays, strict=True):
            name = f"{place}.{tensor}"
            if f"{name}_mu" not in parameters:
                if array is not None and np.any(array):
                    raise expected(name, f"none, for bias {layer.bias!r}", "an array")
                continue
            mu = parameters[f"{name}_mu"]
            mu[...] = (
                0 if array is None else take_array(array, name, shape=mu.shape, dtype=mu.dtype)
            )
            if tensor in layer.priors:
                parameters.set_sigma(name, np.maximum(delta * np.abs(mu.astype(float)), floor))
                priors[place][f"{tensor}_prior"] = NormalPrior(mu, parameters.sigma(name))
    if not centred:
        return network, parameters
    network = Network(_with_priors(network.layers, priors, ""), network.likelihood)
    kept = {name: parameters[name] for name in network.parameter_shapes}  # no prior that learned
    return network, network.parameters(kept, dtype)


def _with_priors(layers, priors, before):
    """Return the layers with other priors, by the places ("layers.2.layers.0") of the layers."""
    changed = []
    for k, layer in enumerate(layers):
        place = f"{before}layers.{k}"
        if layer.layers:
            layer = replace(layer, layers=_with_priors(layer.layers, priors, f"{place}."))
        changed.append(replace(layer, **priors.get(place, {})))
    return changed
