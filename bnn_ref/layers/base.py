"""What every layer owns: the questions that the network, the step and the files ask of it.

A layer is a frozen description. It holds no parameters, draws no noise and keeps nothing between
calls: all of that is passed in and returned. Tensors of the posterior come in pairs NAME_mu and
NAME_rho, with sigma = scale_shift + softplus(rho).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import expected
from ..noise import LayerNoise, LocalLayerNoise
from ..priors import KLParts
from ..registry import Registry
from .records import LayerParameters, LayerTrace
from .sigmas import sigma, sigma_for_kl

if TYPE_CHECKING:
    from ..noise.draws import Stream
    from ..priors.base import Prior

LAYERS: Registry[type[Layer]] = Registry("layer type")
register = LAYERS.register_class


class Layer:
    """A layer: a frozen dataclass with `inputs` and `outputs` that answers what is asked here.

    Besides these, each layer has ``forward``, ``backward``, ``to_json`` and ``from_json``, and
    where it has any ``initial`` values and ``draw_noise``, ``noise_shapes``: see `DenseFlipout`.
    ``forward`` and ``backward`` are a training step, ``draw_outputs`` is a prediction.

    Attributes
    ----------
    type : str
        Its name in `LAYERS` and in JSON.
    tensors : tuple of str
        The names that its parameters may have.
    explained : bool
        Whether `bnn_ref.explain` prints it line by line.
    layers : tuple of Layer
        Those inside it, whose names and noise are nested ("layers.2.layers.0.kernel_mu").
    """

    type: ClassVar[str] = ""
    tensors: ClassVar[tuple[str, ...]] = ()
    explained: ClassVar[bool] = False
    layers: Sequence[Layer] = ()
    inputs: int
    outputs: int
    forward: Callable[[LayerParameters, Any, NDArray[Any]], LayerTrace]
    backward: Callable[..., NDArray[Any]]
    to_json: Callable[..., dict[str, Any]]
    from_json: ClassVar[Callable[..., Layer]]

    @property
    def input_shape(self) -> Any:
        """The shape of one example: (I,), or (H, W, C) where a batch may have it, too."""
        return (self.inputs,)

    @property
    def output_shape(self) -> Any:
        """The shape of one example's outputs, as the layer behind learns it: (O,) or (H, W, C)."""
        return (self.outputs,)

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name to shape of each parameter, in the order of the flat vector."""
        return {}

    @property
    def priors(self) -> dict[str, Prior]:
        """Name ("kernel") to prior of each tensor that has a posterior, in the order of the KL."""
        return {}

    @property
    def fixed(self) -> tuple[str, ...]:
        """Names of the tensors that the optimiser leaves alone: statistics, and what is frozen."""
        return ()

    def draw_outputs(
        self, p: LayerParameters, h: NDArray[Any], stream: Stream, kind: str
    ) -> NDArray[Any]:
        """Return the outputs (rows, O) of one draw: those of training, where there is no noise.

        Arguments as for `DenseFlipout.draw_outputs`.
        """
        return self.forward(p, None, h).outputs  # E3, E35, E36, E62

    def statistics_after(self, p: LayerParameters, trace: LayerTrace) -> dict[str, NDArray[Any]]:
        """Return name to next value of each tensor that no gradient reaches: running statistics.

        Parameters
        ----------
        p : LayerParameters
        trace : LayerTrace
            Of this step's forward pass.
        """
        return {}

    def initial(self, stream: Stream, scale_shift: Any) -> dict[str, NDArray[Any]]:
        """Return name to array of the initial values; arguments as for `DenseFlipout`'s."""
        return {}

    def noise_shapes(self, noise: Any, rows: int) -> dict[str, tuple[int, ...] | None]:
        """Return name to shape of the noise's arrays; arguments as for `DenseFlipout`'s."""
        return {}

    def draw_noise(self, stream: Stream, rows: int, estimator: str = "flipout") -> Any:
        """Return the noise of so many rows: None for a layer that draws none.

        Parameters
        ----------
        stream, rows, estimator
            As for `DenseFlipout.draw_noise`.
        """

    def check_estimator(self, estimator: str, thing: str) -> None:
        """Raise a `ValueError` where the layer, or a prior of it, has no such noise.

        Parameters
        ----------
        estimator : str
            One of `bnn_ref.noise.ESTIMATORS`.
        thing : str
            What messages call the layer.
        """

    @property
    def num_random(self) -> int:
        """How many weights have a posterior: the entries whose KL terms are summed."""
        return sum(prod(self.parameter_shapes[f"{name}_mu"]) for name in self.priors)

    def settled_shift(self, dtype: DTypeLike) -> Any:
        """Return c of sigma = c + softplus(rho) for a dtype; None without a posterior."""
        return None

    def parameters(self, scale_shift: Any, views: Mapping[str, NDArray[Any]]) -> LayerParameters:
        """Return the `LayerParameters` of a settled scale_shift and these views, name to array."""
        return LayerParameters(
            scale_shift=scale_shift, **{name: views.get(name) for name in self.tensors}
        )

    def after(self, shape: tuple[int, ...], thing: str) -> Layer:
        """Return the layer as it stands behind outputs of that shape, (I,) or (H, W, C).

        Parameters
        ----------
        shape : tuple of int
        thing : str
            What messages call the layer.
        """
        return self

    @property
    def least_rows(self) -> int:
        """The fewest rows of a batch that it can be trained on; a forward pass may have none."""
        return 0

    def walk(self, p: LayerParameters | None, name: str) -> Iterator[tuple[str, Layer, Any]]:
        """Yield (name, layer, its parameters) of this layer, or of each inside it.

        Parameters
        ----------
        p : LayerParameters or None
            Where it is None, so are the layers' parameters.
        name : str
            "layers.2".
        """
        yield name, self, p

    def posteriors(
        self, p: LayerParameters
    ) -> Iterator[tuple[str, Prior, NDArray[Any], NDArray[Any]]]:
        """Yield (name, prior, mu, rho) of each tensor of p that has a posterior."""
        for name, prior in self.priors.items():
            yield name, prior, getattr(p, f"{name}_mu"), getattr(p, f"{name}_rho")

    @property
    def point_priors(self) -> dict[str, Prior]:
        """Name ("bias") to prior of each point estimate that has one: its -log p joins the KL."""
        return {}

    def _check_priors(self):
        """Raise where a prior's arrays do not fit its tensor; once the sizes are known."""
        for tensor, prior in {**self.priors, **self.point_priors}.items():
            prior.check_shape(self.parameter_shapes[f"{tensor}_mu"], f"{tensor}_prior")

    def bound(self, name: str, prior: Prior, p: LayerParameters, noise: Any) -> Prior:
        """Return a tensor's prior as this step sees it: with its draw and what it has learned.

        Parameters
        ----------
        name : str
            "kernel".
        prior : Prior
        p : LayerParameters
        noise : what `draw_noise` returns, or None
        """
        own = {part: getattr(p, f"{name}_prior_{part}") for part in prior.parameter_shapes}
        return prior.bind(getattr(noise, f"{name}_eps", None), own)

    def kl(self, p: LayerParameters, noise: Any = None, trace: LayerTrace | None = None) -> Any:
        """Return the layer's KL divergence in nats, the sum over its tensors' weights.

        Elements are of the parameters' dtype, the sum is float64 (complex128 for complex).

        Parameters
        ----------
        p : LayerParameters
        noise : what `draw_noise` returns, optional
            For a prior whose KL is taken at the drawn weights.
        trace : LayerTrace, optional
            Of a forward pass, which has computed every sigma already.
        """
        total = 0.0
        for name, prior in self.point_priors.items():
            mu = getattr(p, f"{name}_mu")
            total += np.sum(prior.penalty(mu), dtype=np.result_type(mu, np.float64))  # E24
        for name, prior, mu, rho in self.posteriors(p):
            if not prior.has_kl:
                continue
            prior = self.bound(name, prior, p, noise)
            wide = np.result_type(mu, np.float64)
            its = sigma(p.scale_shift, rho) if trace is None else getattr(trace, f"{name}_sigma")
            its, _, added = sigma_for_kl(rho, its)
            total += np.sum(prior.kl(mu, its), dtype=wide)  # E1, E5
            total += prior.factor * np.sum(added, dtype=wide)  # E5
        return total

    def kl_parts(self, p: LayerParameters, noise: Any = None) -> KLParts:
        """Return the layer's KL split into `KLParts`, computed in float64.

        Arguments as for `kl`; -log p of a point estimate is constant.
        """
        points = sum(np.sum(prior.penalty(getattr(p, f"{name}_mu").astype(np.float64)))
                     for name, prior in self.point_priors.items())  # fmt: skip
        parts = [KLParts(0.0, 0.0, 0.0, float(points))]  # E24
        for name, prior, mu, rho in self.posteriors(p):
            if not prior.has_kl:
                continue
            rho = rho.astype(np.float64)
            its, _, added = sigma_for_kl(rho, sigma(p.scale_shift, rho))  # E1
            prior = self.bound(name, prior, p, noise)
            part = prior.kl_parts(mu, its)
            parts.append(part._replace(log=part.log + prior.factor * np.sum(added)))  # E5
        return KLParts(*(sum(part) for part in zip(*parts, strict=True)))  # E5

    def describe(self) -> str:
        """Return the layer in one line, for `repr` of the network."""
        return f"{self.type} {self.inputs} -> {self.outputs}"

    @classmethod
    def from_json_behind(
        cls, description: Mapping[str, Any], shape: tuple[int, ...] | None
    ) -> Layer:
        """Return the layer of a description, behind outputs of that shape.

        Most layers need no more of it than how many there are; see `from_json`.

        Parameters
        ----------
        description : dict
        shape : (I,) or (H, W, C), or None
        """
        return cls.from_json(description, None if shape is None else prod(shape))

    def noise_of(self, arrays: Mapping[str, NDArray[Any]]) -> Any:
        """Return the layer's noise from name to array, as a file has it; None where it has none.

        Parameters
        ----------
        arrays : mapping of str to array
            By the names of `noise_shapes`.
        """
        if not arrays:
            return None
        return (LocalLayerNoise if "output_eps" in arrays else LayerNoise)(**arrays)

    def check_noise(self, noise: Any, rows: int, dtype: np.dtype[Any], thing: str) -> None:
        """Raise where the noise has not the arrays that this layer needs for so many rows.

        Parameters
        ----------
        noise : what `draw_noise` returns
        rows : int
            B.
        dtype : dtype
            The real dtype of the parameters.
        thing : str
            What the message calls the noise.

        Raises
        ------
        ValueError
            The message names the array: "noise[1].sign_output: expected (32, 4), found (16, 4)".
        """
        for name, shape in self.noise_shapes(noise, rows).items():
            array = getattr(noise, name, None)
            if shape is None or array is None:
                if shape is not None or array is not None:
                    found = "nothing" if array is None else f"shape {np.shape(array)}"
                    raise expected(f"{thing}.{name}", shape or "nothing", found)
                continue
            if not isinstance(array, np.ndarray) or array.shape != shape:
                raise expected(f"{thing}.{name}", shape, np.shape(array))
            if array.dtype != dtype:
                raise expected(f"{thing}.{name}", f"dtype {dtype}", array.dtype)


def layer_from_json(description: Mapping[str, Any], inputs: int | tuple[int, ...] | None) -> Layer:
    """Return the layer that its `to_json` described, for inputs of that shape.

    Parameters
    ----------
    description : dict
    inputs : int or tuple of int
        I or (H, W, C), which the description leaves to the layer before.

    Raises
    ------
    ValueError
        For a type, key or value that no layer writes.
    """
    if not isinstance(description, dict) or "type" not in description:
        raise expected("layer", "an object with a type", repr(description))
    shape = None if inputs is None else tuple(int(size) for size in np.atleast_1d(inputs))
    return LAYERS.find(description["type"]).from_json_behind(description, shape)
