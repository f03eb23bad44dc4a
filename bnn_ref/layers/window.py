"""A window that slides over images, as in convolutions and pooling: its places and its patches.

Signals (T, C) are images of height 1. Padding and sizes are TensorFlow's. With "valid" the window
stays inside: ceil((H - kh + 1) / sh) places along the height. With "same" there are ceil(H / sh);
where (places - 1) * sh + kh > H, the missing rows lie half above and half below, the odd one below.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..border import check_size
from ..errors import expected

PADDINGS = ("valid", "same")
LARGEST = 1 << 20  # of a size or stride


class Window(NamedTuple):
    """A window's size and places.

    Attributes
    ----------
    image : (H, W, C)
    size : (kh, kw)
    strides : (sh, sw)
    before : (int, int)
        Rows above and columns left of the image that are padding.
    places : (OH, OW)
    """

    image: tuple[int, int, int]
    size: tuple[int, int]
    strides: tuple[int, int]
    before: tuple[int, int]
    places: tuple[int, int]

    @property
    def canvas(self) -> tuple[int, ...]:
        """Height and width of the image with its padding."""
        sides = zip(self.image, self.size, self.strides, self.before, self.places, strict=False)
        return tuple(max(before + side, (places - 1) * stride + size)
                     for side, size, stride, before, places in sides)  # fmt: skip

    @property
    def count(self) -> int:  # type: ignore[override]
        """How many pixels it covers, kh * kw."""
        return self.size[0] * self.size[1]

    def steps(self) -> Iterator[tuple[int, tuple[slice, ...]]]:
        """Yield (p, slices) of each place p inside the window, row by row: what lies under it.

        The slices pick (B, OH, OW, C) out of the canvas.
        """
        for i, j in np.ndindex(self.size):
            rows, columns = (slice(start, start + (places - 1) * stride + 1, stride)
                             for start, places, stride
                             in zip((i, j), self.places, self.strides, strict=True))  # fmt: skip
            yield i * self.size[1] + j, (slice(None), rows, columns)

    def patches(self, images: NDArray[Any], fill: float = 0.0) -> NDArray[Any]:
        """Return what lies under the window at each place, (B, OH, OW, kh * kw, C).

        Parameters
        ----------
        images : array (B, H, W, C)
        fill : float
            The value of the padding.
        """
        patches = np.empty((len(images), *self.places, self.count, self.image[2]), images.dtype)
        canvas = self._canvas(len(images), images.dtype, fill)
        self._inside(canvas)[...] = images
        for p, under in self.steps():
            patches[:, :, :, p] = canvas[under]  # E30
        return patches

    def gather(self, grad_patches: NDArray[Any]) -> NDArray[Any]:
        """Return the gradient by the images, (B, H, W, C), of that by their patches.

        Parameters
        ----------
        grad_patches : array (B, OH, OW, kh * kw, C)
        """
        canvas = self._canvas(len(grad_patches), grad_patches.dtype, 0.0)
        for p, under in self.steps():
            canvas[under] += grad_patches[:, :, :, p]  # patches = canvas[under], E31
        return self._inside(canvas)

    def _canvas(self, rows, dtype, fill):
        return np.full((rows, *self.canvas, self.image[2]), fill, dtype)

    def _inside(self, canvas):
        """Return the view of a canvas that is the image."""
        top, left = self.before
        return canvas[:, top : top + self.image[0], left : left + self.image[1]]


def make_window(
    image: tuple[int, ...],
    size: tuple[int, ...],
    strides: tuple[int, ...],
    padding: str,
    thing: str = "kernel_size",
) -> Window:
    """Return the `Window` of a checked size over images of that shape.

    Parameters
    ----------
    image : (H, W, C)
    size, strides : (int, int)
    padding : "valid" or "same"
    thing : str
        What the message calls the size.

    Raises
    ------
    ValueError
        Where a window does not fit into an image without padding.
    """
    if padding == "valid" and (size[0] > image[0] or size[1] > image[1]):
        raise expected(thing, f"at most the image {image[:2]}, with padding 'valid'", size)
    before, places = [], []
    for side, along, stride in zip(image[:2], size, strides, strict=True):
        if padding == "same":
            places.append(-(-side // stride))  # E30
            before.append(max((places[-1] - 1) * stride + along - side, 0) // 2)  # E30
        else:
            places.append(-(-(side - along + 1) // stride))  # E30
            before.append(0)
    return Window(tuple(image), tuple(size), tuple(strides), tuple(before), tuple(places))


def check_sizes(
    value: Any, thing: str, count: int = 2, most: int | None = LARGEST
) -> tuple[int, ...]:
    """Return whole numbers, at least 1, as a tuple of that many; one number counts for all.

    Parameters
    ----------
    value : int or sequence of int
    thing : str
        What the message calls it.
    count : int
    most : int, optional
        Of each.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(value, (int, np.integer)):
        value = (value,) * count
    if not isinstance(value, (tuple, list)) or len(value) != count:
        raise expected(thing, f"a whole number or {count} of them", repr(value))
    return tuple(check_size(size, thing, most=most) for size in value)
