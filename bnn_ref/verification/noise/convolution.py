"""Tell what noise a black-box convolution draws: as a dense layer, through images of one pixel.

An image with one pixel that is not 0 meets one entry (i, j) of the kernel at each place: there the
convolution is a dense layer from channels to filters, with kernel_mu[i, j], which `check_layer`
tests. What is a convolution's own stands between places: two equal pixels far apart must give two
equal outputs, for an example's signs are one a channel and one a filter, the same at all places
(Wen et al. 2018, section 3.2). Where they are drawn anew at every place, no single kernel explains
an example.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import expected
from ..containers import as_array
from .moments import LayerReport, check_layer

CALLS = 200  # in which two places are compared
ANEW = "signs drawn anew at every place: no single kernel explains an example"
OTHER = "another draw of the weights at every place"


def _pad(padding, size):
    """Return how many zeros stand before the image along an axis of that kernel size."""
    if padding in ("valid", "same"):
        return 0 if padding == "valid" else (size - 1) // 2
    if not isinstance(padding, int) or isinstance(padding, bool) or padding < 0:
        raise expected("padding", "valid, same or a whole number", repr(padding))
    return padding


class _Slice:
    """The convolution as a dense layer at one entry of its kernel, and the two pixels asked."""

    def __init__(self, call, shape, kernel_size, padding, channels_first):
        self.call, self.first = call, channels_first
        height, width, self.channels = shape
        pads = [_pad(padding, size) for size in kernel_size]
        self.entry = tuple(size // 2 for size in kernel_size)
        near = [max(0, e - p) for e, p in zip(self.entry, pads, strict=True)]
        far = [size - 1 - (k - 1 - e - p if k - 1 - e - p > 0 else 0) for size, k, e, p in
               zip((height, width), kernel_size, self.entry, pads, strict=True)]  # fmt: skip
        if min(f - n for f, n in zip(far, near, strict=True)) < 0 or (
            max(f - n for f, n, k in zip(far, near, kernel_size, strict=True)) < max(kernel_size)
        ):
            raise expected("image_shape", "room for two pixels that no place sees together", shape)
        self.size, self.pixels = (height, width), (tuple(near), tuple(far))
        self.places = [tuple(x - e + p for x, e, p in zip(pixel, self.entry, pads, strict=True))
                       for pixel in self.pixels]  # fmt: skip

    def ask(self, rows, pixels):
        """Return the outputs at every pixel's place, a list of (rows, F)."""
        images = np.zeros((len(rows), *self.size, self.channels), rows.dtype)
        for u, v in pixels:
            images[:, u, v] = rows
        images = np.moveaxis(images, -1, 1) if self.first else images
        outputs = as_array(self.call(np.ascontiguousarray(images)))
        if outputs.ndim != 4 or len(outputs) != len(rows):
            raise expected("outputs of call", "rank 4, an image for each", f"{outputs.shape}")
        outputs = np.moveaxis(outputs, 1, -1) if self.first else outputs
        found = []
        for pixel in pixels:
            place = self.places[self.pixels.index(pixel)]
            if any(p >= size for p, size in zip(place, outputs.shape[1:3], strict=True)):
                raise expected("outputs of call", f"a place {place}", f"shape {outputs.shape}")
            found.append(outputs[:, place[0], place[1]])
        return found


def _between_places(part, rows, mu, bias):
    """Return the fault of the noise at two places that see equal pixels, "" where there is none."""
    rows = np.diag(np.max(np.abs(rows), axis=0))  # a channel at a time: signs keep its size
    same = magnitudes = True
    for _ in range(CALLS):
        one, two = (a - rows @ mu - bias for a in part.ask(rows, part.pixels))
        close = 1e-3 * (np.abs(one) + np.abs(two)) + 1e-5
        same = same and np.all(np.abs(one - two) <= close)
        magnitudes = magnitudes and np.all(np.abs(np.abs(one) - np.abs(two)) <= close)
    return "" if same else ANEW if magnitudes else OTHER


def check_convolution(
    call: Callable[[NDArray[Any]], Any],
    kernel_mu: ArrayLike,
    kernel_sigma: ArrayLike,
    image_shape: tuple[int, int, int],
    *,
    bias_mu: ArrayLike | None = None,
    padding: str | int = "valid",
    channels_first: bool = False,
    expect: str = "flipout",
    draws: int = 2000,
    error_probability: float = 1e-3,
    dtype: str = "float64",
) -> LayerReport:
    """Return a `LayerReport` of a convolution's noise: signs, draws, and what places share.

    Parameters
    ----------
    call : callable
        Maps images (n, H, W, C), or (n, C, H, W), to pre-activations laid out likewise, drawing its
        own noise anew each time. Stride 1.
    kernel_mu, kernel_sigma : array (kh, kw, C, F)
    image_shape : (H, W, C)
        Of the images to ask for: wide enough for two pixels that no place sees together.
    bias_mu : array (F,), optional
        Of a bias without noise.
    padding : "valid", "same" or int
        As TensorFlow pads, or how many zeros on every side.
    channels_first : bool
    expect, draws, error_probability
        As for `check_layer`.
    dtype : "float64" or "float32"
        Of the images.

    Raises
    ------
    ValueError
        As `check_layer`; for kernels or images that do not fit.
    """
    mu, sigma = np.asarray(kernel_mu, np.float64), np.asarray(kernel_sigma, np.float64)
    if mu.ndim != 4 or mu.shape != sigma.shape:
        raise expected("kernel_mu, kernel_sigma", "one shape (kh, kw, C, F)",
                       f"{mu.shape}, {sigma.shape}")  # fmt: skip
    if len(image_shape) != 3 or image_shape[2] != mu.shape[2]:
        raise expected("image_shape", f"(H, W, {mu.shape[2]})", image_shape)
    part = _Slice(call, image_shape, mu.shape[:2], padding, channels_first)
    rows = np.random.default_rng(0).normal(size=(3, mu.shape[2])).astype(dtype)
    mu, sigma = mu[part.entry], sigma[part.entry]
    report = check_layer(
        lambda x: part.ask(x, part.pixels[:1])[0], mu, sigma, rows, bias_mu=bias_mu, expect=expect,
        bias="none" if bias_mu is None else "deterministic", draws=draws,
        error_probability=error_probability,
    )  # fmt: skip
    bias = 0.0 if bias_mu is None else np.asarray(bias_mu, np.float64)
    fault = _between_places(part, rows.astype(np.float64), mu, bias) if report.agrees else ""
    return report._replace(agrees=False, faults=(fault,)) if fault else report
