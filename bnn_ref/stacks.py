"""The usual network: hidden layers of one kind, a linear last one, a likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from .defaults import OF_NETWORK, SETTINGS, hidden_of
from .errors import expected
from .layers import DenseFlipout
from .likelihoods import LIKELIHOODS, Normal, PredictedNormal
from .network import Network
from .networks import NAMED, read_network
from .priors import prior_named

if TYPE_CHECKING:
    from .likelihoods.base import Likelihood
    from .priors import Prior

OF_NUMBERS: dict[str, Likelihood] = {
    "learned": Normal(learn_scale=True),
    "predicted": PredictedNormal(),
}


def dense_stack(
    inputs: int,
    hidden: int | Sequence[int],
    outputs: int,
    likelihood: Likelihood,
    activation: str = SETTINGS["activation"],
    *,
    prior: str | Prior | tuple[float, float] = SETTINGS["prior"],
    prior_scale: float = SETTINGS["prior_scale"],
    bias: str = SETTINGS["bias"],
    initializer: str = SETTINGS["initializer"],
    initial_sigma: float | str | None = None,
) -> Network:
    """Return the `Network` inputs -> hidden[0] -> ... -> outputs, the last layer linear.

    Parameters
    ----------
    inputs, outputs : int
    hidden : int or sequence of int
        Units of the hidden layers; none for a linear model.
    likelihood : Likelihood
    activation : str
        Of the hidden layers.
    prior : str or Prior
        Of every kernel, by its name (`bnn_ref.priors.prior_named`) or as `DenseFlipout` takes it.
    prior_scale : float
        The standard deviation of a Normal prior, whose mean is 0; of one that is named, its scale.
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
    if isinstance(prior, str):
        prior = prior_named(prior, prior_scale)
    options = {"kernel_prior": prior, "bias": bias, "initializer": initializer,
               "initial_sigma": initial_sigma}  # fmt: skip
    layers = [
        DenseFlipout(*sizes, kind, **options)
        for *sizes, kind in zip(widths, widths[1:], kinds, strict=False)
    ]
    return Network(layers, likelihood)


def likelihood_names() -> list[str]:
    """Return the types of likelihood that a name alone can ask for: those of plain targets."""
    return [name for name, owner in LIKELIHOODS.items() if owner.task]


def likelihood_named(text: str) -> Likelihood:
    """Return the likelihood of a name: its type, and for numbers what their scale is.

    Parameters
    ----------
    text : str
        "categorical", "bernoulli", or any other type there is; "normal" or "normal:learned" (its
        scale learned), "normal:predicted" (one for every row, by the network), "normal:0.5".

    Raises
    ------
    ValueError
        For other text.
    """
    kind, colon, option = text.partition(":")
    if text == "normal":
        option = "learned"
    if kind == "normal" and option in OF_NUMBERS:
        return OF_NUMBERS[option]
    if kind == "normal" and option:
        return Normal(option)  # which says what is wrong with it
    known = likelihood_names()
    if kind not in known or colon:
        known += [f"normal:{word}" for word in (*OF_NUMBERS, "SCALE")]
        raise expected("likelihood", "one of " + ", ".join(known), repr(text))
    return LIKELIHOODS[kind]()


def task_of(likelihood: str | None) -> str | None:
    """Return what the targets of a likelihood's name are, None where none is given.

    Parameters
    ----------
    likelihood : str or None
    """
    return None if likelihood is None else likelihood_named(likelihood).task


def without_use(network: str | None) -> tuple[str, ...]:
    """Return the names of the settings that a network's own name or file leaves without use.

    Parameters
    ----------
    network : str or None
        The setting of that name: of `NAMED`, a file, or None for a `dense_stack`.
    """
    if network is None:
        return ()
    shape = ("layers", "activation")
    return shape if network in NAMED else (*shape, *OF_NETWORK)


def network_of(
    settings: Mapping[str, Any],
    inputs: int | tuple[int, ...],
    targets: int,
    likelihood: Likelihood,
) -> Network:
    """Return the network that a run's settings describe, by default a `dense_stack`.

    Parameters
    ----------
    settings : dict
        With the names of `bnn_ref.defaults.SETTINGS`.
    inputs : int or tuple of int
        How many, or the shape (H, W, C) of images.
    targets : int
        Of a row: how many classes, or how many numbers.
    likelihood : Likelihood
    """
    chosen = {name: settings[name] for name in OF_NETWORK if name in settings}
    shape = (inputs,) if isinstance(inputs, int) else inputs
    if settings.get("network") is not None:
        prior = prior_named(chosen.pop("prior", "normal"), chosen.pop("prior_scale", 1.0))
        return read_network(settings["network"], shape, targets, likelihood, kernel_prior=prior,
                            **chosen)  # fmt: skip
    hidden = hidden_of(shape) if settings["layers"] is None else settings["layers"]
    return dense_stack(prod(shape), hidden, likelihood.outputs_of(targets), likelihood,
                       settings["activation"], **chosen)  # fmt: skip
