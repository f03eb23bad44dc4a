"""Noise as a value: every random number of one draw of one step, layer by layer.

What a layer draws, and in which shapes, is the layer's own: see `bnn_ref.layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..border import check_choice, check_size
from ..errors import expected
from .generator import keeps, normals, signs

if TYPE_CHECKING:
    from ..network import Network

ESTIMATORS = ("flipout", "shared", "local", "independent")


class LayerNoise(NamedTuple):
    """One Flipout layer's random numbers for one step.

    Attributes
    ----------
    kernel_eps : array (I, O)
        Standard normal draws, shared by the batch.
    sign_input : array (B, I)
        -1 or +1.
    sign_output : array (B, O)
        -1 or +1.
    bias_eps : array (O,) or None
        Standard normal draws, only where the bias has a Normal posterior.
    """

    kernel_eps: NDArray[Any]
    sign_input: NDArray[Any]
    sign_output: NDArray[Any]
    bias_eps: NDArray[Any] | None = None


class LocalLayerNoise(NamedTuple):
    """One layer's random numbers for local reparameterisation: ``output_eps`` (B, O), normal."""

    output_eps: NDArray[Any]


class IndependentLayerNoise(NamedTuple):
    """One layer's random numbers where every example has weights of its own.

    Attributes
    ----------
    kernel_eps_rows : array (B, I, O)
        Standard normal draws.
    bias_eps_rows : array (B, O) or None
        Standard normal draws, only where the bias has a Normal posterior.
    """

    kernel_eps_rows: NDArray[Any]
    bias_eps_rows: NDArray[Any] | None = None


class Noise(NamedTuple):
    """Every random number of one draw of one step.

    Attributes
    ----------
    layers : tuple
        First to last, each as its layer draws it: a `LayerNoise`, say.
    """

    layers: tuple[Any, ...]


class LocalNoise(NamedTuple):
    """As `Noise`, but its layers are those of the estimator "local": `LocalLayerNoise`."""

    layers: tuple[Any, ...]


class IndependentNoise(NamedTuple):
    """As `Noise`, but its layers are those of the estimator "independent".

    Attributes
    ----------
    layers : tuple of IndependentLayerNoise
    """

    layers: tuple[Any, ...]


class NestedNoise(NamedTuple):
    """The noise of a layer that has others inside: theirs, first to last.

    Attributes
    ----------
    layers : tuple
    """

    layers: tuple[Any, ...]


class DropoutNoise(NamedTuple):
    """A `Dropout` layer's random numbers for one step: ``keep`` (B, I), 0 where dropped, else 1."""

    keep: NDArray[Any]


INSIDE = ((12, 1 << 12), (18, 1 << 18))  # shift of a place at each depth, and what lies below it
MOST_INSIDE = 62


