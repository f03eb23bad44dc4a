"""Residual: a list of layers as one layer, its inputs added to their outputs.

Source: He, Zhang, Ren and Sun (2016), "Deep residual learning for image recognition", equation 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..border import check_flag
from ..errors import expected
from ..noise import NestedNoise
from ..priors import KLParts
from .base import Layer, register
from .chain import chain, layers_from_json
from .records import LayerParameters, LayerTrace

if TYPE_CHECKING:
    from ..noise.draws import Stream


@register
@dataclass(frozen=True)
class Residual(Layer):
    """outputs = h + f(h), f a list of layers; or f(h) alone.

    Parameters
    ----------
    layers : sequence of Layer
        f, first to last; its outputs have the shape of its inputs where they are added.
    add : bool
        False: the layers alone, as one layer.

    Raises
    ------
    ValueError
        Where two neighbours, or the outputs and inputs, do not fit; the message names the layer.
    """

    layers: Sequence[Layer]
    add: bool = True

    type = "Residual"

    def __post_init__(self) -> None:
        layers = (self.layers,) if isinstance(self.layers, Layer) else tuple(self.layers)
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "add", check_flag(self.add, "add"))
        if not layers:
            raise expected("layers", "at least one layer", "none")
        if isinstance(layers[0], Layer) and layers[0].inputs is not None:
            self._settle(None, "layers")

    def _settle(self, before, thing):
        """Fit the layers to each other, behind outputs of that shape."""
        layers = chain(self.layers, before, thing)
        object.__setattr__(self, "layers", layers)
        if self.add and self.outputs != self.inputs:
            raise expected(f"{thing}[{len(layers) - 1}].outputs",
                           f"{self.inputs}, the inputs that they are added to",
                           self.outputs)  # fmt: skip

    def after(self, shape: tuple[int, ...], thing: str) -> Residual:
        """Return the layer behind outputs of that shape; arguments as for `Layer.after`."""
        if self.inputs is not None and self.inputs != prod(shape):
            return self
        other = replace(self)
        other._settle(tuple(shape), f"{thing}.layers")
        return other

    @property
    def inputs(self) -> Any:  # type: ignore[override]
        """I of the first layer; None where it has not been settled."""
        return self.layers[0].inputs

    @property
    def input_shape(self) -> Any:
        """That of the first layer."""
        return self.layers[0].input_shape

    @property
    def outputs(self) -> Any:  # type: ignore[override]
        """O of the last layer."""
        return self.layers[-1].outputs

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The last layer's, as the layer behind learns it."""
        return self.layers[-1].output_shape

    def _nested(self, of):
        """Return name to value of what `of` returns for each layer, the names nested."""
        return {
            f"layers.{j}.{name}": value
            for j, layer in enumerate(self.layers)
            for name, value in of(j, layer).items()
        }

    def _parted(self, named):
        """Return, for each layer, the values of its nested names by its own names for them."""
        starts = [f"layers.{j}." for j in range(len(self.layers))]
        return [{name.removeprefix(start): value for name, value in named.items()
                 if name.startswith(start)} for start in starts]  # fmt: skip

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Nested name ("layers.0.kernel_mu") to shape."""
        return self._nested(lambda j, layer: layer.parameter_shapes)

    @property
    def fixed(self) -> tuple[str, ...]:
        """Nested names of what the optimiser leaves alone."""
        return tuple(self._nested(lambda j, layer: dict.fromkeys(layer.fixed)))

    @property
    def least_rows(self) -> int:
        """The most that one of the layers asks for."""
        return max(layer.least_rows for layer in self.layers)

    @property
    def num_random(self) -> int:
        """How many weights of the layers have a posterior."""
        return sum(layer.num_random for layer in self.layers)

    def settled_shift(self, dtype: DTypeLike) -> tuple[Any, ...]:
        """Return each layer's, a tuple."""
        return tuple(layer.settled_shift(dtype) for layer in self.layers)

    def parameters(self, scale_shift: Any, views: Mapping[str, NDArray[Any]]) -> LayerParameters:
        """Return `LayerParameters` that hold the layers'; arguments as for `Layer.parameters`."""
        each = zip(self.layers, scale_shift, self._parted(views), strict=True)
        inside = tuple(layer.parameters(shift, own) for layer, shift, own in each)
        return LayerParameters(scale_shift=scale_shift, layers=inside)

    def walk(self, p: LayerParameters | None, name: str) -> Iterator[tuple[str, Layer, Any]]:
        """Yield (name, layer, its parameters) of every layer that has none inside it."""
        inner = [None] * len(self.layers) if p is None else p.layers
        for j, (layer, own) in enumerate(zip(self.layers, inner, strict=True)):
            yield from layer.walk(own, f"{name}.layers.{j}")

    def initial(self, stream: Stream, scale_shift: Any) -> dict[str, NDArray[Any]]:
        """Return nested name to array, each layer's from a stream of its own."""
        return self._nested(lambda j, layer: layer.initial(stream.inside(j), scale_shift[j]))

    def draw_noise(self, stream: Stream, rows: int, estimator: str = "flipout") -> NestedNoise:
        """Return the layers' noise as a `NestedNoise`; arguments as for `DenseFlipout`'s."""
        drawn = [layer.draw_noise(stream.inside(j), rows, estimator)
                 for j, layer in enumerate(self.layers)]  # fmt: skip
        return NestedNoise(tuple(drawn))

    def noise_of(self, arrays: Mapping[str, NDArray[Any]]) -> NestedNoise:
        """Return the `NestedNoise` of nested names; arguments as for `Layer.noise_of`."""
        each = zip(self.layers, self._parted(arrays), strict=True)
        return NestedNoise(tuple(layer.noise_of(own) for layer, own in each))

    def check_noise(self, noise: Any, rows: int, dtype: np.dtype[Any], thing: str) -> None:
        """Raise where a layer's noise does not fit it; arguments as for `Layer.check_noise`."""
        inside = getattr(noise, "layers", None)
        if not isinstance(inside, tuple) or len(inside) != len(self.layers):
            raise expected(thing, f"the noise of {len(self.layers)} layers", type(noise).__name__)
        for j, (layer, layer_noise) in enumerate(zip(self.layers, inside, strict=True)):
            layer.check_noise(layer_noise, rows, dtype, f"{thing}.layers[{j}]")

    def kl(self, p: LayerParameters, noise: Any = None, trace: LayerTrace | None = None) -> Any:
        """Return the sum of the layers' KL; arguments as for `Layer.kl`."""
        drawn = [None] * len(self.layers) if noise is None else noise.layers
        traces = [None] * len(self.layers) if trace is None else trace.layers
        each = zip(self.layers, p.layers, drawn, traces, strict=True)
        return sum(layer.kl(own, n, t) for layer, own, n, t in each)  # E5

    def kl_parts(self, p: LayerParameters, noise: Any = None) -> KLParts:
        """Return the sums of the layers' `KLParts`; arguments as for `Layer.kl`."""
        drawn = [None] * len(self.layers) if noise is None else noise.layers
        each = zip(self.layers, p.layers, drawn, strict=True)
        parts = [layer.kl_parts(own, n) for layer, own, n in each]
        return KLParts(*(sum(part) for part in zip(*parts, strict=True)))  # E5

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace`: inputs, the layers' traces as ``layers``, outputs.

        Arguments as for `DenseFlipout.forward`.
        """
        traces, x = [], h
        for layer, own, n in zip(self.layers, p.layers, noise.layers, strict=True):
            traces.append(layer.forward(own, n, x))
            x = traces[-1].outputs
        outputs = h + x if self.add else x  # E67
        return LayerTrace(inputs=h, layers=tuple(traces), outputs=outputs)

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
        grad = grad_outputs
        for j in reversed(range(len(self.layers))):
            grad = self.layers[j].backward(p.layers[j], noise.layers[j], t.layers[j], grad,
                                           kl_weight, gradients.layers[j])  # fmt: skip
        t.grad_inputs = grad_outputs + grad if self.add else grad  # E67
        return t.grad_inputs

    def statistics_after(self, p: LayerParameters, trace: LayerTrace) -> dict[str, NDArray[Any]]:
        """Return nested name to next value; arguments as for `Layer.statistics_after`."""
        return self._nested(
            lambda j, layer: layer.statistics_after(p.layers[j], trace.layers[j])
        )  # fmt: skip

    def draw_outputs(
        self, p: LayerParameters, h: NDArray[Any], stream: Stream, kind: str
    ) -> NDArray[Any]:
        """Return the outputs (rows, O) of one draw; arguments as for `DenseFlipout`'s."""
        x = h
        for j, (layer, own) in enumerate(zip(self.layers, p.layers, strict=True)):
            x = layer.draw_outputs(own, x, stream.inside(j), kind)
        return h + x if self.add else x  # E67

    def describe(self) -> str:
        """Return the layer in one line, for `repr` of the network."""
        inner = "; ".join(layer.describe() for layer in self.layers)
        return f"{self.inputs} -> {self.outputs} {'h + ' if self.add else ''}({inner})"

    def to_json(self, dtype: DTypeLike | None = None) -> dict[str, Any]:
        """Return the layer's description; arguments as for `DenseFlipout.to_json`."""
        layers = [layer.to_json(dtype) for layer in self.layers]
        return {"type": "Residual", "add": self.add, "layers": layers}

    @classmethod
    def from_json(
        cls, description: Mapping[str, Any], inputs: int | tuple[int, ...] | None
    ) -> Residual:
        """Return the layer of what `to_json` wrote; arguments as for `SameSize.from_json`."""
        if set(description) != {"type", "add", "layers"}:
            raise expected("layer Residual", "the keys type, add and layers", sorted(description))
        return cls(layers_from_json(description["layers"], inputs), description["add"])

    @classmethod
    def from_json_behind(
        cls, description: Mapping[str, Any], shape: tuple[int, ...] | None
    ) -> Residual:
        """Return the layer of a description; those inside learn the shape: as in `Layer`."""
        return cls.from_json(description, shape)
