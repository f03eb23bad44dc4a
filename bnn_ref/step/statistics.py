"""Running statistics: what a step adds to tensors that no gradient reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NonFinite

if TYPE_CHECKING:
    from ..layers.records import LayerTrace
    from ..network import Network
    from ..parameters import Parameters


def statistics_after(
    network: Network, parameters: Parameters, traces: Sequence[LayerTrace]
) -> dict[str, NDArray[Any]]:
    """Return full name to next value of every running statistic, of one forward pass.

    Parameters
    ----------
    network : Network
    parameters : Parameters
    traces : list of LayerTrace
    """
    layers = zip(network.layers, parameters.layers, traces, strict=True)
    return {
        f"layers.{k}.{name}": value
        for k, (layer, p, trace) in enumerate(layers)
        for name, value in layer.statistics_after(p, trace).items()
    }


def put_statistics(
    step: int,
    network: Network,
    flat: NDArray[Any],
    draws: Sequence[Mapping[str, NDArray[Any]]],
    frozen: Sequence[str] = (),
) -> None:
    """Write the statistics that a step ends with into a flat vector, averaged over its draws.

    A running mean is linear in what a batch adds, so the average over draws adds each draw's share.

    Parameters
    ----------
    step : int
        The number of the step, for the message.
    network : Network
    flat : array (P,)
        Changed in place.
    draws : sequence of mapping of str to array
        Each draw's `statistics_after`.
    frozen : sequence of str
        Full names of tensors that stay as they are.

    Raises
    ------
    NonFinite
        Where one would not be finite.
    """
    places = network.places if draws[0] else {}
    for name in draws[0]:
        value = sum(draw[name] for draw in draws) * (1 / len(draws))
        if not np.all(np.isfinite(value)):
            raise NonFinite(step, name)
        if name not in frozen:
            flat[places[name]] = value.reshape(-1)
