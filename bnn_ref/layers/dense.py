"""Dense: a dense layer without a posterior, trained by maximum likelihood or with a prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..activations import get_activation
from ..border import check_size
from ..errors import expected
from ..priors import Prior
from .base import register
from .blocks import in_blocks
from .point import PointLayer
from .records import LayerTrace

if TYPE_CHECKING:
    from ..noise.draws import Stream
    from .records import LayerParameters


@register
@dataclass(frozen=True)
class Dense(PointLayer):
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", check_size(self.inputs, "inputs"))
        object.__setattr__(self, "outputs", check_size(self.outputs, "outputs"))
        self._settle_options()
        self._check_priors()

    @property
    def kernel_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """(I, O)."""
        return (self.inputs, self.outputs)

    @property
    def units(self) -> int:  # type: ignore[override]
        """O."""
        return self.outputs

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

    def describe(self) -> str:
        """Return the layer in one line, for `repr` of the network."""
        return f"{self.inputs} -> {self.outputs} {self.describe_options()}"

    def to_json(self, dtype: DTypeLike | None = None) -> dict[str, Any]:
        """Return the layer's description; arguments as for `DenseFlipout.to_json`."""
        return {"type": "Dense", "units": self.outputs, **self.options_to_json(dtype)}

    @classmethod
    def from_json(cls, description: Mapping[str, Any], inputs: int) -> Dense:
        """Return the layer of what `to_json` wrote; arguments as for `SameSize.from_json`."""
        options = {key: value for key, value in description.items() if key != "type"}
        try:
            units = options.pop("units")
            return cls(inputs, check_size(units, "units"), **options)
        except (KeyError, TypeError):
            known = ["type", "units", *list(cls.__dataclass_fields__)[2:]]
            raise expected("layer Dense", f"keys of {known}", sorted(description)) from None
