"""Dropout: each entry of each example dropped at random, by a mask that is noise like any other.

Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), "Dropout"; Gal and
Ghahramani (2016), "Dropout as a Bayesian approximation", for masks in prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..border import check_flag, check_number
from ..errors import expected
from ..noise import DropoutNoise
from .base import register
from .records import LayerTrace
from .same_size import SameSize

if TYPE_CHECKING:
    from ..noise.draws import Stream
    from .records import LayerParameters


@register
@dataclass(frozen=True)
class Dropout(SameSize):
    """outputs = h * keep / (1 - rate), keep 0 with probability ``rate`` for each entry, else 1.

    Parameters
    ----------
    rate : float
        The share that is dropped, from 0 up to, not including, 1.
    predicts : bool
        True (Monte Carlo dropout): a prediction draws masks as well, one for all rows in a draw
        of kind "weights", one for each row in one of kind "flipout". False: a prediction drops
        nothing. At kind "mean" nothing is dropped either way.
    shape : int or tuple of int, optional
        Of one example; that of the layer before's outputs unless given.

    Raises
    ------
    ValueError
        For a rate out of range.
    """

    rate: float
    predicts: bool = True
    shape: tuple[int, ...] | int | None = None

    type = "Dropout"

    def __post_init__(self) -> None:
        rate = check_number(self.rate, "rate", "[0, 1)")
        if rate >= 1 - 2**-32:
            raise expected("rate", "a number from 0 up to, not including, 1", rate)
        object.__setattr__(self, "rate", rate)
        object.__setattr__(self, "predicts", check_flag(self.predicts, "predicts"))
        self.settle_shape()

    def noise_shapes(self, noise: Any, rows: int) -> dict[str, tuple[int, ...] | None]:
        """Return ``keep``'s shape, (B, I); arguments as for `DenseFlipout.noise_shapes`."""
        return {"keep": (rows, self.inputs)}

    def draw_noise(self, stream: Stream, rows: int, estimator: str = "flipout") -> DropoutNoise:
        """Return the `DropoutNoise` of so many rows; arguments as for `DenseFlipout.draw_noise`."""
        return DropoutNoise(stream.keeps(rows, self.inputs, self.rate))

    def noise_of(self, arrays: Mapping[str, NDArray[Any]]) -> DropoutNoise:
        """Return the `DropoutNoise` of "keep"; arguments as for `Layer.noise_of`."""
        return DropoutNoise(**arrays)

    def _factors(self, keep):
        return keep * keep.dtype.type(1 / (1 - self.rate))  # E61

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace`: inputs and outputs; arguments as for `DenseFlipout.forward`."""
        return LayerTrace(inputs=h, outputs=h * self._factors(noise.keep))  # E61

    def backward(
        self,
        p: LayerParameters,
        noise: Any,
        t: LayerTrace,
        grad_outputs: NDArray[Any],
        kl_weight: float,
        gradients: LayerParameters,
    ) -> NDArray[Any]:
        """Return the gradient by the inputs, (B, I); arguments as for `DenseFlipout.backward`."""
        t.grad_inputs = grad_outputs * self._factors(noise.keep)  # E61
        return t.grad_inputs

    def draw_outputs(
        self, p: LayerParameters, h: NDArray[Any], stream: Stream, kind: str
    ) -> NDArray[Any]:
        """Return the outputs (rows, I) of one draw; arguments as for `DenseFlipout.draw_outputs`.

        A mask for all rows is a draw of a whole network, so that its outputs are one function.
        """
        if kind == "mean" or not self.predicts:
            return h
        if kind == "weights":
            keep = stream._replace(first_row=0).keeps(1, self.inputs, self.rate)
        else:
            keep = stream.keeps(len(h), self.inputs, self.rate)
        return h * self._factors(np.asarray(keep, h.dtype))  # E61
