"""Dense: a dense layer without a posterior, trained by maximum likelihood or with a prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..activations import get_activation
from ..priors import Prior
from .base import register
from .blocks import in_blocks
from .point import PointLayer
from .records import LayerTrace
from .rows import OverRows

if TYPE_CHECKING:
    from ..noise.draws import Stream
    from .records import LayerParameters


@register
@dataclass(frozen=True)
class Dense(OverRows, PointLayer):
    """a = h kernel_mu + bias_mu,  outputs = f(a): point estimates, no noise, no KL.

    Parameters
    ----------
    inputs, outputs : int
        I and O, at least 1.
    activation : str
        f, as `DenseFlipout` takes it.
    bias : bool
    kernel_prior, bias_prior : Prior or (loc, scale), optional
        Its -log p joins the KL. A Normal prior N(0, s) is weight decay: the gradient gains
        kl_weight / s^2 times the weight, see `weight_decay`.
    initializer : str or mapping of str to array
        See `bnn_ref.layers.starting`.
    frozen : bool
        The optimiser leaves its weights alone; gradients are computed all the same.

    Raises
    ------
    ValueError
        For an option outside these; the message names it.
    """

    inputs: int
    outputs: int
    activation: str = "linear"
    bias: bool = True
    kernel_prior: Prior | tuple[float, float] | None = None
    bias_prior: Prior | tuple[float, float] | None = None
    initializer: Any = "glorot"
    frozen: bool = False

    type = "Dense"

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace`: inputs, pre_activation, outputs; as for `DenseFlipout`'s."""
        a = h @ p.kernel_mu  # (B, O), E60
        if self.bias:
            a = a + p.bias_mu  # E60
        outputs = get_activation(self.activation).function(a)  # E3
        return LayerTrace(inputs=h, pre_activation=a, outputs=outputs)

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
        slope = get_activation(self.activation).derivative(t.pre_activation, t.outputs)  # E8
        t.grad_pre_activation = grad_a = grad_outputs * slope  # (B, O), E8
        gradients.kernel_mu[...] = t.inputs.T @ grad_a  # a = h mu + ..., E60
        if self.bias:
            gradients.bias_mu[...] = np.sum(grad_a, axis=0)  # E60
        self.priors_backward(p, kl_weight, gradients)  # E24
        t.grad_inputs = grad_a @ p.kernel_mu.T  # E60
        return t.grad_inputs

    def draw_outputs(
        self, p: LayerParameters, h: NDArray[Any], stream: Stream, kind: str
    ) -> NDArray[Any]:
        """Return the outputs (rows, O), every draw's; arguments as for `DenseFlipout`'s."""
        a = in_blocks(h, p.kernel_mu)  # E60
        if self.bias:
            a = a + p.bias_mu  # E60
        return get_activation(self.activation).function(a)  # E3
