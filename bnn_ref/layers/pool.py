"""MaxPool2D, AveragePool2D, Flatten: layers of images without parameters or noise.

Shapes stand at the ends of lines: B examples, (OH, OW) places, k numbers under the window at each,
C channels. Sizes and padding are TensorFlow's (`window.py`); padding is never pooled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..border import check_choice
from ..errors import expected
from .base import Layer, register
from .images import OverImages
from .records import LayerTrace
from .window import PADDINGS, Window, check_sizes

if TYPE_CHECKING:
    from .records import LayerParameters


class _Plain(OverImages, Layer):
    """A layer of images that is its shape and its options."""

    def describe(self) -> str:
        """Return the layer in one line, for `repr` of the network."""
        return f"{self.input_shape} -> {self.output_shape} {self.type}"

    @classmethod
    def from_json(cls, description: Mapping[str, Any], inputs: int) -> _Plain:
        """Return the layer that `to_json` described.

        Parameters
        ----------
        description : dict
        inputs : int
            Of no account: the shape says it.

        Raises
        ------
        ValueError
            For other keys.
        """
        keys = {"type", *(field.name for field in fields(cls))}
        if set(description) != keys:
            raise expected("layer", f"an object with keys {sorted(keys)}", sorted(description))
        return cls(**{key: value for key, value in description.items() if key != "type"})


@dataclass(frozen=True)
class _Pool(_Plain):
    """A window over images whose numbers become one, channel by channel."""

    pool_size: int | tuple[int, int] = 2
    strides: int | tuple[int, int] | None = None
    padding: str = "valid"
    input_shape: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        size = check_sizes(self.pool_size, "pool_size")
        strides = size if self.strides is None else check_sizes(self.strides, "strides")
        check_choice(self.padding, "padding", PADDINGS)
        self._settle(pool_size=size, strides=strides)
        if self.input_shape is not None:
            self.window  # noqa: B018, it refuses a window that does not fit

    @property
    def window(self) -> Window:
        """The places over the image, a `Window`."""
        return self._window(self.pool_size, self.strides, self.padding, "pool_size")

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(OH, OW, C)."""
        return *self.window.places, self.input_shape[-1]

    def describe(self) -> str:
        """Return the layer in one line, for `repr` of the network."""
        size = "x".join(map(str, self.pool_size))
        stride = "" if self.strides == self.pool_size else f", strides {self.strides}"
        return f"{super().describe()} {size} {self.padding}{stride}"

    def to_json(self, dtype: DTypeLike | None = None) -> dict[str, Any]:
        """Return the layer's description; the dtype is of no account."""
        return {"type": self.type, "pool_size": list(self.pool_size),
                "strides": list(self.strides), "padding": self.padding,
                **self._shape_to_json()}  # fmt: skip


@register
@dataclass(frozen=True)
class MaxPool2D(_Pool):
    """The largest number under the window; of equal ones the first, row by row.

    The gradient goes to that one alone. A NaN is the largest.

    Parameters
    ----------
    pool_size, strides, padding, input_shape
        As for `AveragePool2D`.
    """

    type = "MaxPool2D"

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace`: inputs (B, I), taken (B, OH, OW, 1, C), outputs (B, O).

        Parameters
        ----------
        p, noise
            Of no account.
        h : array (B, I)
        """
        t = LayerTrace(inputs=h)
        patches = self.window.patches(self._images(h), -np.inf)  # (B, OH, OW, k, C), E30
        t.taken = np.argmax(patches.real, axis=3, keepdims=True)  # the first, E35
        t.outputs = np.take_along_axis(patches, t.taken, axis=3).reshape(len(h), -1)  # E35
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
        """Return the gradient by the inputs, (B, I); arguments as for `DenseFlipout.backward`."""
        window = self.window
        t.grad_outputs = grad_outputs
        shape = (len(grad_outputs), *window.places, window.count, window.image[2])
        grad_patches = np.zeros(shape, grad_outputs.dtype)
        np.put_along_axis(grad_patches, t.taken, grad_outputs.reshape(t.taken.shape), 3)  # E35
        t.grad_inputs = window.gather(grad_patches).reshape(t.inputs.shape)  # E31
        return t.grad_inputs


@register
@dataclass(frozen=True)
class AveragePool2D(_Pool):
    """The mean of those numbers under the window that lie in the image, channel by channel.

    Parameters
    ----------
    pool_size : int or (int, int)
    strides : int or (int, int), optional
        The pool_size unless given.
    padding : "valid" or "same"
    input_shape : (int, int, int), optional
        (H, W, C); a network fills in that of the layer before.

    Raises
    ------
    ValueError
        For an option outside these, or a window larger than the image with "valid".
    """

    type = "AveragePool2D"

    def _counts(self):
        """How many numbers of the image lie under the window, (OH, OW, 1)."""
        height, width, _ = self.window.image
        ones = self.window._replace(image=(height, width, 1))
        return ones.patches(np.ones((1, height, width, 1)))[0].sum(axis=2)  # E36

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace`: inputs (B, I), outputs (B, O).

        Parameters
        ----------
        p, noise
            Of no account.
        h : array (B, I)
        """
        patches = self.window.patches(self._images(h))  # (B, OH, OW, k, C), E30
        means = np.sum(patches, axis=3) / self._counts().astype(h.real.dtype)  # E36
        return LayerTrace(inputs=h, outputs=means.reshape(len(h), -1))

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
        window = self.window
        t.grad_outputs = grad_outputs
        grad = grad_outputs.reshape(-1, *window.places, window.image[2])
        share = grad / self._counts().astype(grad.real.dtype)  # (B, OH, OW, C), E36
        grad_patches = np.repeat(share[:, :, :, None], window.count, axis=3)  # E36
        t.grad_inputs = window.gather(grad_patches).reshape(t.inputs.shape)  # E31
        return t.grad_inputs


@register
@dataclass(frozen=True)
class Flatten(_Plain):
    """Images or signals as plain rows: no number changes, but the layer behind sees no image.

    A `DenseFlipout` takes images as rows with or without it.

    Parameters
    ----------
    input_shape : tuple of int, optional
        (H, W, C), or any other; a network fills in that of the layer before.
    """

    input_shape: tuple[int, ...] | None = None

    type = "Flatten"

    def __post_init__(self) -> None:
        if self.input_shape is None:
            return
        if np.ndim(self.input_shape) != 1 or not len(self.input_shape):
            raise expected("input_shape", "one or more whole numbers", repr(self.input_shape))
        shape = check_sizes(tuple(self.input_shape), "input_shape", len(self.input_shape), None)
        object.__setattr__(self, "input_shape", shape)

    def after(self, shape: tuple[int, ...], thing: str) -> Any:
        """Return the layer behind outputs of any shape; arguments as for `Layer.after`."""
        return replace(self, input_shape=tuple(shape)) if self.input_shape is None else self

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(I,)."""
        return (self.inputs,)

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace`: inputs and outputs (B, I) are the same array.

        Parameters
        ----------
        p, noise
            Of no account.
        h : array (B, I)
        """
        return LayerTrace(inputs=h, outputs=h)

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
        t.grad_outputs = t.grad_inputs = grad_outputs
        return grad_outputs

    def to_json(self, dtype: DTypeLike | None = None) -> dict[str, Any]:
        """Return the layer's description; the dtype is of no account."""
        return {"type": self.type, **self._shape_to_json()}
