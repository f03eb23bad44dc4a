"""Noise as a value: every random number of one draw of one step, layer by layer."""

from typing import NamedTuple

import numpy as np

from ..border import check_size
from ..errors import expected
from .generator import normals, signs
from .local import draw_local_noise

ESTIMATORS = ("flipout", "shared", "local")


class LayerNoise(NamedTuple):
    """One layer's random numbers for one step.

    Attributes
    ----------
    kernel_eps : array (I, O)
        Standard normal draws, shared by the batch.
    sign_input : array (B, I)
        -1 or +1.
    sign_output : array (B, O)
        -1 or +1.
    bias_eps : array (O,) or None
        Standard normal draws, only where the bias has a Normal posterior.
    """

    kernel_eps: np.ndarray
    sign_input: np.ndarray
    sign_output: np.ndarray
    bias_eps: np.ndarray | None = None


class Noise(NamedTuple):
    """Every random number of one draw of one step, a `LayerNoise` per layer.

    Attributes
    ----------
    layers : tuple of LayerNoise
        First to last.
    """

    layers: tuple


def check_estimator(estimator):
    """Return the estimator's name, or raise a `ValueError` for an unknown one."""
    if estimator not in ESTIMATORS:
        raise expected("estimator", "one of " + ", ".join(ESTIMATORS), repr(estimator))
    return estimator


def draw_noise(network, rows, seed, *, step=0, draw=0, purpose="train", dtype="float32",
               estimator="flipout", first_row=0, workspace=None):  # fmt: skip
    """Return the noise of every layer for one draw of one step.

    Parameters
    ----------
    network : Network
    rows : int
        B, the number of examples (for inputs of rank above 2 the product of leading dimensions).
    seed, step, draw, purpose
        The key, as for `words`.
    dtype : dtype
        float32 or float64.
    estimator : str
        "flipout"; "shared" (every sign +1: one weight draw for the batch); "local" (one normal
        per example and output, `bnn_ref.noise.local.LocalNoise`).
    first_row : int
        The first row's place in the batch or table: signs are keyed by it.
    workspace : None
        This back end needs none.

    Returns
    -------
    Noise, or LocalNoise for the estimator "local"

    Raises
    ------
    ValueError
        For a number that does not fit the counter, or an unknown estimator.
    """
    check_estimator(estimator)
    rows = check_size(rows, "rows", least=0)
    if estimator == "local":
        return draw_local_noise(network, rows, seed, step=step, draw=draw, purpose=purpose,
                                dtype=dtype, first_row=first_row)  # fmt: skip
    layers = []
    for k, layer in enumerate(network.layers):
        key = {"layer": k, "step": step, "draw": draw, "dtype": dtype}
        if estimator == "shared":
            sign_input = np.ones((rows, layer.inputs), dtype)
            sign_output = np.ones((rows, layer.outputs), dtype)
        else:
            sign_input = signs(rows, layer.inputs, seed, purpose, "sign_input",
                               first_row=first_row, **key)  # fmt: skip
            sign_output = signs(rows, layer.outputs, seed, purpose, "sign_output",
                                first_row=first_row, **key)  # fmt: skip
        kernel_eps = normals((layer.inputs, layer.outputs), seed, purpose, "kernel_eps", **key)
        bias_eps = None
        if layer.bias_is_random:
            bias_eps = normals((layer.outputs,), seed, purpose, "bias_eps", **key)
        layers.append(LayerNoise(kernel_eps, sign_input, sign_output, bias_eps))
    return Noise(tuple(layers))
