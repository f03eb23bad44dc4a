"""Conv2D: a convolution without a posterior, trained by maximum likelihood or with a prior.

Patches, shapes and padding are those of `Convolution`.
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
from .point import PointLayer
from .records import LayerTrace

if TYPE_CHECKING:
    from ..noise import Stream
    from .records import LayerParameters


@register
@dataclass(frozen=True)
class Conv2D(Convolution, PointLayer):
    """A convolution of images (H, W, C) by a kernel (kh, kw, C, F) of point estimates.

    Parameters
    ----------
    filters, kernel_size, strides, padding, input_shape
        As for `Conv2DFlipout`.
    activation, bias, kernel_prior, bias_prior, initializer, frozen
        As for `Dense`; a bias is (F,).

    Raises
    ------
    ValueError
        For an option outside these, or a kernel larger than the image with "valid".
    """

    filters: int
    kernel_size: int | tuple[int, ...]
    strides: int | tuple[int, ...] = 1
    padding: str = "valid"
    activation: str = "linear"
    bias: bool = True
    kernel_prior: Prior | tuple[float, float] | None = None
    bias_prior: Prior | tuple[float, float] | None = None
    initializer: Any = "glorot"
    frozen: bool = False
    input_shape: tuple[int, ...] | None = None

    type = "Conv2D"

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace`: inputs, patches (B, P, K), pre_activation (B, P, F), outputs.

        Arguments as for `DenseFlipout.forward`; there is no noise.
        """
        patches = self._patches(self._images(h))  # (B, P, K), E30
        a = patches @ self._matrix(p.kernel_mu)  # (B, P, F), E60
        if self.bias:
            a = a + p.bias_mu  # E60
        outputs = get_activation(self.activation).function(a).reshape(len(h), -1)  # E3
        return LayerTrace(inputs=h, patches=patches, pre_activation=a, outputs=outputs)

    def backward(
        self,
        p: LayerParameters,
        noise: Any,
        t: LayerTrace,
        grad_outputs: NDArray[Any],
        kl_weight: float,
        gradients: LayerParameters,
    ) -> NDArray[Any]:
        """Return the gradient by the inputs, (B, I); arguments as for `DenseFlipout.backward`."""
        a = t.pre_activation
        slope = get_activation(self.activation).derivative(a, t.outputs.reshape(a.shape))  # E8
        t.grad_pre_activation = grad_a = grad_outputs.reshape(a.shape) * slope  # E8
        grad_mu = self._over_places(t.patches, grad_a)  # a = patches mu + ..., E33
        gradients.kernel_mu[...] = grad_mu.reshape(p.kernel_mu.shape)
        if self.bias:
            gradients.bias_mu[...] = np.sum(grad_a, axis=(0, 1))  # E60
        self.priors_backward(p, kl_weight, gradients)  # E24
        by_images = self._gather(grad_a @ self._matrix(p.kernel_mu).T)  # E34
        t.grad_inputs = by_images.reshape(t.inputs.shape)
        return t.grad_inputs

    def draw_outputs(
        self, p: LayerParameters, h: NDArray[Any], stream: Stream, kind: str
    ) -> NDArray[Any]:
        """Return the outputs (rows, P F), every draw's; arguments as for `Conv2DFlipout`'s."""
        outputs = np.empty((len(h), self.outputs), h.dtype)
        for part in row_blocks(len(h)):
            outputs[part] = self.forward(p, None, h[part]).outputs  # E60
        return outputs
