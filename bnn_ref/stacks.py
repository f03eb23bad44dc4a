"""The usual network: hidden layers of one kind, a linear last one, a likelihood."""

import numpy as np

from .errors import expected
from .layers import DenseFlipout
from .network import Network


def dense_stack(inputs, hidden, outputs, likelihood, activation="relu", *, prior_scale=1.0,
                bias="deterministic", initializer="tfp", initial_sigma=None):  # fmt: skip
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
