"""A network: layers and a likelihood, and where the parameters start."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .border import aligned, check_dtype, take_array
from .errors import expected
from .layers import Layer, LayerParameters, chain, layers_from_json
from .likelihoods import Categorical, Likelihood, likelihood_from_json
from .noise import MOST_INSIDE, Stream
from .parameters import Parameters as Parameters
from .parameters import stretches

MOST_PARAMETERS = 1 << 36  # of a network: 256 GB in float32


def shortened(name: str) -> str:
    """Return "2.0" for the name "layers.2.layers.0", a layer's place in few letters."""
    return name.replace("layers.", "")


def bracketed(name: str) -> str:
    """Return "layers[2].layers[0]" for the name "layers.2.layers.0", as messages have it."""
    return ".".join(f"layers[{place}]" for place in shortened(name).split("."))


@dataclass(frozen=True, repr=False)
class Network:
    """Layers, first to last, and the likelihood of the last one's outputs.

    A network holds no parameters; `init` makes them.

    Parameters
    ----------
    layers : sequence of Layer, at least one
        Each takes as many inputs as the one before has outputs; one that takes any number
        (`Dropout`) learns it from the one before.
    likelihood : Likelihood

    Raises
    ------
    ValueError
        Where there is no layer, or two neighbours do not fit; the message names the layer.
    """

    layers: Sequence[Layer]
    likelihood: Likelihood = Categorical()  # noqa: RUF009, it is frozen

    def __post_init__(self) -> None:
        layers = (self.layers,) if isinstance(self.layers, Layer) else self.layers
        object.__setattr__(self, "layers", chain(layers))
        if not isinstance(self.likelihood, Likelihood):
            raise expected("likelihood", "an instance of one, as Categorical()",
                           repr(self.likelihood))  # fmt: skip
        self.likelihood.targets_of(self.outputs)
        self._check_extent()

    def _check_extent(self):
        """Raise for layers that the noise has no place for, or for hopelessly many parameters."""
        for name, *_ in self.walk():
            places = [int(place) for place in shortened(name).split(".")]
            if len(places) > 3 or max(places[1:], default=0) > MOST_INSIDE:
                wanted = f"inside two layers at most, with {MOST_INSIDE + 1} layers in each"
                raise expected(bracketed(name), wanted, "more")
        if self.num_parameters > MOST_PARAMETERS:
            raise expected("network", f"at most {MOST_PARAMETERS:,} parameters",
                           f"{self.num_parameters:,}")  # fmt: skip

    @cached_property  # these three are asked in every step
    def inputs(self) -> int:
        """I of the first layer."""
        return self.layers[0].inputs

    @cached_property
    def outputs(self) -> int:
        """O of the last layer."""
        return self.layers[-1].outputs

    @cached_property
    def least_rows(self) -> int:
        """The fewest rows of a batch that every layer can be trained on."""
        return max(layer.least_rows for layer in self.layers)

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Full name ("layers.0.kernel_mu") to shape, in the order of the flat vector."""
        shapes = {
            f"layers.{k}.{name}": shape
            for k, layer in enumerate(self.layers)
            for name, shape in layer.parameter_shapes.items()
        }
        for name, shape in self.likelihood.parameter_shapes(self.outputs).items():
            shapes[f"likelihood.{name}"] = shape
        return shapes

    @property
    def places(self) -> dict[str, slice]:
        """Full name to the tensor's stretch of the flat vector."""
        return stretches(self.parameter_shapes)

    @property
    def fixed(self) -> tuple[str, ...]:
        """Full names of the tensors that the optimiser leaves alone."""
        return tuple(
            f"layers.{k}.{name}" for k, layer in enumerate(self.layers) for name in layer.fixed
        )

    def walk(
        self, parameters: Parameters | None = None
    ) -> Iterator[tuple[str, Layer, LayerParameters | None]]:
        """Yield (name, layer, its parameters) of every layer that has none inside it.

        Parameters
        ----------
        parameters : Parameters, optional
            Without them the third is None.
        """
        own = [None] * len(self.layers) if parameters is None else parameters.layers
        for k, (layer, p) in enumerate(zip(self.layers, own, strict=True)):
            yield from layer.walk(p, f"layers.{k}")

    @property
    def num_parameters(self) -> int:
        """P, the length of the flat vector: means and rhos both counted."""
        return sum(map(math.prod, self.parameter_shapes.values()))

    def init(self, seed: int = 0, dtype: DTypeLike = "float32") -> Parameters:
        """Return initial `Parameters`, every tensor drawn from a stream of its own.

        Parameters
        ----------
        seed : int, 0 <= seed < 2**64
        dtype : "float32" or "float64"
            Both have the same values, rounded. Settles each layer's ``scale_shift``.

        Raises
        ------
        ValueError
            For another dtype or seed, or an initial value too large for the dtype.
        """
        dtype = check_dtype(dtype, ("float32", "float64"))
        parameters = Parameters(self, aligned(self.num_parameters, dtype))
        for k, layer in enumerate(self.layers):
            initial = layer.initial(Stream(seed, "init", k), parameters.scale_shift[k])
            for name, values in initial.items():
                name = f"layers.{k}.{name}"
                parameters[name][...] = take_array(values, f"initial {name}", dtype=dtype)
        for name, values in self.likelihood.initial(self.outputs, dtype).items():
            parameters[f"likelihood.{name}"][...] = values
        return parameters

    def parameters(
        self, arrays: Mapping[str, ArrayLike], dtype: DTypeLike | None = None
    ) -> Parameters:
        """Return `Parameters` filled from a mapping of full names to arrays.

        Parameters
        ----------
        arrays : mapping of str to array
            Full names ("layers.0.kernel_mu") to arrays of `parameter_shapes`.
        dtype : dtype, optional
            float32, float64 or complex128; that of the arrays by default.

        Raises
        ------
        ValueError
            For a missing or unknown name, another shape, or a value that is not finite.
        """
        shapes = self.parameter_shapes
        if set(arrays) != set(shapes):
            raise expected("parameters", f"the names {sorted(shapes)}", sorted(arrays))
        if dtype is None:
            dtype = np.result_type(*(np.asarray(value) for value in arrays.values()))
        parameters = Parameters(self, aligned(self.num_parameters, check_dtype(dtype)))
        for name, shape in shapes.items():
            value = np.asarray(arrays[name])
            if value.shape != shape:
                raise expected(name, f"shape {shape}", value.shape)
            if not np.all(np.isfinite(value)):
                raise expected(name, "finite values", "a NaN or an infinity")
            parameters[name][...] = value
        return parameters

    def to_json(self, dtype: DTypeLike | None = None) -> dict[str, Any]:
        """Return the network's description, ``{"layers": [...], "likelihood": {...}}``.

        Parameters
        ----------
        dtype : "float32" or "float64", optional
            With one: as `docs/vectors.md` describes the network of parameters of that dtype, with
            every scale_shift settled. Without: every option, and ``inputs``, so that `from_json`
            returns an equal network.
        """
        inputs = {"inputs": self.inputs} if dtype is None else {}
        return {
            **inputs,
            "layers": [layer.to_json(dtype) for layer in self.layers],
            "likelihood": self.likelihood.to_json(),
        }

    @classmethod
    def from_json(cls, description: Mapping[str, Any], inputs: int | None = None) -> Network:
        """Return the network that `to_json` described, in either form.

        Parameters
        ----------
        description : dict
        inputs : int, optional
            I of the first layer, where the description does not say.

        Raises
        ------
        ValueError
            For anything `to_json` does not write.
        """
        width = description.get("inputs") if inputs is None else inputs
        try:
            layers = layers_from_json(description.get("layers"), width)
        except RecursionError:
            raise expected("layers", "descriptions a few levels deep", "too many levels") from None
        return cls(layers, likelihood_from_json(description.get("likelihood")))

    def __repr__(self) -> str:
        total = f"{self.num_parameters:,} parameters"
        lines = [f"  layers[{k}] {layer.describe()}" for k, layer in enumerate(self.layers)]
        return "\n".join([f"Network with {self.likelihood!r}, {total}", *lines])
