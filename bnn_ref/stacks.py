"""The usual network: hidden layers of one kind, a linear last one, a likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .defaults import OF_NETWORK
from .errors import expected
from .layers import DenseFlipout
from .likelihoods import LIKELIHOODS, Normal
from .network import Network

if TYPE_CHECKING:
    from .likelihoods.base import Likelihood


def dense_stack(
    inputs: int,
    hidden: int | Sequence[int],
    outputs: int,
    likelihood: Likelihood,
    activation: str = "relu",
    *,
    prior_scale: float = 1.0,
    bias: str = "deterministic",
    initializer: str = "tfp",
    initial_sigma: float | str | None = None,
) -> Network:
    """Return the `Network` inputs -> hidden[0] -> ... -> outputs, the last layer linear.

    Parameters
    ----------
    inputs, outputs : int
    hidden : int or sequence of int
        Units of the hidden layers; none for a linear model.
    likelihood : Categorical, Bernoulli or Normal
    activation : str
        Of the hidden layers.
    prior_scale : float
        Standard deviation of every kernel's prior, whose mean is 0.
    bias, initializer, initial_sigma
        Of every layer, as `DenseFlipout` takes them.

    Raises
    ------
    ValueError
        For a setting that `DenseFlipout` refuses, or hidden sizes that are no list of them.
    """
    if np.ndim(hidden) > 1:
        raise expected("hidden layers", "a list of whole numbers", repr(hidden))
    widths = [inputs, *np.atleast_1d(np.asarray(hidden, dtype=object)).tolist(), outputs]
    kinds = [activation] * (len(widths) - 2) + ["linear"]
    options = {"kernel_prior": (0.0, prior_scale), "bias": bias, "initializer": initializer,
               "initial_sigma": initial_sigma}  # fmt: skip
    layers = [
        DenseFlipout(*sizes, kind, **options)
        for *sizes, kind in zip(widths, widths[1:], kinds, strict=False)
    ]
    return Network(layers, likelihood)


def usual_likelihood(task: str) -> Likelihood:
    """Return the likelihood of a kind of targets, where nothing else is asked for.

    Parameters
    ----------
    task : str
        The likelihood's type. "normal" learns its scale.
    """
    return Normal(learn_scale=True) if task == "normal" else LIKELIHOODS.find(task)()


def network_of(
    settings: Mapping[str, Any], inputs: int, outputs: int, likelihood: Likelihood
) -> Network:
    """Return the `dense_stack` that a run's settings describe.

    Parameters
    ----------
    settings : dict
        With the names of `bnn_ref.defaults.SETTINGS`.
    inputs, outputs, likelihood
        As for `dense_stack`.
    """
    chosen = {name: settings[name] for name in OF_NETWORK}
    return dense_stack(inputs, settings["layers"], outputs, likelihood, settings["activation"],
                       **chosen)  # fmt: skip
