"""One layer's forward pass and the gradients through its noise, under a mistake: see `variants`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...activations import LEAKY, Activation, get_activation
from ...elementary import sigmoid, softplus
from ...noise import LocalLayerNoise
from .local_variants import perturb, perturb_backward

if TYPE_CHECKING:
    from ...layers import LayerParameters
    from .switches import Variant


def _inner(a):
    """Return what gelu's approximation takes the tanh of."""
    return np.sqrt(2 / np.pi) * (a + 0.044715 * a**3)


def _gelu_tanh_derivative(a, h):
    slope = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * a**2)
    return (1 + np.tanh(_inner(a))) / 2 + a / 2 * (1 - np.tanh(_inner(a)) ** 2) * slope


_GELU_TANH = Activation(
    "gelu_tanh", lambda a: a / 2 * (1 + np.tanh(_inner(a))), _gelu_tanh_derivative
)


def _activation(layer, variant):
    """Return the `Activation` of a layer under a variant."""
    if variant.activation == "gelu_tanh" and layer.activation == "gelu":
        return _GELU_TANH
    leaks = variant.activation.startswith(LEAKY) and layer.activation == "relu"
    return get_activation(variant.activation if leaks else layer.activation)


def _sigma(variant, shift, rho):
    """Return (sigma, d sigma / d rho)."""
    sigma, chain = _unpowered_sigma(variant, shift, rho)
    return _powered(sigma, variant.sigma_factor, variant.sigma_power, chain)


def _powered(sigma, factor, power, chain=1.0):
    """Return ((factor sigma)^power, its derivative times that of sigma)."""
    if (factor, power) == (1, 1):
        return sigma, chain
    scaled = factor * sigma
    return scaled**power, power * scaled ** (power - 1) * factor * chain


def _unpowered_sigma(variant, shift, rho):
    """Return (sigma, d sigma / d rho), whatever it is then multiplied by."""
    shift = shift if variant.shift is None else variant.shift
    if variant.sigma == "softplus":
        steep = variant.beta * variant.steepness
        return (shift + softplus(steep * rho) / variant.beta,
                variant.steepness * sigmoid(steep * rho))  # fmt: skip
    base = variant.sigma.removesuffix("_shifted")
    added = shift if variant.sigma.endswith("_shifted") else 0.0
    half = 0.5 if base == "exp_half" else 1.0
    return added + np.exp(half * rho), half * np.exp(half * rho)


def forward_layer(
    layer: Any, p: LayerParameters, noise: Any, h: NDArray[Any], variant: Variant
) -> SimpleNamespace:
    """Return one layer's trace under a variant; see `forward`.

    Parameters
    ----------
    layer : DenseFlipout
    p : LayerParameters
    noise : LayerNoise or LocalLayerNoise
    h : array (B, I)
    variant : Variant
    """
    t = SimpleNamespace(x=h, layer=layer, p=p, noise=noise)
    t.is_local = isinstance(noise, LocalLayerNoise)
    t.eps = t.bias_eps = None
    square = layer.inputs == layer.outputs
    t.turn = square and variant.transposed in ("all", "parameters", "loaded")
    t.mu, rho = (p.kernel_mu.T, p.kernel_rho.T) if t.turn else (p.kernel_mu, p.kernel_rho)
    t.sigma, t.chain = _sigma(variant, p.scale_shift, rho)
    if layer.bias_is_random:
        t.bias_sigma, t.bias_chain = _sigma(variant, p.scale_shift, p.bias_rho)
    t.si, t.so = _signs(t, variant, square)
    t.flipped_x = h * t.si
    no_signs = np.ones_like(t.so)
    t.mean_x, t.mean_so = (t.flipped_x, t.so) if variant.mean_flipped else (h, no_signs)
    mean = (t.mean_x @ t.mu) * t.mean_so
    t.whole = variant.mean_flipped == "all" or variant.bias_flip == "whole"
    t.bias_so = t.so if t.whole else no_signs
    bias = p.bias_mu * t.bias_so if layer.bias != "none" else np.zeros_like(t.so)
    if t.is_local:
        eps = variant.noise_factor * _shared_eps(noise.output_eps, variant.eps_shared)
        noisy = perturb(t, eps, variant)
        bias_noise = 0.0
    else:
        noisy, bias_noise = _perturb(t, variant)
    t.mean, t.a = mean + bias, mean + noisy
    bias = bias + bias_noise
    t.activation = _activation(layer, variant)
    function = t.activation.function
    if variant.activation_first:
        t.h = function(t.a) + bias
    else:
        t.a = t.a + bias
        t.h = function(t.a)
    return t


