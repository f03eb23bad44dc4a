"""Elementwise: an activation alone, where none of the layer before can hold it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..activations import get_activation
from .base import register
from .records import LayerTrace
from .same_size import SameSize

if TYPE_CHECKING:
    from .records import LayerParameters


@register
@dataclass(frozen=True)
class Elementwise(SameSize):
    """outputs = f(h).

    Parameters
    ----------
    activation : str
        f, as `DenseFlipout` takes it.
    shape : int or tuple of int, optional
        Of one example; that of the layer before's outputs unless given.
    """

    activation: str
    shape: tuple[int, ...] | int | None = None

    type = "Elementwise"

    def __post_init__(self) -> None:
        get_activation(self.activation)
        self.settle_shape()

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace`: inputs and outputs; arguments as for `DenseFlipout.forward`."""
        return LayerTrace(inputs=h, outputs=get_activation(self.activation).function(h))  # E3

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
        slope = get_activation(self.activation).derivative(t.inputs, t.outputs)  # E8
        t.grad_inputs = grad_outputs * slope  # E8
        return t.grad_inputs
