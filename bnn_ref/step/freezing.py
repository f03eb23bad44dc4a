"""Frozen tensors: their gradients are computed, but no step changes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import expected
from ..network import Network


def frozen_names(network: Network, freeze: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the full names of the tensors that are to stay as they are, in the network's order.

    Parameters
    ----------
    network : Network
    freeze : str, sequence of str or None
        Each the full name of a tensor ("layers.0.kernel_mu"), or what some begin with: a posterior
        ("layers.0.kernel"), a layer ("layers.0"), "likelihood".

    Raises
    ------
    ValueError
        For a name that no tensor has.
    """
    if not isinstance(freeze, str | Iterable | None):
        raise expected("freeze", "names of tensors, or None", repr(freeze))
    asked = [freeze] if isinstance(freeze, str) else list(freeze or ())
    if not asked:
        return ()
    known, frozen = list(network.parameter_shapes), set()
    for name in asked:
        named = {key for key in known if key == name or key.startswith((f"{name}.", f"{name}_"))}
        if not isinstance(name, str) or not named:
            raise expected("freeze", "names of tensors, or what some begin with: "
                           + ", ".join(known), repr(name))  # fmt: skip
        frozen |= named
    return tuple(key for key in known if key in frozen)
