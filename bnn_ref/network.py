"""A network: Flipout layers and a likelihood; its parameters: one flat vector, named views."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from . import noise as generator
from .border import check_dtype
from .errors import expected
from .layers import DenseFlipout, layer_from_json
from .likelihoods import Categorical, likelihood_from_json


@dataclass(frozen=True, repr=False)
class Network:
    """Flipout layers, first to last, and the likelihood of the last one's outputs.

    A network holds no parameters; `init` makes them.

    Parameters
    ----------
    layers : sequence of DenseFlipout, at least one
        Each takes as many inputs as the one before has outputs.
    likelihood : Categorical, Bernoulli or Normal

    Raises
    ------
    ValueError
        Where there is no layer, or two neighbours do not fit; the message names the layer.
    """

    layers: tuple
    likelihood: object = Categorical()

    def __post_init__(self):
        layers = self.layers
        if isinstance(layers, DenseFlipout):
            layers = (layers,)
        object.__setattr__(self, "layers", tuple(layers))
        if not self.layers:
            raise expected("layers", "at least one layer", "none")
        width = None
        for k, layer in enumerate(self.layers):
            if not isinstance(layer, DenseFlipout):
                raise expected(f"layers[{k}]", "a DenseFlipout", type(layer).__name__)
            if width is not None and layer.inputs != width:
                raise expected(f"layers[{k}].inputs", f"{width}, the outputs of layers[{k - 1}]",
                               layer.inputs)  # fmt: skip
            width = layer.outputs
        if not hasattr(self.likelihood, "nll_and_gradient") or isinstance(self.likelihood, type):
            wanted = "an instance of Categorical, Bernoulli or Normal"
            raise expected("likelihood", wanted, repr(self.likelihood))

    @property
    def inputs(self):
        """I of the first layer."""
        return self.layers[0].inputs

    @property
    def outputs(self):
        """O of the last layer."""
        return self.layers[-1].outputs

    @property
    def parameter_shapes(self):
        """Full name ("layers.0.kernel_mu") to shape, in the order of the flat vector."""
        shapes = {
            f"layers.{k}.{name}": shape
            for k, layer in enumerate(self.layers)
            for name, shape in layer.parameter_shapes.items()
        }
        if self.likelihood.learn_scale:
            shapes["likelihood.scale_rho"] = (self.outputs,)
        return shapes

    @property
    def num_parameters(self):
        """P, the length of the flat vector: means and rhos both counted."""
        return sum(int(np.prod(shape)) for shape in self.parameter_shapes.values())

    def init(self, seed=0, dtype="float32"):
        """Return initial `Parameters`, every tensor drawn from a stream of its own.

        Parameters
        ----------
        seed : int, 0 <= seed < 2**64
        dtype : "float32" or "float64"
            Both have the same values, rounded. Settles each layer's ``scale_shift``.

        Raises
        ------
        ValueError
            For another dtype or seed.
        """
        dtype = check_dtype(dtype, ("float32", "float64"))
        parameters = Parameters(self, np.zeros(self.num_parameters, dtype))
        for k, layer in enumerate(self.layers):
            for name, shape in layer.parameter_shapes.items():
                location, scale = layer.initial_location_and_scale(name)
                draws = generator.normals(shape, seed, "init", name, layer=k)
                parameters[f"layers.{k}.{name}"][...] = location + scale * draws
        if self.likelihood.learn_scale:
            initial = self.likelihood.initial_scale_rho(self.outputs, dtype)
            parameters["likelihood.scale_rho"][...] = initial
        return parameters

    def parameters(self, arrays, dtype=None):
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
        parameters = Parameters(self, np.zeros(self.num_parameters, check_dtype(dtype)))
        for name, shape in shapes.items():
            value = np.asarray(arrays[name])
            if value.shape != shape:
                raise expected(name, f"shape {shape}", value.shape)
            if not np.all(np.isfinite(value)):
                raise expected(name, "finite values", "a NaN or an infinity")
            parameters[name][...] = value
        return parameters

    def to_json(self, dtype="float32"):
        """Return the description of `docs/vectors.md`: ``{"layers": [...], "likelihood": {...}}``.

        The dtype settles a scale_shift that was left to it.
        """
        return {
            "layers": [layer.to_json(dtype) for layer in self.layers],
            "likelihood": self.likelihood.to_json(),
        }

    @classmethod
    def from_json(cls, description, inputs):
        """Return the network that `to_json` described, for that many inputs.

        Parameters
        ----------
        description : dict
        inputs : int
            I of the first layer.

        Raises
        ------
        ValueError
            For anything `to_json` does not write.
        """
        layers = []
        if not isinstance(description.get("layers"), list):
            raise expected("layers", "a list of objects", repr(description.get("layers")))
        for one in description["layers"]:
            layers.append(layer_from_json(one, layers[-1].outputs if layers else inputs))
        return cls(layers, likelihood_from_json(description.get("likelihood")))

    def __repr__(self):
        lines = [
            f"  layers[{k}] {layer.inputs} -> {layer.outputs} {layer.activation}, "
            f"kernel prior N({layer.kernel_prior.loc:g}, {layer.kernel_prior.scale:g}), "
            + (
                f"bias {layer.bias} prior N({layer.bias_prior.loc:g}, {layer.bias_prior.scale:g})"
                if layer.bias_is_random
                else f"bias {layer.bias}"
            )
            for k, layer in enumerate(self.layers)
        ]
        total = f"{self.num_parameters:,} parameters"
        return "\n".join([f"Network with {self.likelihood!r}, {total}", *lines])


class LayerParameters:
    """One layer's parameters: views into the flat vector, None where the layer has no such one.

    Attributes
    ----------
    kernel_mu, kernel_rho : array (I, O)
    bias_mu, bias_rho : array (O,) or None
    scale_shift : float
        c of sigma = c + softplus(rho), settled.
    """

    __slots__ = ("bias_mu", "bias_rho", "kernel_mu", "kernel_rho", "scale_shift")

    def __init__(self, scale_shift, kernel_mu, kernel_rho, bias_mu=None, bias_rho=None):
        self.scale_shift = scale_shift
        self.kernel_mu, self.kernel_rho = kernel_mu, kernel_rho
        self.bias_mu, self.bias_rho = bias_mu, bias_rho


class Parameters(Mapping):
    """The parameters of a network (or their gradients, or moments): one flat vector, named views.

    A mapping from full names ("layers.0.kernel_mu") to arrays; ``parameters.layers[0].kernel_mu``
    is the same array.

    Parameters
    ----------
    network : Network
    flat : array (P,), float32, float64 or complex128
    scale_shift : sequence of float, optional
        c of each layer; the layers' own, or the machine epsilon of the dtype, unless given.

    Attributes
    ----------
    flat : array (P,)
        The tensors one after the other in C order: layer by layer kernel_mu, kernel_rho, bias_mu,
        bias_rho as far as there are; last ``likelihood.scale_rho`` where it is learned.
    layers : tuple of LayerParameters
    scale_rho : array (O,) or None
    """

    def __init__(self, network, flat, scale_shift=None):
        if flat.shape != (network.num_parameters,):
            raise expected("flat", f"shape ({network.num_parameters},)", flat.shape)
        self.network, self.flat = network, flat
        if scale_shift is None:
            scale_shift = [layer.settled_shift(flat.dtype) for layer in network.layers]
        self.scale_shift = tuple(scale_shift)
        self._views, start = {}, 0
        for name, shape in network.parameter_shapes.items():
            size = int(np.prod(shape))
            self._views[name] = flat[start : start + size].reshape(shape)
            start += size
        self.layers = tuple(
            LayerParameters(
                self.scale_shift[k],
                **{name: self._views[f"layers.{k}.{name}"] for name in layer.parameter_shapes},
            )
            for k, layer in enumerate(network.layers)
        )
        self.scale_rho = self._views.get("likelihood.scale_rho")

    @property
    def dtype(self):
        """The dtype of every array."""
        return self.flat.dtype

    def __getitem__(self, name):
        return self._views[name]

    def __iter__(self):
        return iter(self._views)

    def __len__(self):
        return len(self._views)

    def copy(self):
        """Return a copy with a flat vector of its own."""
        return Parameters(self.network, self.flat.copy(), self.scale_shift)

    def zeros_like(self):
        """Return parameters of the same shapes, all 0: what gradients and moments start from."""
        return Parameters(self.network, np.zeros_like(self.flat), self.scale_shift)

    def astype(self, dtype):
        """Return a copy in another dtype; the settled scale_shift stays as it is."""
        return Parameters(self.network, self.flat.astype(check_dtype(dtype)), self.scale_shift)

    def __reduce__(self):
        return Parameters, (self.network, self.flat, self.scale_shift)

    def __repr__(self):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in self.items())
        return f"Parameters({self.dtype}: {shapes})"
