"""The names that results have in a vector file, given once for everybody who computes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def named_results(
    outputs: Any,
    nll: Any,
    kl: Any,
    kl_layers: Iterable[Any],
    loss: Any,
    gradients: Mapping[str, Any],
    pre_activations: Iterable[Any] = (),
) -> dict[str, Any]:
    """Return results by their names in `docs/vectors.md`, in whatever arrays they come.

    Parameters
    ----------
    outputs, nll, kl, loss
    kl_layers : iterable of L numbers
        Each layer's KL.
    gradients : dict
        By the parameters' names, and "x".
    pre_activations : iterable
        Each layer's, None where it has no activation; of version 2.
    """
    named = {"outputs": outputs, "nll": nll, "kl": kl, "loss": loss}
    named |= {f"layers.{k}.kl": value for k, value in enumerate(kl_layers)}
    named |= {f"layers.{k}.pre_activation": value for k, value in enumerate(pre_activations)
              if value is not None}  # fmt: skip
    return named | {f"grad.{name}": value for name, value in gradients.items()}


def below(named: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the values whose names start so, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in named.items()
            if name.startswith(prefix)}  # fmt: skip
