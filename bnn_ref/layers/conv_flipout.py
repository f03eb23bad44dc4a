"""Conv2DFlipout: a convolution with a posterior, perturbed by Flipout.

The kernel slides over the image unturned (a cross-correlation, as in every framework): at each
place it is a dense layer on the patch under it, the same for all places. An example has one sign a
channel and one a filter, the same at all places, so that one kernel explains each example's
outputs. Shapes stand at the ends of lines: B examples, P places, K = kh * kw * C numbers of a
patch, F filters. A backward line quotes the forward line it differentiates; `docs/derivation.md`
derives each.

Source: Wen, Vicol, Ba, Tran and Grosse (2018), section 3.2; padding, signs and initial values of
`tfp.layers.Convolution2DFlipout`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..activations import get_activation
from ..priors import Prior
from .base import register
from .blocks import row_blocks
from .convolution import Convolution
from .posterior import STANDARD_NORMAL, FlipoutLayer
from .records import LayerTrace
from .sigmas import sigma

if TYPE_CHECKING:
    from ..noise import Stream
    from .records import LayerParameters


@register
@dataclass(frozen=True)
class Conv2DFlipout(Convolution, FlipoutLayer):
    """A convolution of images (H, W, C) with a Normal posterior over its kernel (kh, kw, C, F).

    For example n at the place (u, v), with delta = sigma * kernel_eps and sigma = scale_shift +
    softplus(kernel_rho), x_n zero outside the image:

    a_nuvf = sum_ijc x_n,u+i,v+j,c (kernel_mu_ijcf + sign_input_nc delta_ijcf sign_output_nf)
    + bias_nf,  h = f(a).

    Inputs and outputs are flat rows between layers; a network also takes images (..., H, W, C).

    Parameters
    ----------
    filters : int
        F, at least 1.
    kernel_size, strides : int or (int, int)
        (kh, kw), and how far apart places are.
    padding : "valid" or "same"
        As TensorFlow pads, see `bnn_ref.layers.window`.
    activation, kernel_prior, bias, bias_prior, scale_shift, initializer, initial_sigma
        As for `DenseFlipout`; a bias is (F,), and its posterior's draw the same at all places.
    input_shape : (int, int, int), optional
        (H, W, C). A network fills in the shape of the layer before; the first layer's is to be
        given.

    Raises
    ------
    ValueError
        For an option outside these, or a kernel larger than the image with "valid".

    Source: Wen et al. (2018); `tfp.layers.Convolution2DFlipout`.
    """

    filters: int
    kernel_size: int | tuple[int, ...]
    strides: int | tuple[int, ...] = 1
    padding: str = "valid"
    activation: str = "linear"
    kernel_prior: Prior | tuple[float, float] = STANDARD_NORMAL
    bias: str = "deterministic"
    bias_prior: Prior | tuple[float, float] | None = None
    scale_shift: float | None = None
    initializer: Any = "tfp"
    initial_sigma: Any = None
    input_shape: tuple[int, ...] | None = None

    type = "Conv2DFlipout"

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace` of the forward pass.

        a = patches mu + (patches of (h * sign_input) (sigma * eps)) * sign_output + bias.

        Parameters
        ----------
        p : LayerParameters
        noise : LayerNoise
        h : array (B, I)

        Returns
        -------
        LayerTrace
            inputs (B, I); kernel_sigma, kernel_delta (kh, kw, C, F); bias_sigma, bias_delta (F,)
            where the bias has a posterior; patches, flipped_patches (B, P, K); perturbation,
            pre_activation (B, P, F); outputs (B, P * F). `backward` adds grad_outputs (B, P * F),
            grad_pre_activation (B, P, F); grad_delta, grad_sigma (kh, kw, C, F) and
            grad_bias_sigma (F,), gradients of the nll; kl_grad_mu, kl_grad_sigma, sigma_grad_rho
            (kh, kw, C, F); grad_inputs (B, I).
        """
        t = LayerTrace(inputs=h)
        t.kernel_sigma = sigma(p.scale_shift, p.kernel_rho)  # (kh, kw, C, F), E1
        if self.bias_is_random:
            t.bias_sigma = sigma(p.scale_shift, p.bias_rho)  # (F,), E1
        t.kernel_delta = t.kernel_sigma * noise.kernel_eps  # (kh, kw, C, F), E2
        images = self._images(h)  # (B, H, W, C)
        t.patches = self._patches(images)  # (B, P, K), E30
        t.flipped_patches = self._patches(images * noise.sign_input[:, None, None])  # E32
        flips = noise.sign_output[:, None]  # (B, 1, F)
        t.perturbation = (t.flipped_patches @ self._matrix(t.kernel_delta)) * flips  # E32
        a = t.patches @ self._matrix(p.kernel_mu) + t.perturbation  # (B, P, F), E32
        if self.bias != "none":
            a = a + p.bias_mu  # E3
        if self.bias_is_random:
            t.bias_delta = t.bias_sigma * noise.bias_eps  # (F,), E3
            a = a + t.bias_delta * (flips if self.bias == "normal_flipped" else 1)  # E3
        t.pre_activation = a
        t.outputs = get_activation(self.activation).function(a).reshape(len(h), -1)  # E3
        return t

    def backward(
        self,
        p: LayerParameters,
        noise: Any,
        t: LayerTrace,
        grad_outputs: NDArray[Any],
        kl_weight: float,
        gradients: LayerParameters,
    ) -> NDArray[Any]:
        """Return the gradient of the loss by the layer's inputs, (B, I), and fill its parameters'.

        Parameters
        ----------
        p, noise
            As in `forward`.
        t : LayerTrace
            Of the forward pass; the gradients' intermediates are added to it.
        grad_outputs : array (B, P * F)
            The gradient of the loss by the layer's outputs.
        kl_weight : float
        gradients : LayerParameters
            Filled in place: the gradient of nll + kl_weight * kl.
        """
        t.grad_outputs = grad_outputs
        a = t.pre_activation
        slope = get_activation(self.activation).derivative(a, t.outputs.reshape(a.shape))  # E8
        t.grad_pre_activation = grad_a = grad_outputs.reshape(a.shape) * slope  # h = f(a), E8

        flips = noise.sign_output[:, None]  # (B, 1, F)
        flipped_a = grad_a * flips  # (B, P, F), E33
        shape = p.kernel_mu.shape
        grad_mu = self._over_places(t.patches, grad_a)  # a = patches mu + ..., E33
        grad_delta = self._over_places(t.flipped_patches, flipped_a)  # E33
        t.grad_delta = grad_delta.reshape(shape)
        t.grad_sigma = t.grad_delta * noise.kernel_eps  # delta = sigma * eps, E11
        by_mean = self._gather(grad_a @ self._matrix(p.kernel_mu).T)  # patches mu, E34
        by_noise = self._gather(flipped_a @ self._matrix(t.kernel_delta).T)  # E34
        grad_images = by_mean + by_noise * noise.sign_input[:, None, None]  # h * sign_input, E34
        t.grad_inputs = grad_images.reshape(t.inputs.shape)

        gradients.kernel_mu[...] = grad_mu.reshape(shape)
        if self.bias != "none":
            gradients.bias_mu[...] = np.sum(grad_a, axis=(0, 1))  # a = ... + bias_mu, E15
        if self.bias_is_random:
            flipped = self.bias == "normal_flipped"  # a = ... + sigma_b * eps_b (* sign_output)
            summed = np.sum(flipped_a if flipped else grad_a, axis=(0, 1))  # (F,), E15
            t.grad_bias_sigma = summed * noise.bias_eps  # E15
        self.kl_backward(p, noise, t, kl_weight, gradients)  # E13 to E15
        return t.grad_inputs

    def draw_outputs(
        self, p: LayerParameters, h: NDArray[Any], stream: Stream, kind: str
    ) -> NDArray[Any]:
        """Return the outputs (rows, P * F) of one draw of a prediction.

        Each example is a product of its own, (P, K) by (K, F), so that its bits depend on no other
        row. Patches are made of `BLOCK_ROWS` examples at a time.

        Parameters
        ----------
        p : LayerParameters
        h : array (rows, I)
        stream : Stream
            Purpose "predict".
        kind : "weights", "flipout" or "mean"
            As for `bnn_ref.reference.draw_outputs`.
        """
        kernel, bias = p.kernel_mu, p.bias_mu
        if kind == "weights":
            kernel, bias = self.draw_weights(p, stream)  # E21
        noise = self.draw_noise(stream, len(h)) if kind == "flipout" else None
        outputs = np.empty((len(h), self.outputs), h.dtype)
        for part in row_blocks(len(h)):
            images = self._images(h[part])  # (rows, H, W, C)
            a = self._patches(images) @ self._matrix(kernel)  # E21; with kernel_mu E32
            if noise is not None:
                s, r = noise.sign_input[part, None, None], noise.sign_output[part, None]
                delta = sigma(p.scale_shift, p.kernel_rho) * noise.kernel_eps  # E2
                a = a + (self._patches(images * s) @ self._matrix(delta)) * r  # E32
                if self.bias_is_random:
                    flips = r if self.bias == "normal_flipped" else 1
                    a = a + sigma(p.scale_shift, p.bias_rho) * noise.bias_eps * flips  # E3
            if bias is not None:
                a = a + bias  # E3
            h_part = get_activation(self.activation).function(a)  # E3
            outputs[part] = h_part.reshape(len(images), -1)
        return outputs
