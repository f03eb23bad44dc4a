"""A network's parameters: one flat vector, and a named view of every tensor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .border import aligned, check_choice, check_dtype, own_array, take_array
from .elementary import softplus_inverse
from .errors import expected
from .layers import Layer, LayerParameters, sigma

if TYPE_CHECKING:
    from .network import Network


def stretches(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, slice]:
    """Return name to stretch of the flat vector, from names and shapes in their order."""
    places, start = {}, 0
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        places[name], start = slice(start, stop), stop
    return places


class Parameters(Mapping[str, NDArray[Any]]):
    """The parameters of a network (or their gradients, or moments): one flat vector, named views.

    A mapping from full names ("layers.0.kernel_mu") to arrays; ``parameters.layers[0].kernel_mu``
    is the same array.

    Parameters
    ----------
    network : Network
    flat : array (P,), float32, float64 or complex128
        Kept where compiled code may write to it as it is (see `border.own_array`), else copied.
    scale_shift : sequence of float, optional
        c of each layer (None without a posterior, a tuple for the layers inside a layer); the
        layers' own, or the machine epsilon of the dtype, unless given.

    Attributes
    ----------
    flat : array (P,)
        The tensors one after the other in C order: layer by layer kernel_mu, kernel_rho, bias_mu,
        bias_rho as far as there are; last ``likelihood.scale_rho`` where it is learned.
    layers : tuple of LayerParameters
    likelihood : dict of str to array
        The likelihood's own parameters.
    """

    flat: NDArray[Any]
    layers: tuple[LayerParameters, ...]
    likelihood: dict[str, NDArray[Any]]
    scale_shift: tuple[Any, ...]

    def __init__(
        self, network: Network, flat: NDArray[Any], scale_shift: Sequence[Any] | None = None
    ) -> None:
        shapes = network.parameter_shapes
        count = sum(map(math.prod, shapes.values()))
        if np.shape(flat) != (count,):
            raise expected("flat", f"shape ({count},)", np.shape(flat))
        self.network = network
        self.flat = own_array(flat, check_dtype(flat.dtype.newbyteorder("=")))
        if scale_shift is None:
            scale_shift = [layer.settled_shift(self.flat.dtype) for layer in network.layers]
        self.scale_shift = tuple(scale_shift)
        places = stretches(shapes)
        self._views = {name: self.flat[places[name]].reshape(shapes[name]) for name in shapes}
        below = {f"layers.{k}": {} for k in range(len(network.layers))} | {"likelihood": {}}
        for name, view in self._views.items():  # once, however many layers there are
            parts = name.split(".", 1 if name.startswith("likelihood") else 2)
            below[".".join(parts[:-1])][parts[-1]] = view
        self.likelihood = below.pop("likelihood")
        each = zip(network.layers, self.scale_shift, below.values(), strict=True)
        self.layers = tuple(layer.parameters(shift, own) for layer, shift, own in each)

    def _posterior(self, tensor):
        """Return (rho, scale_shift) of "layers.K.NAME", or raise for one without a posterior."""
        known = [name.removesuffix("_rho") for name in self._views
                 if name.endswith("_rho") and f"{name[:-3]}mu" in self._views]  # fmt: skip
        check_choice(tensor, "tensor", known)
        shift = self.scale_shift
        for place in tensor.split(".")[1:-1:2]:  # of "layers.2.layers.0.kernel" 2 and 0
            shift = shift[int(place)]
        return self._views[f"{tensor}_rho"], shift

    def walk(self) -> Iterator[tuple[str, Layer, LayerParameters]]:
        """Yield (name, layer, its parameters) of every layer that has none inside it."""
        yield from self.network.walk(self)

    def sigma(self, tensor: str) -> NDArray[Any]:
        """Return the posterior's standard deviations of a tensor, an array of its shape.

        Parameters
        ----------
        tensor : str
            "layers.0.kernel", say.

        Raises
        ------
        ValueError
            For a tensor that has no posterior.
        """
        rho, shift = self._posterior(tensor)
        return sigma(shift, rho)

    def set_sigma(self, tensor: str, values: ArrayLike) -> None:
        """Set the posterior's standard deviations of a tensor, in place, through its rho.

        What `sigma` then returns is as near as the last place of rho allows, within a unit for a
        sigma above 1: of a small one half a unit of rho is abs(rho) / 2 relative units.

        Parameters
        ----------
        tensor : str
            "layers.0.kernel", say.
        values : float, or array that broadcasts to the tensor's shape
            Each above the layer's scale_shift.

        Raises
        ------
        ValueError
            For a tensor that has no posterior, or a value that overflows in the dtype or is not
            above scale_shift.
        """
        rho, shift = self._posterior(tensor)
        values = take_array(values, f"sigma of {tensor}", dtype=np.float64)
        try:
            np.broadcast_to(values, rho.shape)
        except ValueError:
            wanted = f"a number, or what broadcasts to {rho.shape}"
            raise expected(f"sigma of {tensor}", wanted, f"shape {values.shape}") from None
        rounded = take_array(values, f"sigma of {tensor}", dtype=self.dtype)  # 1e39 in float32
        if np.min(rounded.real) <= shift:
            raise expected(f"sigma of {tensor}", f"numbers above scale_shift ({shift:g})",
                           float(np.min(values)))  # fmt: skip
        near = softplus_inverse(values - shift).astype(np.finfo(self.dtype).dtype)
        ways = np.stack([near, np.nextafter(near, np.inf), np.nextafter(near, -np.inf)])
        best = np.argmin(np.abs(sigma(shift, ways) - values), axis=0)
        rho[...] = np.choose(best, ways)

    @property
    def scale_rho(self) -> NDArray[Any] | None:
        """The Normal likelihood's learned scale_rho (O,), or None."""
        return self.likelihood.get("scale_rho")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of every array."""
        return self.flat.dtype

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def copy(self) -> Parameters:
        """Return a copy with a flat vector of its own."""
        return self.astype(self.dtype)

    def zeros_like(self) -> Parameters:
        """Return parameters of the same shapes, all 0: what gradients and moments start from."""
        return Parameters(self.network, aligned(len(self.flat), self.dtype), self.scale_shift)

    def astype(self, dtype: DTypeLike) -> Parameters:
        """Return a copy in another dtype; the settled scale_shift stays as it is."""
        flat = aligned(len(self.flat), check_dtype(dtype))
        flat[...] = self.flat
        return Parameters(self.network, flat, self.scale_shift)

    def __reduce__(self) -> tuple[type[Parameters], tuple[Any, ...]]:
        return Parameters, (self.network, self.flat, self.scale_shift)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in self.items())
        return f"Parameters({self.dtype}: {shapes})"
