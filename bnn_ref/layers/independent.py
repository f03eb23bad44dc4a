"""Weights of their own for every example of a dense layer: what Flipout imitates, at its full cost.

For example n, a_n = x_n (kernel_mu + sigma * kernel_eps_n) + bias_mu + sigma_b * bias_eps_n: B I O
normals and as many products of a vector and a matrix. The KL and the rest of the layer are
`DenseFlipout`'s. For teaching and for the variance bench; the NumPy code is all there is.

Source: Wen et al. (2018), section 2.2; gradients derived here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..noise import IndependentLayerNoise

if TYPE_CHECKING:
    from ..noise.draws import Stream
    from .dense_flipout import DenseFlipout
    from .records import LayerTrace


def draw_noise(layer: DenseFlipout, stream: Stream, rows: int) -> IndependentLayerNoise:
    """Return the noise of so many rows, each row's keyed by its place.

    Parameters
    ----------
    layer : DenseFlipout
    stream : Stream
    rows : int
    """
    weights = stream.row_normals(rows, math.prod(layer.kernel_shape), "kernel_eps")
    bias = stream.row_normals(rows, layer.outputs, "bias_eps") if layer.bias_is_random else None
    return IndependentLayerNoise(weights.reshape(rows, *layer.kernel_shape), bias)


def perturb(layer: DenseFlipout, trace: LayerTrace, noise: IndependentLayerNoise) -> NDArray[Any]:
    """Return the perturbation (B, O) of the pre-activations, and keep what its gradient needs.

    Sets ``trace.kernel_deltas`` (B, I, O), each example's.

    Parameters
    ----------
    layer : DenseFlipout
    trace : LayerTrace
        With ``inputs`` and the sigmas of the forward pass.
    noise : IndependentLayerNoise
    """
    trace.kernel_deltas = trace.kernel_sigma * noise.kernel_eps_rows  # (B, I, O), E69
    perturbation = np.matmul(trace.inputs[:, None, :], trace.kernel_deltas)[:, 0]  # (B, O), E69
    if layer.bias_is_random:
        perturbation = perturbation + trace.bias_sigma * noise.bias_eps_rows  # E69
    return perturbation


def perturb_backward(
    layer: DenseFlipout, trace: LayerTrace, noise: IndependentLayerNoise
) -> NDArray[Any]:
    """Return the gradient by h that passes through `perturb`, (B, I); set sigma's on the trace.

    Parameters
    ----------
    layer : DenseFlipout
    trace : LayerTrace
        With ``grad_pre_activation`` (B, O); ``grad_sigma`` and ``grad_bias_sigma`` are set.
    noise : IndependentLayerNoise
    """
    h, grad_a = trace.inputs, trace.grad_pre_activation
    outer = h[:, :, None] * grad_a[:, None, :]  # (B, I, O), the gradient by each delta, E70
    trace.grad_sigma = np.sum(outer * noise.kernel_eps_rows, axis=0)  # E70
    if layer.bias_is_random:
        trace.grad_bias_sigma = np.sum(grad_a * noise.bias_eps_rows, axis=0)  # E70
    return np.matmul(trace.kernel_deltas, grad_a[:, :, None])[:, :, 0]  # (B, I), E70
