"""A network built layer by layer from somebody else's model, and what is refused on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..activations import ACTIVATIONS, get_activation, leaky_relu
from ..border import refuse_not_finite
from ..errors import expected
from ..layers import Elementwise, Layer, Residual
from ..likelihoods import Categorical, Likelihood
from ..network import Network
from ..parameters import Parameters

GRID = np.linspace(-8, 8, 129)  # where an activation is looked at
CLOSE = 1e-6  # of what it says there: a model may compute in float32


class Converted(NamedTuple):
    """What became of a model.

    Attributes
    ----------
    network : Network
    parameters : Parameters
        Its weights and statistics.
    estimator : str
        What its Bayesian layers draw with, for `Trainer` and `fit`: "flipout", "shared" or
        "local"; "flipout" where there are none.
    """

    network: Network
    parameters: Parameters
    estimator: str


def recognise(values: ArrayLike) -> str | None:
    """Return the name of the activation that has these values on `GRID`, or None.

    Parameters
    ----------
    values : array (129,)
    """
    values = np.asarray(values, np.float64)
    leak = -float(values[GRID == -1][0])
    names = [*ACTIVATIONS, *([leaky_relu(float(f"{leak:.6g}"))] if 0 < leak < 1 else [])]
    for name in names:
        exact = get_activation(name).function(GRID)
        if np.all(np.abs(values - exact) <= CLOSE * (1 + np.abs(exact))):
            return name
    return None


class Builder:
    """Layers and their arrays, collected in the order of a model.

    Parameters
    ----------
    likelihood : Likelihood or None
        Categorical unless given.
    shape : (H, W, C) or (I,), optional
        Of the inputs, where it is known.

    Attributes
    ----------
    shape : tuple of int or None
        Of the last layer's outputs, as far as it is known.
    """

    def __init__(self, likelihood: Likelihood | None, shape: Sequence[int] | None = None) -> None:
        self.shape = None if shape is None else tuple(shape)
        self.likelihood: Likelihood = Categorical() if likelihood is None else likelihood
        self.layers: list[Layer] = []
        self.arrays: list[Mapping[str, ArrayLike]] = []
        self.estimator: str | None = None
        self.ended: str | None = None  # the place of a softmax or sigmoid that logits left out

    def add(
        self, place: str, layer: Layer, arrays: Mapping[str, ArrayLike] | None = None,
        estimator: str | None = None,
    ) -> None:  # fmt: skip
        """Add a layer; one with a posterior says what it draws with.

        Parameters
        ----------
        place : str
            What messages call it in the model.
        layer : Layer
        arrays : mapping of str to array, optional
            Values of its tensors; a name that ends in ``_sigma`` sets the rho of that sigma.
        estimator : str, optional

        Raises
        ------
        ValueError
            Behind the model's last activation, or for two estimators in one model.
        """
        if self.ended is not None:
            raise expected(self.ended, "no layer behind it", place)
        if estimator is not None:
            if self.estimator not in (None, estimator):
                raise expected(place, f"layers of one estimator, {self.estimator!r}", estimator)
            self.estimator = estimator
        if self.shape is not None:
            layer = layer.after(self.shape, place)
            if layer.inputs != math.prod(self.shape):
                raise expected(place, f"inputs of {self.shape}", layer.inputs)
            self.shape = layer.output_shape
        self.layers.append(layer)
        self.arrays.append({} if arrays is None else arrays)

    def activate(self, place: str, values: ArrayLike) -> None:
        """Add the activation that has those values on `GRID`; in the layer before where it fits.

        Parameters
        ----------
        place : str
        values : array (129,)
        """
        name = recognise(values)
        if name is None:
            raise expected(place, "one of the activations that this library has", "another")
        if name == "linear":
            return
        last = self.layers[-1] if self.layers else None
        if getattr(last, "activation", None) == "linear":
            self.layers[-1] = replace(last, activation=name)  # type: ignore[type-var]
            return
        self.add(place, Elementwise(name))

    def end(self, place: str, kind: str) -> None:
        """Leave out the last softmax or sigmoid, whose inputs are the logits that are wanted here.

        Parameters
        ----------
        place : str
        kind : "categorical" or "bernoulli"
            The likelihood that takes such logits.

        Raises
        ------
        ValueError
            For another likelihood.
        """
        if self.likelihood.type != kind:
            raise expected(place, f"the likelihood {kind}, which takes its inputs",
                           self.likelihood.type)  # fmt: skip
        self.ended = place

    def enclose(self, place: str, start: int) -> None:
        """Make the layers from `start` on one `Residual`.

        Parameters
        ----------
        place : str
        start : int
        """
        inner, arrays = self.layers[start:], self.arrays[start:]
        if not inner:
            raise expected(place, "layers between what is added", "none")
        nested = {
            f"layers.{j}.{name}": value for j, tensors in enumerate(arrays)
            for name, value in tensors.items()
        }  # fmt: skip
        del self.layers[start:], self.arrays[start:]
        self.layers.append(Residual(inner))
        self.arrays.append(nested)

    def finish(self, dtype: DTypeLike) -> Converted:
        """Return the network and its parameters.

        Parameters
        ----------
        dtype : dtype
        """
        network = Network(self.layers, self.likelihood)
        parameters = network.init(0, dtype)
        for k, arrays in enumerate(self.arrays):
            for name, value in arrays.items():
                full = f"layers.{k}.{name}"
                if name.endswith("_sigma"):
                    parameters.set_sigma(full.removesuffix("_sigma"), value)
                    continue
                if np.shape(value) != parameters[full].shape:
                    raise expected(full, f"shape {parameters[full].shape}", np.shape(value))
                refuse_not_finite(np.asarray(value), full)
                parameters[full][...] = value
        return Converted(network, parameters, self.estimator or "flipout")


def one_prior(loc: ArrayLike, scale: ArrayLike) -> tuple[Any, Any]:
    """Return a prior's loc and scale, a number each where all entries of an array are the same.

    Parameters
    ----------
    loc, scale : float or array
    """
    return tuple(_number(value) for value in (loc, scale))  # type: ignore[return-value]


def _number(value: ArrayLike) -> float | NDArray[Any]:
    array = np.asarray(value)
    if array.size and np.all(array == array.flat[0]):
        single = array.flat[0]  # of a float32 0.1 the digits, not their float64 value
        return float(f"{single:.9g}") if array.dtype == np.float32 else float(single)
    return array.astype(np.float64)


def refuse(place: str, known: Sequence[str], found: Any) -> ValueError:
    """Return the error for a layer without a counterpart.

    Parameters
    ----------
    place : str
    known : sequence of str
        What has one.
    found : object
        The layer.
    """
    return expected(place, f"a layer that has a counterpart: {', '.join(known)}",
                    type(found).__name__)  # fmt: skip
