"""What a recorder sees of one layer, and how an activation and a shift are recognised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...activations import ACTIVATIONS, IN_VECTORS
from ...elementary import softplus


class Seen(NamedTuple):
    """What was seen of one layer during the call, every array in the layout of the vector file.

    Attributes
    ----------
    parameters : dict of str to array
        kernel_mu, kernel_rho and, as far as there are, bias_mu, bias_rho.
    noise : dict of str to array
        kernel_eps, sign_input, sign_output and, where it was drawn, bias_eps.
    inputs, outputs : array (B, I), (B, O)
        What the layer was given and what it returned; images flat, channels last.
    activation : str
        The layer's own.
    scale_shift : float
    kernel_prior, bias_prior : (loc, scale) or None
    bias : str
    described : dict, optional
        A layer of images: its type and sizes as `docs/vectors.md` writes them. A dense one unless
        given.
    """

    parameters: dict[str, NDArray[Any]]
    noise: dict[str, NDArray[Any]]
    inputs: NDArray[Any]
    outputs: NDArray[Any]
    activation: str
    scale_shift: float
    kernel_prior: tuple[float, float] | None
    bias_prior: tuple[float, float] | None
    bias: str
    described: dict[str, Any] | None = None

    def description(self, activation: str) -> dict[str, Any]:
        """Return the layer as a vector describes it, with this activation behind it."""
        sizes = self.described or {"type": "DenseFlipout", "units": self.outputs.shape[1]}
        if not self.parameters:
            return sizes
        return {**sizes, "activation": activation, "scale_shift": self.scale_shift,
                "kernel_prior": _prior(self.kernel_prior), "bias": self.bias,
                "bias_prior": _prior(self.bias_prior)}  # fmt: skip


def plain(described: dict[str, Any], inputs: NDArray[Any], outputs: NDArray[Any]) -> Seen:
    """Return the `Seen` of a layer without parameters; arguments as its attributes."""
    return Seen({}, {}, inputs, outputs, "linear", 0.0, None, None, "none", described)


def _prior(prior):
    if prior is None or isinstance(prior, dict):
        return prior
    return {name: np.asarray(value, float).tolist()
            for name, value in zip(("loc", "scale"), prior, strict=True)}  # fmt: skip


def activation_of(function: Callable[[Any], Any] | None, a: NDArray[Any]) -> str | None:
    """Return the name of the activation that a function computes at a, or None.

    Parameters
    ----------
    function : callable
        From an array to an array of its shape.
    a : array
        Where to look; of the dtype in which the function computes.
    """
    values = np.asarray(function(a), np.float64)
    a = np.asarray(a)
    if values.shape != a.shape:
        return None
    tolerance = 1e3 * np.finfo(a.dtype).eps  # tf.nn.gelu in float64 is as inexact as 1e-9
    tolerance = max(tolerance, 2e-8)
    for name in IN_VECTORS:
        expected = ACTIVATIONS[name].function(a.astype(np.float64))
        if np.all(np.abs(values - expected) <= tolerance * (1 + np.abs(expected))):
            return name
    return None


def shift_of(sigma: NDArray[Any], rho: NDArray[Any]) -> float:
    """Return the c of sigma = c + softplus(rho) in a person's layer.

    Where sigma is no such function of rho the dtype's machine epsilon is returned, which is TFP's:
    the vector will then disagree, and say how.
    """
    eps = float(np.finfo(sigma.dtype).eps)
    sigma, rho = np.asarray(sigma, np.float64), np.asarray(rho, np.float64)
    difference = sigma - softplus(rho)
    slack = 8 * eps * (1 + np.abs(softplus(rho)))
    for c in (0.0, eps, float(f"{np.median(difference):.4g}")):
        if c >= 0 and np.all(np.abs(difference - c) <= (0.5 * eps if c in (0, eps) else slack)):
            return c
    return eps
