"""A layer that overwrites its own draw, found by two calls and one backward pass.

A layer may keep its draw in a buffer that the next call fills again; a backward pass through the
first call then meets the second call's numbers, in silence where the buffer's data are written
behind PyTorch's back. What a draw adds to the outputs is linear in sigma, so that whatever it was

    sum over weights of sigma * d loss / d sigma = sum of grad_outputs * (outputs - outputs at 0)

for loss = sum of grad_outputs * outputs: no draw has to be known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...elementary import sigmoid, softplus
from ..containers import as_array

if TYPE_CHECKING:
    from ..recording.hook import LayerHook

LIMIT = 1e-3  # of the difference over the size of the right side, in float32


class CallsReport(NamedTuple):
    """What `check_two_calls` found.

    Attributes
    ----------
    agrees : bool
    alone, after_another : float
        By how much the gradient by sigma is off, relatively, after one call and after another.
    """

    agrees: bool
    alone: float
    after_another: float

    def __str__(self) -> str:
        if self.agrees:
            return "each call keeps its own draw: agrees"
        if self.alone > LIMIT:
            return (f"the gradient by sigma is off by {self.alone:.2g} after one call already: "
                    "DISAGREES")  # fmt: skip
        return (f"a second call before the backward pass leaves the gradient by sigma "
                f"{self.after_another:.2g} off: the draw is overwritten: DISAGREES")  # fmt: skip


def check_two_calls(layer: Any, hook: LayerHook, x: Any, other: Any | None = None) -> CallsReport:
    """Return a `CallsReport`: whether a layer of PyTorch keeps a call's draw for its own backward.

    Parameters
    ----------
    layer : torch.nn.Module
        Any whose outputs are linear in its weights: without an activation.
    hook : LayerHook
        How it is read: ``tensors``, ``sigma`` and ``shift`` are used.
    x, other : array or tensor
        What the two calls are given; the same unless the second is.
    """
    import torch

    x = torch.as_tensor(x)
    other = x if other is None else torch.as_tensor(other)
    parts = list(hook.tensors(layer).values())
    means = [mu for mu, _ in parts]
    spreads = [spread for _, spread in parts if spread is not None]

    def off(again):
        """Return how far the two sides are apart, over the size of the left one's terms."""
        outputs = _called(layer, x)
        flow = torch.linspace(0.5, 1.5, outputs.numel()).reshape(outputs.shape).to(outputs)
        if again:
            _called(layer, other)
        total = torch.sum(flow * outputs)
        gradients = [as_array(g).astype(float)
                     for g in torch.autograd.grad(total, [*means, *spreads])]  # fmt: skip
        by_mean = sum(np.sum(g * as_array(mu)) for g, mu in zip(gradients, means, strict=False))
        terms = [g * _ratio(hook, as_array(spread).astype(float))
                 for g, spread in zip(gradients[len(means) :], spreads, strict=True)]  # fmt: skip
        right = float(as_array(total)) - by_mean
        size = sum(np.sum(np.abs(term)) for term in terms)
        return float(abs(sum(np.sum(term) for term in terms) - right) / max(size, 1e-30))

    alone, after = off(False), off(True)
    return CallsReport(max(alone, after) <= LIMIT, alone, after)


def _called(layer, inputs):
    """Return a layer's outputs, without a KL that stands beside them."""
    outputs = layer(inputs)
    return outputs[0] if isinstance(outputs, tuple) else outputs


def _ratio(hook, spread):
    """Return sigma / (d sigma / d spread) of a layer's second parameter."""
    if hook.sigma == "softplus":
        return (hook.shift + softplus(spread)) / sigmoid(spread)
    return {"exp": 1.0, "exp_half": 2.0}.get(hook.sigma, spread)
