"""FlipoutLayer: what every layer has whose kernel has a posterior and is perturbed by Flipout.

Options, tensors, initial values, noise, the KL's gradient, a draw of whole weights, the JSON form:
the same for a dense kernel (I, O) and a convolution's (kh, kw, C, F), for none of it asks what the
kernel is multiplied with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..activations import get_activation
from ..border import check_choice, check_number
from ..elementary import softplus_inverse
from ..errors import expected
from ..noise import LayerNoise
from ..priors import NormalPrior, make_prior
from .base import Layer
from .sigmas import sigma, sigma_for_kl
from .starting import initial_means, initial_sigmas, plain, settle_initializer, settle_sigma

if TYPE_CHECKING:
    from ..noise.draws import Stream
    from ..priors.base import Prior
    from .records import LayerParameters, LayerTrace

BIASES = ("none", "deterministic", "normal", "normal_flipped")
STANDARD_NORMAL = NormalPrior()
OPTIONS = ("activation", "scale_shift", "kernel_prior", "bias", "bias_prior")


class FlipoutLayer(Layer):
    """A layer of a kernel and a bias with Normal posteriors; a subclass says what it multiplies.

    A subclass is a frozen dataclass with the fields ``activation``, ``kernel_prior``, ``bias``,
    ``bias_prior``, ``scale_shift``, ``initializer`` and ``initial_sigma`` (see `DenseFlipout`),
    and has what follows.

    Attributes
    ----------
    kernel_shape : tuple of int
        The last is ``units``.
    units : int
        O or F: the bias is (units,), sign_output (B, units).
    channels : int
        I or C: sign_input is (B, channels).
    sizes : tuple of str
        The keys of its JSON that say its sizes.
    estimators : tuple of str
        What may draw its noise.
    """

    tensors: ClassVar[tuple[str, ...]] = (
        "kernel_mu",
        "kernel_rho",
        "bias_mu",
        "bias_rho",
        "kernel_prior_loc",
        "kernel_prior_rho",
        "bias_prior_loc",
        "bias_prior_rho",
    )
    sizes: ClassVar[tuple[str, ...]] = ()
    estimators: ClassVar[tuple[str, ...]] = ("flipout", "shared")
    kernel_shape: tuple[int, ...]
    units: int
    channels: int
    describe_sizes: Callable[[], str]
    sizes_to_json: Callable[[], dict[str, Any]]
    of_sizes: ClassVar[Callable[..., FlipoutLayer]]
    activation: str
    kernel_prior: Any
    bias: str
    bias_prior: Any
    scale_shift: float | None
    initializer: Any
    initial_sigma: Any

    def _settle_options(self):
        """Check every option but the sizes, and keep each in its one form."""
        settle = object.__setattr__
        get_activation(self.activation)
        settle(self, "kernel_prior", make_prior(self.kernel_prior, "kernel_prior"))
        check_choice(self.bias, "bias", BIASES)
        if self.bias_is_random:
            prior = STANDARD_NORMAL if self.bias_prior is None else self.bias_prior
            settle(self, "bias_prior", make_prior(prior, "bias_prior"))
        elif self.bias_prior is not None:
            if self.bias == "none":
                raise expected("bias_prior", "None for bias 'none'", repr(self.bias_prior))
            settle(self, "bias_prior", make_prior(self.bias_prior, "bias_prior"))
            if not hasattr(self.bias_prior, "penalty"):
                raise expected("bias_prior", "a prior with a density, for a deterministic bias",
                               self.bias_prior.describe())  # fmt: skip
        if self.scale_shift is not None:
            settle(self, "scale_shift", check_number(self.scale_shift, "scale_shift"))
        settle(self, "initializer", settle_initializer(self.initializer, self._tensors()))
        settle(self, "initial_sigma", settle_sigma(self.initial_sigma, self.priors))

    def _tensors(self):
        """Return the names of the tensors that have a mean."""
        return ("kernel",) if self.bias == "none" else ("kernel", "bias")

    @property
    def bias_is_random(self) -> bool:
        """True where the bias has a Normal posterior: noise and a KL of its own."""
        return self.bias in ("normal", "normal_flipped")

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name to shape of each parameter, in the order of the flat vector."""
        shapes = {
            "kernel_mu": self.kernel_shape,
            "kernel_rho": self.kernel_shape,
        }
        if self.bias != "none":
            shapes["bias_mu"] = (self.units,)
        if self.bias_is_random:
            shapes["bias_rho"] = (self.units,)
        for tensor, prior in self.priors.items():
            for name, shape in prior.parameter_shapes.items():
                shapes[f"{tensor}_prior_{name}"] = shape
        return shapes

    @property
    def point_priors(self) -> dict[str, Prior]:
        """Name to prior of a deterministic bias that has one."""
        alone = self.bias == "deterministic" and self.bias_prior is not None
        return {"bias": self.bias_prior} if alone else {}

    @property
    def priors(self) -> dict[str, Prior]:
        """Name to prior of each tensor that has a posterior: "kernel" and, if random, "bias"."""
        random = {"kernel": self.kernel_prior}
        return {**random, "bias": self.bias_prior} if self.bias_is_random else random

    def settled_shift(self, dtype: DTypeLike) -> float:
        """Return scale_shift as a float, None replaced by the machine epsilon of the dtype."""
        return float(np.finfo(dtype).eps) if self.scale_shift is None else self.scale_shift

    def initial(self, stream: Stream, scale_shift: float) -> dict[str, NDArray[Any]]:
        """Return name to array of the initial values, drawn tensor by tensor.

        Parameters
        ----------
        stream : Stream
            Purpose "init".
        scale_shift : float
            Settled.
        """
        values = initial_means(self.initializer, self.parameter_shapes, stream)
        for tensor, prior in self.priors.items():
            values |= {f"{tensor}_prior_{name}": value for name, value in prior.initial.items()}
        for name in self.parameter_shapes.keys() - values.keys():
            values[name] = -3.0 + 0.1 * stream.normals(self.parameter_shapes[name], name)
        for tensor, prior in self.priors.items():
            sigmas = initial_sigmas(self.initial_sigma, tensor, prior, self.parameter_shapes)
            if sigmas is None:
                continue
            if np.min(sigmas) <= scale_shift:
                raise expected("initial_sigma", f"a number above scale_shift ({scale_shift:g})",
                               np.min(sigmas))  # fmt: skip
            values[f"{tensor}_rho"] = softplus_inverse(np.asarray(sigmas) - scale_shift)
        return values

    def check_estimator(self, estimator: str, thing: str) -> None:
        """Raise where the layer or one of its priors needs one draw of the weights for the batch.

        Arguments as for `Layer.check_estimator`.
        """
        if estimator in ("flipout", "shared"):
            return
        if estimator not in self.estimators:
            wanted = f"'flipout' or 'shared' for {self.type}, {thing}"
            raise expected("estimator", wanted, repr(estimator))
        for tensor, prior in self.priors.items():
            if prior.is_sampled:
                raise expected("estimator", "'flipout' or 'shared', for the KL of the prior of "
                               f"{thing}.{tensor} is taken at one draw of the weights",
                               repr(estimator))  # fmt: skip

    def noise_shapes(self, noise: Any, rows: int) -> dict[str, tuple[int, ...] | None]:
        """Return name to shape (None: absent) of the arrays that this kind of noise holds.

        Parameters
        ----------
        noise : LayerNoise
        rows : int
            B.
        """
        return {
            "kernel_eps": self.kernel_shape,
            "sign_input": (rows, self.channels),
            "sign_output": (rows, self.units),
            "bias_eps": (self.units,) if self.bias_is_random else None,
        }

    def draw_noise(self, stream: Stream, rows: int, estimator: str = "flipout") -> Any:
        """Return the `LayerNoise` of so many rows.

        Parameters
        ----------
        stream : Stream
        rows : int
            B.
        estimator : "flipout" or "shared"
            The second has every sign +1.

        Raises
        ------
        ValueError
            For another, whose noise the layer does not have: where several outputs of an example
            share their weights, as a convolution's do, noise of each output's own has another
            distribution.
        """
        if estimator not in ("flipout", "shared"):
            raise expected("estimator", f"'flipout' or 'shared' for {self.type}", repr(estimator))
        if estimator == "shared":
            signs = [np.ones((rows, n), stream.dtype) for n in (self.channels, self.units)]
        else:
            signs = [stream.signs(rows, self.channels, "sign_input"),
                     stream.signs(rows, self.units, "sign_output")]  # fmt: skip
        kernel_eps = stream.normals(self.kernel_shape, "kernel_eps")
        bias_eps = stream.normals((self.units,), "bias_eps") if self.bias_is_random else None
        return LayerNoise(kernel_eps, *signs, bias_eps)

    def kl_backward(
        self,
        p: LayerParameters,
        noise: Any,
        t: LayerTrace,
        kl_weight: float,
        gradients: LayerParameters,
    ) -> None:
        """Add the KL's gradient by mu, and set that by rho; arguments as for `backward`.

        The trace has the gradients of the nll by sigma, and gets kl_grad_mu, kl_grad_sigma and
        sigma_grad_rho of the kernel, of its shape.
        """
        for name, prior in self.point_priors.items():
            mu = getattr(p, f"{name}_mu")
            getattr(gradients, f"{name}_mu")[...] += kl_weight * prior.penalty_gradient(mu)  # E24
        for name, prior, mu, rho in self.posteriors(p):
            prior = self.bound(name, prior, p, noise)
            kl_sigma, sigma_grad_rho, _ = sigma_for_kl(rho, getattr(t, f"{name}_sigma"))  # E14
            by_mu, by_sigma = prior.kl_gradient(mu, kl_sigma)  # E13
            getattr(gradients, f"{name}_mu")[...] += kl_weight * by_mu  # E14, E15
            grad_sigma = t.grad_sigma if name == "kernel" else t.grad_bias_sigma
            grad_rho = (grad_sigma + kl_weight * by_sigma) * sigma_grad_rho  # E14, E15
            getattr(gradients, f"{name}_rho")[...] = grad_rho
            for own, by in prior.kl_gradient_own(mu, kl_sigma).items():
                getattr(gradients, f"{name}_prior_{own}")[...] = kl_weight * by  # E28
            if name == "kernel":
                t.kl_grad_mu, t.kl_grad_sigma, t.sigma_grad_rho = by_mu, by_sigma, sigma_grad_rho

    def draw_weights(
        self, p: LayerParameters, stream: Stream
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return one draw of the whole weights: kernel and bias (None where there is none).

        Parameters
        ----------
        p : LayerParameters
        stream : Stream
        """
        eps = stream.normals(p.kernel_mu.shape, "kernel_eps")
        kernel = p.kernel_mu + sigma(p.scale_shift, p.kernel_rho) * eps  # E21
        if not self.bias_is_random:
            return kernel, p.bias_mu
        eps = stream.normals(p.bias_mu.shape, "bias_eps")
        return kernel, p.bias_mu + sigma(p.scale_shift, p.bias_rho) * eps  # E21

    def describe(self) -> str:
        """Return the layer in one line, for `repr` of the network."""
        bias = "" if self.bias_prior is None else f" prior {self.bias_prior.describe()}"
        return (
            f"{self.describe_sizes()} {self.activation}, "
            f"kernel prior {self.kernel_prior.describe()}, bias {self.bias}{bias}"
        )

    def to_json(self, dtype: DTypeLike | None = None) -> dict[str, Any]:
        """Return the layer's description.

        Parameters
        ----------
        dtype : dtype, optional
            With one: as `docs/vectors.md` writes a layer whose parameters are of it, scale_shift
            settled and no initializer. Without: all of the layer's options.
        """
        whole = {}
        if dtype is None:
            whole = {name: plain(getattr(self, name)) for name in ("initializer", "initial_sigma")}
        return {
            "type": self.type,
            **self.sizes_to_json(),
            "activation": self.activation,
            "scale_shift": self.scale_shift if dtype is None else self.settled_shift(dtype),
            "kernel_prior": self.kernel_prior.to_json(),
            "bias": self.bias,
            "bias_prior": None if self.bias_prior is None else self.bias_prior.to_json(),
            **whole,
        }

    @classmethod
    def from_json(cls, description: Mapping[str, Any], inputs: int) -> Layer:
        """Return the layer of a description in either of `to_json`'s forms.

        Parameters
        ----------
        description : dict
        inputs : int
            I.

        Raises
        ------
        ValueError
            For a key or value that `to_json` does not write.
        """
        keys = {"type", *cls.sizes, *OPTIONS}
        if set(description) - {"initializer", "initial_sigma"} != keys:
            raise expected("layer", f"an object with keys {sorted(keys)}", sorted(description))
        options = {key: value for key, value in description.items() if key != "type"}
        sizes = {key: options.pop(key) for key in cls.sizes}
        shift = options["scale_shift"]
        whole = "initializer" in options and shift is None
        if not whole and (isinstance(shift, bool) or not isinstance(shift, (int, float))):
            raise expected("scale_shift", "a number", repr(shift))
        return cls.of_sizes(sizes, inputs, options)
