"""OverImages: what layers have in common whose inputs are images, or signals of one dimension.

Between layers data are flat rows (B, I); such a layer knows how its own are arranged.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ..errors import expected
from .window import check_sizes, make_window


class OverImages:
    """Sizes of a frozen dataclass with the field ``input_shape``, (H, W, C), or (T, C) for signals.

    Where nobody gave one it is None until a network says, by `after`, what the layer before has.

    Attributes
    ----------
    dims : int
        2 for images, 1 for signals.
    """

    dims = 2

    @property
    def inputs(self) -> int | None:
        """I, all numbers of an image; None until the input_shape is known."""
        return None if self.input_shape is None else prod(self.input_shape)

    @property
    def outputs(self) -> int | None:
        """O, all numbers of an image; None until the input_shape is known."""
        return None if self.input_shape is None else prod(self.output_shape)

    def after(self, shape: tuple[int, ...], thing: str) -> Any:
        """Return the layer behind outputs of that shape.

        Parameters
        ----------
        shape : tuple of int
        thing : str
            What messages call the layer.

        Raises
        ------
        ValueError
            Where the shape is no image, not the one that was given, or too small.
        """
        image = len(shape) == self.dims + 1
        if self.input_shape is not None:
            if image and self.input_shape != tuple(shape):
                raise expected(f"{thing}.input_shape", f"{shape}, as the layer before gives",
                               self.input_shape)  # fmt: skip
            return self
        if not image:
            wanted = f"{self._wanted()}, for what is before it has no such shape"
            raise expected(f"{thing}.input_shape", wanted, f"{shape}")
        try:
            return replace(self, input_shape=tuple(shape))
        except ValueError as error:
            raise ValueError(f"{thing}.{error}") from None

    def _wanted(self):
        return "(height, width, channels)" if self.dims == 2 else "(length, channels)"

    def _settle(self, **values):
        """Keep checked values of fields, the image's shape among them."""
        shape = self.input_shape
        if shape is not None:
            if np.ndim(shape) != 1 or len(shape) != self.dims + 1:
                raise expected("input_shape", self._wanted(), repr(shape))
            values["input_shape"] = check_sizes(tuple(shape), "input_shape", self.dims + 1, None)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _window(self, size, strides, padding, thing):
        """Return the `Window` of that size over the layer's images; see `make_window`."""
        ones = (1,) * (2 - self.dims)
        image = ones + self.input_shape
        return make_window(image, ones + size, ones + strides, padding, thing)

    def _images(self, h):
        """Return flat rows as (B, H, W, C)."""
        return h.reshape(-1, *self.window.image)

    def _shape_to_json(self):
        return {"input_shape": None if self.input_shape is None else list(self.input_shape)}
