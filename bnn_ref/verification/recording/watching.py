"""A call of PyTorch layers, watched: what each was given, what it drew, what it returned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

from ...errors import expected

NORMAL: set[Any] = {torch.Tensor.normal_, torch.randn, torch.randn_like, torch.normal}
UNIFORM: set[Any] = {torch.Tensor.uniform_, torch.rand, torch.rand_like}
OTHER: set[Any] = {torch.Tensor.bernoulli_, torch.bernoulli, torch.randint, torch.randint_like,
                   torch.Tensor.random_}  # fmt: skip
KINDS: dict[Any, str] = {
    **dict.fromkeys(NORMAL, "normal"),
    **dict.fromkeys(UNIFORM, "uniform"),
    **dict.fromkeys(OTHER, "other"),
}


class Draws(TorchFunctionMode):
    """While entered, every random tensor that is made is told to a function as well.

    Parameters
    ----------
    told : callable, (kind, array) -> None
        kind is "normal" (made standard), "uniform" or "other".
    """

    def __init__(self, told: Callable[[str, NDArray[Any]], None]) -> None:
        super().__init__()
        self._told = told

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        kind = KINDS.get(function)
        if kind is not None:
            value = made.detach().cpu().numpy().copy()
            if function is torch.normal and len(args) > 1:
                mean, std = (np.asarray(a.detach() if torch.is_tensor(a) else a) for a in args[:2])
                value = ((value - mean) / std).astype(value.dtype)
            self._told(kind, value)
        return made


class Chain(torch.nn.Sequential):
    """Layers one after the other, each of which may return its KL beside its outputs."""

    def forward(self, x: Any) -> Any:
        """Return the last one's outputs."""
        for layer in self:
            x = layer(x)
            x = x[0] if isinstance(x, tuple) else x
        return x


def watch(
    model: Any,
    layers: Sequence[Any],
    x: Any,
    mode: Callable[[Callable[[str, Any], None]], AbstractContextManager[Any]],
) -> tuple[Any, list[SimpleNamespace]]:
    """Call a model; return its outputs and what was seen of each layer, in the order called.

    Parameters
    ----------
    model : callable
    layers : sequence of torch.nn.Module
        Those to watch.
    x : tensor
    mode : callable
        From a function that is told of a draw to the context in which it is told.

    Returns
    -------
    (tensor, list of SimpleNamespace)
        Of each call layer, inputs, draws (kind, array) and outputs.
    """
    seen, now, handles = [], [], []

    def before(layer, inputs):
        first = inputs[0] if inputs[0].requires_grad else inputs[0].detach().requires_grad_(True)
        now.append(SimpleNamespace(layer=layer, inputs=first, draws=[], outputs=None))
        return (first, *inputs[1:])

    def after(layer, inputs, outputs):
        now[-1].outputs = outputs[0] if isinstance(outputs, tuple) else outputs
        seen.append(now.pop())

    def told(kind, value):
        if now:
            now[-1].draws.append((kind, value))

    for layer in layers:
        handles += [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]
    try:
        with mode(told):
            outputs = model(x)
    finally:
        for handle in handles:
            handle.remove()
    if len(seen) != len(layers) or len({id(call.layer) for call in seen}) != len(layers):
        raise expected(
            "model", f"one call of each of its {len(layers)} Flipout layers", f"{len(seen)} calls"
        )
    return (outputs[0] if isinstance(outputs, tuple) else outputs), seen