def _perturb(t, variant):
    """Return the noise (B, O) of the kernel's draw, and that of the bias's; set what they are of.

    Each is a perturbation of all examples by one draw, flipped by the signs.
    """
    t.eps = t.noise.kernel_eps
    if t.turn and variant.transposed != "parameters":
        t.eps = t.eps.T
    t.eps = _shared_eps(t.eps, variant.eps_shared)
    drawn, t.noise_chain = _powered(t.sigma, variant.noise_factor, variant.noise_power)
    t.delta, bias_noise = drawn * t.eps, 0.0
    if t.layer.bias_is_random:
        flips = (t.layer.bias == "normal_flipped") != (variant.bias_flip == "other")
        t.draw_so = t.so if flips or t.whole else np.ones_like(t.so)
        t.bias_eps = t.noise.bias_eps
        drawn, t.bias_noise_chain = _powered(
            t.bias_sigma, variant.noise_factor, variant.noise_power
        )
        bias_noise = drawn * t.bias_eps * t.draw_so
    return (t.flipped_x @ t.delta) * t.so, bias_noise


def noise_backward(
    t: SimpleNamespace, grad_a: NDArray[Any], grad_b: NDArray[Any] | None = None, lost: str = ""
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """Return the gradients through a layer's noise: by inputs, by sigma, by the bias's sigma.

    Parameters
    ----------
    t : SimpleNamespace
        Of `forward_layer`.
    grad_a : array (B, O)
        By the pre-activations.
    grad_b : array (B, O), optional
        By the bias, where it is not the same.
    lost : str
        Where eps is left out, `Variant.eps_chain`.

    Returns
    -------
    (array (B, I), array (I, O), array (O,) or None)
    """
    if t.is_local:
        return perturb_backward(t, grad_a, lost)
    noise_a, grad_bias = grad_a * t.so, None
    if t.layer.bias_is_random:
        flowing = (grad_a if grad_b is None else grad_b) * t.draw_so
        grad_bias = np.sum(flowing, axis=0) * t.bias_noise_chain
        grad_bias = grad_bias if lost in ("all", "bias") else grad_bias * t.bias_eps
    grad_sigma = (t.flipped_x.T @ noise_a) * t.noise_chain
    grad_sigma = grad_sigma if lost in ("all", "kernel") else grad_sigma * t.eps
    return (noise_a @ t.delta.T) * t.si, grad_sigma, grad_bias


def _signs(t, variant, square):
    """Return input and output signs as a variant takes them; local noise has none, each is 1."""
    if t.is_local:
        return np.ones_like(t.x), np.ones_like(t.noise.output_eps)
    si, so = t.noise.sign_input, t.noise.sign_output
    if variant.signs_swapped and square:
        si, so = so, si
    if not variant.sign_input:
        si = np.ones_like(si)
    if not variant.sign_output:
        so = np.ones_like(so)
    if variant.signs_shared in ("input", "both"):
        si = np.broadcast_to(si[:1], si.shape)
    if variant.signs_shared in ("output", "both"):
        so = np.broadcast_to(so[:1], so.shape)
    return si, so


def _shared_eps(eps, how):
    """Return the draws, of which one may stand for all outputs, all inputs or all weights."""
    part = {"outputs": eps[:, :1], "inputs": eps[:1], "all": eps[:1, :1]}.get(how, eps)
    return np.broadcast_to(part, eps.shape)
