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
BIAS = "another draw of the bias at every place"


class _Axis:
    """Which pixel of one axis a place sees at the middle entry of the kernel."""

    def __init__(self, size, kernel, stride, padding):
        self.kernel, self.stride, self.entry = kernel, stride, kernel // 2
        if padding == "same":  # as TensorFlow pads: what is missing, the odd one behind
            self.places = -(-size // stride)
            self.before = max((self.places - 1) * stride + kernel - size, 0) // 2
        else:
            self.before = 0 if padding == "valid" else padding
            self.places = (size + 2 * self.before - kernel) // stride + 1
        seen = [o for o in range(self.places) if 0 <= self.pixel(o) < size]
        self.ends = (seen[0], seen[-1]) if seen else None

    def pixel(self, place):
        """Return the pixel that a place sees at the middle entry."""
        return place * self.stride - self.before + self.entry

    @property
    def apart(self):
        """Whether no place sees the pixels of both ends."""
        return self.pixel(self.ends[1]) - self.pixel(self.ends[0]) >= self.kernel


def _pair(value, thing, least):
    """Return a whole number, or a pair of them, as a pair."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2 or any(type(size) is not int or size < least for size in pair):
        raise expected(thing, f"a whole number of at least {least}, or two", repr(value))
    return pair


class _Slice:
    """The convolution as a dense layer at one entry of its kernel, and the two pixels asked."""

    def __init__(self, call, shape, kernel_size, strides, padding, channels_first):
        self.call, self.first = call, channels_first
        *self.size, self.channels = shape
        words = padding in ("valid", "same") if isinstance(padding, str) else False
        if isinstance(padding, str) and not words:
            raise expected("padding", "valid, same or a whole number", repr(padding))
        pads = (padding, padding) if words else _pair(padding, "padding", 0)
        steps = _pair(strides, "strides", 1)
        axes = [_Axis(*axis) for axis in zip(self.size, kernel_size, steps, pads, strict=True)]
        if not all(axis.ends for axis in axes) or not any(axis.apart for axis in axes):
            raise expected("image_shape", "room for two pixels that no place sees together", shape)
        self.shape = tuple(axis.places for axis in axes)
        self.entry = tuple(axis.entry for axis in axes)
        self.places = [tuple(axis.ends[end] for axis in axes) for end in (0, 1)]
        self.pixels = [tuple(axis.pixel(axis.ends[end]) for axis in axes) for end in (0, 1)]

    def ask(self, rows, pixels):
        """Return the outputs at the places of the first pixels, a list of (rows, F)."""
        images = np.zeros((len(rows), *self.size, self.channels), rows.dtype)
        for u, v in pixels:
            images[:, u, v] = rows
        images = np.moveaxis(images, -1, 1) if self.first else images
        outputs = as_array(self.call(np.ascontiguousarray(images)))
        if outputs.ndim != 4 or len(outputs) != len(rows):
            raise expected("outputs of call", "rank 4, an image for each", f"{outputs.shape}")
        outputs = np.moveaxis(outputs, 1, -1) if self.first else outputs
        if outputs.shape[1:3] != self.shape:
            raise expected("outputs of call", f"{self.shape} places, as padding and strides say",
                           outputs.shape[1:3])  # fmt: skip
        places = self.places[: len(pixels)]
        return [outputs[:, u, v] for u, v in places]


def _between_places(part, rows, mu, bias):
    """Return the fault of the noise at two places that see equal pixels, "" where there is none.

    Signs drawn anew are equal by chance in a quarter of the entries or more, draws never are.
    """
    rows = np.diag(np.max(np.abs(rows), axis=0))  # a channel at a time: signs keep its size
    rows = np.concatenate([np.zeros_like(rows[:1]), rows])  # the first has the bias alone
    equal, bias_is_one = [], True
    for _ in range(CALLS):
        one, two = (a - rows @ mu - bias for a in part.ask(rows, part.pixels))
        close = 1e-3 * (np.abs(one) + np.abs(two)) + 1e-5
        equal.append(np.abs(one - two)[1:] <= close[1:])
        bias_is_one &= bool(np.all(np.abs(np.abs(one) - np.abs(two))[0] <= close[0]))
    share = np.mean(equal)
    if not bias_is_one:
        return BIAS
    return "" if share == 1 else ANEW if share > 0.1 else OTHER


def _bias_of(bias_mu, bias_sigma):
    """Return the kind of a bias by its arrays."""
    return "none" if bias_mu is None else "deterministic" if bias_sigma is None else "normal"


def check_convolution(
    call: Callable[[NDArray[Any]], Any],
    kernel_mu: ArrayLike,
    kernel_sigma: ArrayLike,
    image_shape: tuple[int, int, int],
    *,
    bias_mu: ArrayLike | None = None,
    bias_sigma: ArrayLike | None = None,
    bias: str | None = None,
    strides: int | tuple[int, int] = 1,
    padding: str | int | tuple[int, int] = "valid",
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
        own noise anew each time.
    kernel_mu, kernel_sigma : array (kh, kw, C, F)
    image_shape : (H, W, C)
        Of the images to ask for: wide enough for two pixels that no place sees together.
    bias_mu, bias_sigma : array (F,), optional
    bias : str, optional
        As for `check_layer`; by default what the arrays say: "none", "deterministic" or "normal".
    strides : int or (int, int)
    padding : "valid", "same", int or (int, int)
        As TensorFlow pads, or how many zeros on either side of height and width, as PyTorch does.
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
    mu, sigma = (np.asarray(as_array(tensor), np.float64) for tensor in (kernel_mu, kernel_sigma))
    if mu.ndim != 4 or mu.shape != sigma.shape:
        raise expected("kernel_mu, kernel_sigma", "one shape (kh, kw, C, F)",
                       f"{mu.shape}, {sigma.shape}")  # fmt: skip
    if len(image_shape) != 3 or image_shape[2] != mu.shape[2]:
        raise expected("image_shape", f"(H, W, {mu.shape[2]})", image_shape)
    part = _Slice(call, image_shape, mu.shape[:2], strides, padding, channels_first)
    rows = np.random.default_rng(0).normal(size=(3, mu.shape[2])).astype(dtype)
    mu, sigma = mu[part.entry], sigma[part.entry]
    report = check_layer(
        lambda x: part.ask(x, part.pixels[:1])[0], mu, sigma, rows, bias_mu=bias_mu,
        bias_sigma=bias_sigma, bias=bias or _bias_of(bias_mu, bias_sigma), expect=expect,
        draws=draws, error_probability=error_probability,
    )  # fmt: skip
    mean = 0.0 if bias_mu is None else np.asarray(as_array(bias_mu), np.float64)
    fault = _between_places(part, rows.astype(dtype), mu, mean) if report.agrees else ""
    return report._replace(agrees=False, faults=(fault,)) if fault else report
