"""Every layer of version 2's vectors but the dense Flipout one, written in PyTorch.

Each takes its description, its own tensors by their names and the rows before it, and returns its
pre-activations, or its outputs where it has no activation. Images lie flat between layers, channels
last; a signal is an image of height 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def _two(sizes: Sequence[int]) -> tuple[int, ...]:
    return (*(1,) * (2 - len(sizes)), *sizes)


def _images(layer: dict[str, Any], h: Tensor) -> Tensor:
    """Return flat rows as images (B, C, H, W)."""
    *sides, channels = layer["input_shape"]
    return h.reshape(len(h), *_two(sides), channels).permute(0, 3, 1, 2)


def _rows(images: Tensor) -> Tensor:
    return images.permute(0, 2, 3, 1).reshape(len(images), -1)


def _padded(
    layer: dict[str, Any], images: Tensor, size: Sequence[int], value: float = 0.0
) -> Tensor:
    """Return images padded as TensorFlow's "same" does: more below and to the right."""
    if layer["padding"] == "valid":
        return images
    sides = []
    ends = zip(images.shape[2:], _two(size), _two(layer["strides"]), strict=True)
    for length, window, stride in ends:
        total = max((-(-length // stride) - 1) * stride + window - length, 0)
        sides = [total // 2, total - total // 2, *sides]
    return functional.pad(images, sides, value=value)


def _convolved(layer: dict[str, Any], images: Tensor, kernel: Tensor) -> Tensor:
    """Return the cross-correlation of images with a kernel (kh, kw, C, F), or (k, C, F)."""
    padded = _padded(layer, images, layer["kernel_size"])
    kernel = kernel.reshape(*_two(kernel.shape[:-2]), *kernel.shape[-2:])
    return functional.conv2d(padded, kernel.permute(3, 2, 0, 1), stride=_two(layer["strides"]))


def _conv_flipout(softplus):
    def convolution(layer, p, h):
        images, wide = _images(layer, h), (slice(None), slice(None), None, None)
        delta = (layer["scale_shift"] + softplus(p["kernel_rho"])) * p["kernel_eps"]
        a = _convolved(layer, images, p["kernel_mu"])
        noise = _convolved(layer, images * p["sign_input"][wide], delta)
        a = a + noise * p["sign_output"][wide]
        if "bias_mu" in p:
            a = a + p["bias_mu"][None, :, None, None]
        if "bias_rho" in p:
            draw = (layer["scale_shift"] + softplus(p["bias_rho"])) * p["bias_eps"]
            flips = p["sign_output"] if layer["bias"] == "normal_flipped" else 1.0
            a = a + (draw * flips * torch.ones_like(p["sign_output"]))[wide]
        return _rows(a)

    return convolution


def _conv(layer, p, h):
    a = _convolved(layer, _images(layer, h), p["kernel_mu"])
    return _rows(a + p["bias_mu"][None, :, None, None] if "bias_mu" in p else a)


def _dense(layer, p, h):
    a = h @ p["kernel_mu"]
    return a + p["bias_mu"] if "bias_mu" in p else a


def _max_pool(layer, p, h):
    size = layer["pool_size"]
    padded = _padded(layer, _images(layer, h), size, float("-inf"))
    return _rows(functional.max_pool2d(padded, size, layer["strides"]))


def _average_pool(layer, p, h):
    images, size = _images(layer, h), layer["pool_size"]
    total, count = (functional.avg_pool2d(_padded(layer, v, size), size, layer["strides"])
                    for v in (images, torch.ones_like(images)))  # fmt: skip
    return _rows(total / count)


def _layer_norm(layer, p, h):
    x, shape = h.reshape(-1, len(p["scale"])), p["scale"].shape
    x = functional.layer_norm(x, shape, p["scale"], p["shift"], layer["epsilon"])
    return x.reshape(h.shape)


def _batch_norm(layer, p, h):
    frozen, x = layer["frozen"], h.reshape(-1, len(p["scale"]))
    running = [p[f"running_{of}"].detach() if frozen else None for of in ("mean", "variance")]
    x = functional.batch_norm(x, *running, p["scale"], p["shift"], not frozen, eps=layer["epsilon"])
    return x.reshape(h.shape)


def layers(softplus: Any) -> dict[str, Any]:
    """Return type to the function of every layer here that has no other inside.

    Parameters
    ----------
    softplus : callable
    """
    return {
        "Dense": _dense,
        "Conv2D": _conv,
        "Conv2DFlipout": _conv_flipout(softplus),
        "Conv1DFlipout": _conv_flipout(softplus),
        "MaxPool2D": _max_pool,
        "AveragePool2D": _average_pool,
        "Flatten": lambda layer, p, h: h,
        "Elementwise": lambda layer, p, h: h,
        "Dropout": lambda layer, p, h: h * p["keep"] / (1 - layer["rate"]),
        "LayerNorm": _layer_norm,
        "BatchNorm": _batch_norm,
    }
