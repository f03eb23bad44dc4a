"""LayerNorm: every example (or position) normalised by its own mean and deviation.

Source: Ba, Kiros and Hinton (2016), "Layer normalization", equations 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..border import check_number
from .base import register
from .normalising import inverse_deviation, moments, normalise_backward
from .records import LayerTrace
from .same_size import SameSize

if TYPE_CHECKING:
    from ..noise.draws import Stream
    from .records import LayerParameters


@register
@dataclass(frozen=True)
class LayerNorm(SameSize):
    """h normalised along its last axis, times ``scale``, plus ``shift``: (C,) each, learned.

    normalised = (h - mean) / sqrt(variance + epsilon), mean and variance over the C features of
    one row (of one position of an image). No example sees another, in training or in prediction.

    Parameters
    ----------
    epsilon : float, > 0
        Added to the variance: 1e-5 in PyTorch, 1e-3 in Keras.
    shape : int or tuple of int, optional
        Of one example; that of the layer before's outputs unless given.
    """

    epsilon: float = 1e-5
    shape: tuple[int, ...] | int | None = None

    type = "LayerNorm"
    tensors: ClassVar[tuple[str, ...]] = ("scale", "shift")

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", check_number(self.epsilon, "epsilon", "(0, inf)"))
        self.settle_shape()

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name to shape: "scale" and "shift", (C,) each."""
        return {"scale": (self.features,), "shift": (self.features,)}

    def initial(self, stream: Stream, scale_shift: float | None) -> dict[str, NDArray[Any]]:
        """Return scale 1 and shift 0; arguments as for `DenseFlipout.initial`."""
        return {"scale": np.ones(self.features), "shift": np.zeros(self.features)}

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace`: normalised (B, I), inverse (B I / C, 1), inputs and outputs.

        Arguments as for `DenseFlipout.forward`; there is no noise.
        """
        x = h.reshape(-1, self.features)  # (B I / C, C)
        mean, variance = moments(x, 1)  # E62
        inverse = inverse_deviation(variance, self.epsilon)  # E62
        normalised = (x - mean) * inverse  # E62
        outputs = (normalised * p.scale + p.shift).reshape(h.shape)  # E62
        return LayerTrace(inputs=h, inverse=inverse, normalised=normalised, outputs=outputs)

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
        grad = grad_outputs.reshape(t.normalised.shape)
        gradients.scale[...] = np.sum(grad * t.normalised, axis=0)  # E63
        gradients.shift[...] = np.sum(grad, axis=0)  # E63
        t.grad_inputs = normalise_backward(grad * p.scale, t.normalised, t.inverse, 1)  # E63
        t.grad_inputs = t.grad_inputs.reshape(t.inputs.shape)
        return t.grad_inputs
