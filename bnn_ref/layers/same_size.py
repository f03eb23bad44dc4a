"""What layers share whose outputs have the shape of their inputs, whatever that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from math import prod
from typing import Any

from numpy.typing import DTypeLike

from ..border import check_size
from ..errors import expected
from .base import Layer


class SameSize(Layer):
    """A layer that changes no shape: a frozen dataclass whose last field is ``shape``.

    Left out, the shape is that of the outputs of the layer before, (I,) or (H, W, C). Rows stay
    flat, (B, I); where it matters, the last axis is found again by ``features``.
    """

    shape: tuple[int, ...] | int | None = None

    def settle_shape(self) -> None:
        """Keep the shape as a tuple of whole numbers, one number as (I,), or None."""
        if self.shape is None:
            return
        shape = (self.shape,) if not isinstance(self.shape, tuple | list) else self.shape
        if not shape:
            raise expected("shape", "at least one number", repr(self.shape))
        shape = tuple(check_size(size, "shape") for size in shape)
        object.__setattr__(self, "shape", shape)

    @property
    def inputs(self) -> Any:  # type: ignore[override]
        """I, the product of the shape; None where it has not been settled."""
        return None if self.shape is None else prod(self.shape)

    @property
    def outputs(self) -> Any:  # type: ignore[override]
        """O = I."""
        return self.inputs

    @property
    def input_shape(self) -> Any:
        """The shape: a batch may have it, too."""
        return self.shape

    @property
    def output_shape(self) -> Any:
        """The shape."""
        return self.shape

    @property
    def features(self) -> int:
        """C, the length of the last axis."""
        return self.shape[-1]

    def after(self, shape: tuple[int, ...], thing: str) -> Layer:
        """Return the layer with that shape; arguments as for `Layer.after`."""
        return replace(self, shape=tuple(shape)) if self.shape is None else self

    def options(self) -> dict[str, Any]:
        """Return name to value of every option but the shape."""
        return {key.name: getattr(self, key.name) for key in fields(self) if key.name != "shape"}

    def describe(self) -> str:
        """Return the layer in one line, for `repr` of the network."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.options().items())
        size = " x ".join(str(n) for n in self.shape or ("any",))
        return f"{size} {self.type}({given})"

    def to_json(self, dtype: DTypeLike | None = None) -> dict[str, Any]:
        """Return the layer's description; arguments as for `DenseFlipout.to_json`."""
        shape = {"shape": None if self.shape is None else list(self.shape)}
        return {"type": self.type, **self.options(), **shape}

    @classmethod
    def from_json(cls, description: Mapping[str, Any], inputs: int) -> SameSize:
        """Return the layer of what `to_json` wrote.

        Parameters
        ----------
        description : dict
        inputs : int
        """
        options = {key: value for key, value in description.items() if key != "type"}
        unknown = sorted(set(options) - {key.name for key in fields(cls)})
        if unknown:
            raise expected(f"layer {cls.type}", "keys that it has", repr(unknown[0]))
        for key in fields(cls):
            if key.default is MISSING and key.name not in options:
                raise expected(f"layer {cls.type}: {key.name}", "such a key", "none")
        layer = cls(**options)
        if layer.shape is not None and layer.inputs != inputs:
            raise expected(f"layer {cls.type}: shape", f"one of {inputs} in all", layer.shape)
        return layer
