"""PyTorch's layers of images as a vector has them: channels last, kernels (kh, kw, C, F).

Bayesian-Torch's `Conv2dReparameterization` draws one kernel a call: every sign is +1. Its
`Conv2dFlipout` draws its signs anew at every place, so that no single kernel explains an example,
and is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import expected
from ..frameworks.bayesian_torch import ANEW

try:
    from bayesian_torch.layers import Conv2dFlipout, Conv2dReparameterization
except ImportError:  # an older Bayesian-Torch
    Conv2dFlipout = Conv2dReparameterization = type(None)

POOLS = {torch.nn.MaxPool2d: "MaxPool2D", torch.nn.AvgPool2d: "AveragePool2D"}
KINDS = (Conv2dReparameterization, *POOLS)


def refuse(model: Any) -> None:
    """Raise a `ValueError` where a model has a convolution that no vector expresses."""
    for name, module in model.named_modules():
        if isinstance(module, Conv2dFlipout):
            raise ValueError(f"{name or 'model'}: {ANEW} (`check_convolution` tests such a layer)")


def flat(values: Any) -> NDArray[Any]:
    """Return rows or images (B, C, H, W) as flat rows, channels last."""
    values = values.detach().numpy()
    if values.ndim == 4:
        values = np.moveaxis(values, 1, -1)
    return np.ascontiguousarray(values.reshape(len(values), -1))


def order_of(before: Any, inputs: Any) -> NDArray[Any] | None:
    """Return which entry of a dense layer's inputs is which of the images before it, flattened.

    Parameters
    ----------
    before : tensor or None
        The outputs of the layer before.
    inputs : tensor (B, I)

    Returns
    -------
    array (I,) or None
        None where no images stand before it.
    """
    if before is None or before.ndim != 4 or inputs.ndim != 2:
        return None
    _, channels, height, width = before.shape
    if inputs.shape[1] != channels * height * width:
        return None
    return np.arange(inputs.shape[1]).reshape(channels, height, width).transpose(1, 2, 0).ravel()


def turned(value: NDArray[Any], order: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return a kernel (O, I) or (F, C, kh, kw) as (I, O) or (kh, kw, C, F); a bias as it is."""
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    return value.T if order is None else value.T[order]


def described(k: int, layer: Any, inputs: Any) -> dict[str, Any] | None:
    """Return the type and sizes of a layer of images, None of a dense one.

    Parameters
    ----------
    k : int
        Its number, for messages.
    layer : torch.nn.Module
    inputs : tensor (B, C, H, W)

    Raises
    ------
    ValueError
        For what no vector expresses: dilation, groups, padding that is not TensorFlow's.
    """
    if not isinstance(layer, KINDS):
        return None
    _, channels, height, width = inputs.shape
    pool = next((name for kind, name in POOLS.items() if isinstance(layer, kind)), None)
    size, strides, padding, dilation = (
        _pair(getattr(layer, name, 1)) for name in ("kernel_size", "stride", "padding", "dilation")
    )
    told = {"dilation": (dilation, (1, 1)), "groups": (getattr(layer, "groups", 1), 1),
            "ceil_mode": (getattr(layer, "ceil_mode", False), False)}  # fmt: skip
    if pool:
        told["padding"] = (padding, (0, 0))
    for name, (found, wanted) in told.items():
        if found != wanted:
            raise expected(f"layers.{k}.{name}", wanted, found)
    same = strides == (1, 1) and padding == tuple(n // 2 for n in size) and all(
        n % 2 for n in size)  # fmt: skip
    if padding != (0, 0) and not same:
        raise expected(f"layers.{k}.padding", "none or that of 'same'", padding)
    common = {"strides": list(strides), "padding": "same" if padding != (0, 0) else "valid",
              "input_shape": [height, width, channels]}  # fmt: skip
    if pool:
        return {"type": pool, "pool_size": list(size), **common}
    return {"type": "Conv2DFlipout", "filters": len(layer.mu_kernel), "kernel_size": list(size),
            **common}  # fmt: skip


def _pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)
