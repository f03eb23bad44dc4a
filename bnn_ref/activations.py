"""The activations: name to function and derivative, both of the pre-activation ``a``.

Each derivative takes ``a`` and the value ``h = f(a)``, because several are cheaper in h. All pass
complex arrays (for the complex step); a kink belongs to its left side, so relu'(0) = 0, as in
TensorFlow, PyTorch and JAX.
"""

from typing import NamedTuple

import numpy as np

from .elementary import expm1, normal_cdf, normal_density, sigmoid, softplus
from .errors import expected


class Activation(NamedTuple):
    """An elementwise function ``f(a)`` and its derivative ``derivative(a, h)`` with h = f(a).

    Attributes
    ----------
    name : str
    function : callable
        f, of an array (any shape, float or complex), elementwise.
    derivative : callable
        f', of a and h, elementwise.
    """

    name: str
    function: object
    derivative: object


def _elu(a):
    return np.where(a.real > 0, a, expm1(np.where(a.real > 0, 0, a)))  # E3


def _elu_derivative(a, h):
    return np.exp(np.where(a.real > 0, 0, a))  # E8


def _gelu(a):
    return a * normal_cdf(a)  # E3


def _gelu_derivative(a, h):
    return normal_cdf(a) + a * normal_density(a)  # E8


ACTIVATIONS = {
    activation.name: activation
    for activation in (
        Activation("linear", lambda a: a, lambda a, h: np.ones_like(a)),  # E3, E8; so are all
        Activation(
            "relu",
            lambda a: np.where(a.real > 0, a, 0).astype(a.dtype, copy=False),
            lambda a, h: (a.real > 0).astype(a.dtype),
        ),
        Activation("tanh", np.tanh, lambda a, h: (1 - h) * (1 + h)),
        Activation("sigmoid", sigmoid, lambda a, h: h * sigmoid(-a)),
        Activation("softplus", softplus, lambda a, h: sigmoid(a)),
        Activation("elu", _elu, _elu_derivative),
        Activation("gelu", _gelu, _gelu_derivative),
    )
}


def get_activation(name):
    """Return the `Activation` of that name.

    Raises
    ------
    ValueError
        For a name that is not in `ACTIVATIONS`.
    """
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise expected("activation", "one of " + ", ".join(ACTIVATIONS), repr(name))
    return ACTIVATIONS[name]
