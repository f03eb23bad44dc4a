"""Local reparameterisation of a dense layer: noise on its outputs, not on its weights.

For example n, a_n = x_n kernel_mu + bias_mu + sqrt(x_n^2 sigma^2 + sigma_b^2) * output_eps_n, one
standard normal per example and output: the same distribution of each output as a weight draw's,
independent over examples. The KL and the rest of the layer are `DenseFlipout`'s.

Source: Kingma, Salimans and Welling (2015), equation 6; gradients derived here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..noise.draws import LocalLayerNoise
    from .dense_flipout import DenseFlipout
    from .records import LayerTrace


def perturb(layer: DenseFlipout, trace: LayerTrace, noise: LocalLayerNoise) -> NDArray[Any]:
    """Return the perturbation (B, O) of the pre-activations, and keep what its gradient needs.

    Sets ``trace.output_sigma`` (B, O), the standard deviation of each pre-activation.

    Parameters
    ----------
    layer : DenseFlipout
    trace : LayerTrace
        With ``inputs`` and the sigmas of the forward pass.
    noise : LocalLayerNoise
    """
    h, sigma = trace.inputs, trace.kernel_sigma
    variance = (h * h) @ (sigma * sigma)  # (B, O), E19
    if layer.bias_is_random:
        variance = variance + trace.bias_sigma * trace.bias_sigma  # E19
    trace.output_sigma = np.sqrt(variance)  # (B, O), E19
    return trace.output_sigma * noise.output_eps  # E19


def perturb_backward(
    layer: DenseFlipout, trace: LayerTrace, noise: LocalLayerNoise
) -> NDArray[Any]:
    """Return the gradient by h that passes through `perturb`, (B, I); set sigma's on the trace.

    With v = output_sigma^2: dl/dv = grad_a eps / (2 output_sigma), 0 where output_sigma is 0.

    Parameters
    ----------
    layer : DenseFlipout
    trace : LayerTrace
        With ``grad_pre_activation`` (B, O); ``grad_sigma`` and ``grad_bias_sigma`` are set.
    noise : LocalLayerNoise
    """
    h, sigma = trace.inputs, trace.kernel_sigma
    zero = trace.output_sigma == 0
    half_inverse = np.where(zero, 0, 0.5 / np.where(zero, 1, trace.output_sigma))  # E20
    grad_variance = trace.grad_pre_activation * noise.output_eps * half_inverse  # (B, O), E20
    grad_h = 2 * h * (grad_variance @ (sigma * sigma).T)  # variance = h^2 sigma^2, E20
    trace.grad_sigma = 2 * sigma * ((h * h).T @ grad_variance)  # E20
    if layer.bias_is_random:
        trace.grad_bias_sigma = 2 * trace.bias_sigma * np.sum(grad_variance, axis=0)  # E20
    return grad_h
