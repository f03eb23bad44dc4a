"""Random draws taken over: fed from a vector, or recorded while a library makes its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..vectors.files import Vector


class Fed:
    """Draws handed out one after the other in place of a library's own.

    Parameters
    ----------
    draws : sequence of (str, array)
        Kind ("normal", "sign" or another word) and values, in the order of the library's calls.
    """

    def __init__(self, draws: Sequence[tuple[str, NDArray[Any]]]) -> None:
        self._draws = list(draws)

    def next(self, kind: str, shape: Sequence[int]) -> NDArray[Any]:
        """Return the next draw, in the shape asked for.

        Raises
        ------
        RuntimeError
            Where the library asks for another kind, another size, or more draws than a step has:
            its layer is not the one that this file knows.
        """
        shape = tuple(int(size) for size in shape)
        if not self._draws:
            raise RuntimeError(f"draws: expected no more, found a call for {kind} {shape}")
        known, values = self._draws.pop(0)
        if known != kind or int(np.prod(shape)) != values.size:
            raise RuntimeError(
                f"draws: expected a call for {known} {values.shape}, found {kind} {shape}"
            )
        return values.reshape(shape)

    def finish(self) -> None:
        """Raise a `RuntimeError` where draws are left over."""
        if self._draws:
            raise RuntimeError(f"draws: expected all to be used, found {len(self._draws)} left")


def of_layer(vector: Vector, k: int) -> dict[str, NDArray[Any]]:
    """Return layer k's draws of a vector as a dict from the names of the file."""
    return {name: np.asarray(vector.arrays[f"layers.{k}.{name}"])
            for name in ("kernel_eps", "sign_input", "sign_output", "bias_eps")
            if f"layers.{k}.{name}" in vector.arrays}  # fmt: skip
