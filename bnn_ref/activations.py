"""The activations: all that is known of each, and the list of them.

Each derivative takes ``a`` and the value ``h = f(a)``, because several are cheaper in h. All pass
complex arrays (for the complex step); a kink belongs to its left side, so relu'(0) = 0, as in
TensorFlow, PyTorch and JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .elementary import expm1, normal_cdf, normal_density, sigmoid, softplus
from .registry import Registry


class Activation(NamedTuple):
    """An elementwise function ``f(a)`` and its derivative ``derivative(a, h)`` with h = f(a).

    Attributes
    ----------
    name : str
    function : callable
        f, of an array (any shape, float or complex), elementwise.
    derivative : callable
        f', of a and h, elementwise.
    kinks : tuple of float
        The pre-activations at which the slope jumps.
    steepest : float
        The largest magnitude of f': what an error of a can grow by.
    in_vectors : bool
        Whether `docs/vectors.md` (version 1) has the name.
    reach : tuple of float
        What its values can be: lowest and highest.
    """

    name: str
    function: Callable[[NDArray[Any]], NDArray[Any]]
    derivative: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
    kinks: tuple[float, ...] = ()
    steepest: float = 1.0
    in_vectors: bool = False
    reach: tuple[float, float] = (-np.inf, np.inf)


def _elu(a):
    return np.where(a.real > 0, a, expm1(np.where(a.real > 0, 0, a)))  # E3


def _elu_derivative(a, h):
    return np.exp(np.where(a.real > 0, 0, a))  # E8


def _gelu(a):
    return a * normal_cdf(a)  # E3


def _gelu_derivative(a, h):
    return normal_cdf(a) + a * normal_density(a)  # E8


ACTIVATIONS: Registry[Activation] = Registry("activation")
get_activation = ACTIVATIONS.find


def register(activation: Activation) -> Activation:
    """Add an `Activation` under its name and return it.

    Parameters
    ----------
    activation : Activation

    Raises
    ------
    ValueError
        Where the name is taken.
    """
    return ACTIVATIONS.register(activation.name, activation)


for _activation in (
    Activation("linear", lambda a: a, lambda a, h: np.ones_like(a)),  # E3, E8; so are all
    Activation(
        "relu",
        lambda a: np.where(a.real <= 0, 0, a).astype(a.dtype, copy=False),  # lets NaN through
        lambda a, h: (a.real > 0).astype(a.dtype),
        kinks=(0.0,),
        reach=(0.0, np.inf),
    ),
    Activation("tanh", np.tanh, lambda a, h: (1 - h) * (1 + h), reach=(-1.0, 1.0)),
    Activation("sigmoid", sigmoid, lambda a, h: h * sigmoid(-a), steepest=0.25, reach=(0.0, 1.0)),
    Activation("softplus", softplus, lambda a, h: sigmoid(a), reach=(0.0, np.inf)),
    Activation("elu", _elu, _elu_derivative, reach=(-1.0, np.inf)),
    Activation(
        "gelu", _gelu, _gelu_derivative, steepest=1.13, reach=(-0.17, np.inf)
    ),  # steepest at a = sqrt(2), lowest at a = -0.752
):
    register(_activation._replace(in_vectors=True))
