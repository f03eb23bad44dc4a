"""The activations: all that is known of each, and the list of them.

Each derivative takes ``a`` and the value ``h = f(a)``, because several are cheaper in h. All pass
complex arrays (for the complex step); a kink belongs to its left side, so relu'(0) = 0, as in
TensorFlow, PyTorch and JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .elementary import expm1, normal_cdf, normal_density, sigmoid, softplus
from .errors import expected
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
    leak : float or None
        The slope left of 0 of a leaky ReLU; None for others.
    """

    name: str
    function: Callable[[NDArray[Any]], NDArray[Any]]
    derivative: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
    kinks: tuple[float, ...] = ()
    steepest: float = 1.0
    in_vectors: bool = False
    reach: tuple[float, float] = (-np.inf, np.inf)
    leak: float | None = None


def _elu(a):
    return np.where(a.real > 0, a, expm1(np.where(a.real > 0, 0, a)))  # E3


def _elu_derivative(a, h):
    return np.exp(np.where(a.real > 0, 0, a))  # E8


def _gelu(a):
    return a * normal_cdf(a)  # E3


def _gelu_derivative(a, h):
    return normal_cdf(a) + a * normal_density(a)  # E8


SELU_SCALE = 1.0507009873554804934  # of Klambauer et al. (2017), as is
SELU_ALPHA = 1.6732632423543772848


def _selu(a):
    low = np.where(a.real > 0, 0, a)
    return SELU_SCALE * np.where(a.real > 0, a, SELU_ALPHA * expm1(low))  # E3


def _selu_derivative(a, h):
    low = np.where(a.real > 0, 0, a)
    return SELU_SCALE * np.where(a.real > 0, 1, SELU_ALPHA * np.exp(low))  # E8


def _silu(a):
    return a * sigmoid(a)  # E3


def _silu_derivative(a, h):
    return sigmoid(a) + h * sigmoid(-a)  # E8


ACTIVATIONS: Registry[Activation] = Registry("activation")
LEAKY = "leaky_relu("


def leaky_relu(slope: float) -> str:
    """Return the name of the leaky ReLU of a slope left of 0, "leaky_relu(0.2)".

    Parameters
    ----------
    slope : float, >= 0
        0.01 in PyTorch unless given, .2 in `tf.nn.leaky_relu`, .3 in `keras.layers.LeakyReLU`.
    """
    return get_activation(f"{LEAKY}{float(slope)!r})").name


def get_activation(name: str) -> Activation:
    """Return the `Activation` of a name, or raise a `ValueError` that lists them all.

    Parameters
    ----------
    name : str
        A key of `ACTIVATIONS`, or "leaky_relu(SLOPE)".
    """
    if isinstance(name, str) and name.startswith(LEAKY):
        return _leaky_relu(name)
    return ACTIVATIONS.find(name)


@lru_cache
def _leaky_relu(name):
    """Return the `Activation` of "leaky_relu(SLOPE)"."""
    try:
        slope = float(name[len(LEAKY) : -1]) if name.endswith(")") else -1.0
    except ValueError:
        slope = -1.0
    if not 0 <= slope < np.inf:
        raise expected("activation", "leaky_relu(SLOPE), a finite slope, at least 0", repr(name))
    return Activation(
        name,
        lambda a: np.where(a.real > 0, a, a.real.dtype.type(slope) * a),  # E3
        lambda a, h: np.where(a.real > 0, 1, slope).astype(a.dtype),  # E8
        kinks=() if slope == 1 else (0.0,),
        steepest=max(1.0, slope),
        reach=(-np.inf if slope else 0.0, np.inf),
        leak=slope,
    )


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
IN_VECTORS = tuple(ACTIVATIONS)
for _activation in (
    Activation(
        "selu",
        _selu,
        _selu_derivative,
        kinks=(0.0,),
        steepest=SELU_SCALE * SELU_ALPHA,
        reach=(-SELU_SCALE * SELU_ALPHA, np.inf),
    ),
    Activation("silu", _silu, _silu_derivative, steepest=1.1, reach=(-0.2785, np.inf)),
    _leaky_relu(leaky_relu(0.01))._replace(name="leaky_relu"),
):
    register(_activation)
