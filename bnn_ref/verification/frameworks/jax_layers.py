"""Convolutions and pooling of version 2's vectors, written in JAX.

Each takes its description, its own arrays by their names and the rows before it, and returns its
pre-activations, or its outputs where it has no activation. Images lie flat between layers; a signal
is an image of height 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp


def _two(sizes: Sequence[int]) -> tuple[int, ...]:
    return (*(1,) * (2 - len(sizes)), *sizes)


def _images(layer: Mapping[str, Any], h: Any) -> Any:
    """Return flat rows as images (B, H, W, C)."""
    *sides, channels = layer["input_shape"]
    return h.reshape(len(h), *_two(sides), channels)


def _convolved(layer: Mapping[str, Any], images: Any, kernel: Any) -> Any:
    """Return the cross-correlation of images with a kernel (kh, kw, C, F), or (k, C, F)."""
    kernel = kernel.reshape(*_two(kernel.shape[:-2]), *kernel.shape[-2:])
    return jax.lax.conv_general_dilated(
        images, kernel, _two(layer["strides"]), layer["padding"].upper(),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip


def _convolution(layer: Mapping[str, Any], p: Mapping[str, Any], h: Any) -> Any:
    images = _images(layer, h)
    delta = (layer["scale_shift"] + jax.nn.softplus(p["kernel_rho"])) * p["kernel_eps"]
    flips = p["sign_output"][:, None, None]
    a = _convolved(layer, images * p["sign_input"][:, None, None], delta) * flips
    a += _convolved(layer, images, p["kernel_mu"])
    if "bias_mu" in p:
        a += p["bias_mu"]
    if "bias_rho" in p:
        draw = (layer["scale_shift"] + jax.nn.softplus(p["bias_rho"])) * p["bias_eps"]
        a += draw * (flips if layer["bias"] == "normal_flipped" else 1)
    return a.reshape(len(h), -1)


def _reduced(
    layer: Mapping[str, Any], images: Any, start: float, reduce: Callable[..., Any]
) -> Any:
    window = (1, *layer["pool_size"], 1), (1, *layer["strides"], 1), layer["padding"].upper()
    return jax.lax.reduce_window(images, start, reduce, *window)


def _max_pool(layer: Mapping[str, Any], p: Mapping[str, Any], h: Any) -> Any:
    return _reduced(layer, _images(layer, h), -jnp.inf, jax.lax.max).reshape(len(h), -1)


def _average_pool(layer: Mapping[str, Any], p: Mapping[str, Any], h: Any) -> Any:
    total, count = (_reduced(layer, images, 0.0, jax.lax.add) for images in
                    (_images(layer, h), jnp.ones_like(_images(layer, h))))  # fmt: skip
    return (total / count).reshape(len(h), -1)


LAYERS: dict[str, Callable[..., Any]] = {
    "Conv2DFlipout": _convolution,
    "Conv1DFlipout": _convolution,
    "MaxPool2D": _max_pool,
    "AveragePool2D": _average_pool,
    "Flatten": lambda layer, p, h: h,
}
