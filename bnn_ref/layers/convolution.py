"""Convolution: the sizes of a layer whose kernel slides over an image, and its products by patches.

The same with a posterior (`Conv2DFlipout`) and without (`Conv2D`). Shapes as there: B examples, P
places, K = kh * kw * C numbers of a patch, F filters.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar

from ..border import check_choice, check_size
from .images import OverImages
from .window import PADDINGS, Window, check_sizes


class Convolution(OverImages):
    """Sizes, places and patches of a frozen dataclass with the fields in ``sizes``.

    Its other base is a `FlipoutLayer` or a `PointLayer`, which knows its options.
    """

    sizes: ClassVar[tuple[str, ...]] = (
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "input_shape",
    )

    def __post_init__(self) -> None:
        self._settle(
            filters=check_size(self.filters, "filters"),
            kernel_size=check_sizes(self.kernel_size, "kernel_size", self.dims),
            strides=check_sizes(self.strides, "strides", self.dims),
            padding=check_choice(self.padding, "padding", PADDINGS),
        )
        self._settle_options()
        if self.input_shape is not None:
            self._check_priors()
            self.window  # noqa: B018, it refuses a kernel that does not fit

    @property
    def window(self) -> Window:
        """The kernel's places over the image, a `Window`."""
        return self._window(self.kernel_size, self.strides, self.padding, "kernel_size")

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(OH, OW, F), or (OT, F) for signals."""
        return *self.window.places[2 - self.dims :], self.filters

    @property
    def kernel_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """(kh, kw, C, F), or (k, C, F) for signals."""
        return *self.kernel_size, self.channels, self.filters

    @property
    def channels(self) -> int:  # type: ignore[override]
        """C: each channel of an example has a sign, the same at all places."""
        return self.input_shape[-1]

    @property
    def units(self) -> int:  # type: ignore[override]
        """F."""
        return self.filters

    def _patches(self, images):
        """Return the patches of images (B, H, W, C) as rows of a product, (B, P, K)."""
        return self.window.patches(images).reshape(len(images), self._places, -1)  # E30

    def _gather(self, grad_patches):
        """Return the gradient by the images, (B, H, W, C), of that by the patches (B, P, K)."""
        window = self.window
        shape = (len(grad_patches), *window.places, -1, window.image[2])
        return window.gather(grad_patches.reshape(shape))  # E31

    @property
    def _places(self):
        """P."""
        return prod(self.window.places)

    def _matrix(self, kernel):
        """Return a kernel (kh, kw, C, F) as (K, F)."""
        return kernel.reshape(-1, self.filters)

    def _over_places(self, patches, grad_a):
        """Return the sum over examples and places of patch times gradient, (K, F)."""
        rows = patches.reshape(-1, patches.shape[-1])  # (B P, K)
        return rows.T @ grad_a.reshape(-1, self.filters)  # E33

    def describe_sizes(self) -> str:
        """Return the sizes as `describe` shows them."""
        size = "x".join(map(str, self.kernel_size))
        stride = "" if set(self.strides) == {1} else f", strides {self.strides}"
        shapes = "" if self.input_shape is None else f"{self.input_shape} -> {self.output_shape} "
        return f"{shapes}{self.filters} {size} {self.padding}{stride}"

    def sizes_to_json(self) -> dict[str, Any]:
        """Return the sizes that a description holds."""
        return {"filters": self.filters, "kernel_size": list(self.kernel_size),
                "strides": list(self.strides), "padding": self.padding,
                **self._shape_to_json()}  # fmt: skip

    @classmethod
    def of_sizes(cls, sizes: Mapping[str, Any], inputs: int, options: Mapping[str, Any]) -> Any:
        """Return the layer of what `sizes_to_json` wrote.

        Parameters
        ----------
        sizes : dict
        inputs : int
            Of no account: the shape says it.
        options : dict
            Every other argument by its name.
        """
        return cls(**sizes, **options)