class Stream(NamedTuple):
    """The place of one layer's draws in the generator's counter: all of the key but the tensor.

    Attributes
    ----------
    seed, purpose, layer, step, draw
        As for `words`.
    dtype : dtype
    first_row : int
        The first row's place in the batch or table, by which draws for each row are keyed.
    """

    seed: int
    purpose: str
    layer: int
    step: int = 0
    draw: int = 0
    dtype: DTypeLike = np.float64
    first_row: int = 0

    def _key(self) -> dict[str, Any]:
        return {"layer": self.layer, "step": self.step, "draw": self.draw, "dtype": self.dtype}

    def inside(self, place: int) -> Stream:
        """Return the stream of the layer at that place inside this one.

        The counter's 24 bits for a layer hold its place in the network (12), and from the
        lowest up, 1 added, the places inside (6 each): networks without nesting know none of it.

        Parameters
        ----------
        place : int

        Raises
        ------
        ValueError
            For more than 4,096 layers around, 62 inside one, or two depths.
        """
        for shift, below in INSIDE:
            if self.layer < below:
                place = check_size(place, "place of a layer inside a layer", 0, MOST_INSIDE)
                return self._replace(layer=self.layer | (place + 1) << shift)
        raise expected("layers inside layers", "at most two deep, in 4,096 layers", "more")

    def normals(self, shape: Sequence[int], tensor: str) -> NDArray[Any]:
        """Return the tensor's standard normals, of that shape, shared by the rows."""
        return normals(shape, self.seed, self.purpose, tensor, **self._key())

    def row_normals(self, rows: int, columns: int, tensor: str) -> NDArray[Any]:
        """Return the tensor's normals, (rows, columns); each row starts at a group of its own."""
        width = -(-columns // 64) * 64
        drawn = self.normals((self.first_row + rows, width), tensor)
        return np.ascontiguousarray(drawn[self.first_row :, :columns])

    def signs(self, rows: int, columns: int, tensor: str) -> NDArray[Any]:
        """Return the tensor's -1 and +1, (rows, columns), keyed by the row's place."""
        return signs(rows, columns, self.seed, self.purpose, tensor, first_row=self.first_row,
                     **self._key())  # fmt: skip

    def keeps(self, rows: int, columns: int, rate: float) -> NDArray[Any]:
        """Return 1 and 0, (rows, columns), 0 with probability `rate`, keyed by the row's place."""
        return keeps(rows, columns, rate, self.seed, self.purpose, first_row=self.first_row,
                     **self._key())  # fmt: skip


_OWN = {"local": LocalNoise, "independent": IndependentNoise}
NOISES = {  # a step's noise, and a Flipout layer's in it
    Noise: LayerNoise,
    LocalNoise: LocalLayerNoise,
    IndependentNoise: IndependentLayerNoise,
}


def noise_of(estimator: str, layers: Sequence[Any]) -> Any:
    """Return the layers' noise as the kind that belongs to the estimator."""
    return _OWN.get(estimator, Noise)(tuple(layers))


def estimator_of(noise: Any) -> str:
    """Return the estimator that draws this kind of noise; "flipout" stands for "shared" too."""
    return next((name for name, kind in _OWN.items() if isinstance(noise, kind)), "flipout")


def check_estimator(estimator: str, network: Network | None = None) -> str:
    """Return the estimator's name, or raise a `ValueError` for an unknown one.

    Parameters
    ----------
    estimator : str
    network : Network, optional
        Raise too where it cannot be trained with that estimator.
    """
    check_choice(estimator, "estimator", ESTIMATORS)
    for name, layer, _ in [] if network is None else network.walk():
        layer.check_estimator(estimator, name)
    return estimator


@overload
def draw_noise(
    network: Network,
    rows: int,
    seed: int,
    *,
    step: int = ...,
    draw: int = ...,
    purpose: str = ...,
    dtype: DTypeLike = ...,
    estimator: Literal["flipout", "shared"] = ...,
    first_row: int = ...,
    workspace: Any = ...,
) -> Noise: ...


@overload
def draw_noise(
    network: Network,
    rows: int,
    seed: int,
    *,
    step: int = ...,
    draw: int = ...,
    purpose: str = ...,
    dtype: DTypeLike = ...,
    estimator: str,
    first_row: int = ...,
    workspace: Any = ...,
) -> Noise | LocalNoise | IndependentNoise: ...


def draw_noise(
    network: Network,
    rows: int,
    seed: int,
    *,
    step: int = 0,
    draw: int = 0,
    purpose: str = "train",
    dtype: DTypeLike = "float32",
    estimator: str = "flipout",
    first_row: int = 0,
    workspace: Any = None,
) -> Noise | LocalNoise | IndependentNoise:
    """Return the noise of every layer for one draw of one step.

    Parameters
    ----------
    network : Network
    rows : int
        B, the number of examples (for inputs of rank above 2 the product of leading dimensions).
    seed, step, draw, purpose
        The key, as for `words`.
    dtype : dtype
        float32 or float64.
    estimator : str
        "flipout"; "shared" (every sign +1: one weight draw for the batch); "local" (one normal
        per example and output, `LocalLayerNoise`); "independent" (every example its own weights,
        `IndependentLayerNoise`: B I O normals).
    first_row : int
        The first row's place in the batch or table: signs are keyed by it.
    workspace : None
        This back end needs none.

    Returns
    -------
    Noise, or LocalNoise or IndependentNoise for the estimators of those names

    Raises
    ------
    ValueError
        For a number that does not fit the counter, or an unknown estimator.
    """
    check_estimator(estimator)
    rows = check_size(rows, "rows", least=0)
    first_row = check_size(first_row, "first_row", least=0)
    layers = [
        layer.draw_noise(Stream(seed, purpose, k, step, draw, dtype, first_row), rows, estimator)
        for k, layer in enumerate(network.layers)
    ]
    return noise_of(estimator, layers)
