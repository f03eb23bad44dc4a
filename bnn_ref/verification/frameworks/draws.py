"""Random draws taken over: fed from a vector, or recorded while a library makes its own."""

import numpy as np


class Fed:
    """Draws handed out one after the other in place of a library's own.

    Parameters
    ----------
    draws : sequence of (str, array)
        Kind ("normal", "sign" or another word) and values, in the order of the library's calls.
    """

    def __init__(self, draws):
        self._draws = list(draws)

    def next(self, kind, shape):
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

    def finish(self):
        """Raise a `RuntimeError` where draws are left over."""
        if self._draws:
            raise RuntimeError(f"draws: expected all to be used, found {len(self._draws)} left")


def of_layer(vector, k):
    """Return layer k's draws of a vector as a dict from the names of the file."""
    return {name: np.asarray(vector.arrays[f"layers.{k}.{name}"])
            for name in ("kernel_eps", "sign_input", "sign_output", "bias_eps")
            if f"layers.{k}.{name}" in vector.arrays}  # fmt: skip
