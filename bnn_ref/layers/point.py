"""PointLayer: what every layer has whose kernel is a point estimate.

Options, tensors, initial values, priors and frozen weights: the same for a dense kernel (I, O) and
a convolution's (kh, kw, C, F).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import DTypeLike, NDArray

from ..activations import get_activation
from ..border import check_flag
from ..errors import expected
from ..priors import Prior, make_prior
from .base import Layer
from .starting import initial_means, plain, settle_initializer

if TYPE_CHECKING:
    from ..noise import Stream
    from .records import LayerParameters


class PointLayer(Layer):
    """A layer of a kernel and a bias without a posterior; a subclass says what it multiplies.

    A subclass is a frozen dataclass with the fields ``activation``, ``bias``, ``kernel_prior``,
    ``bias_prior``, ``initializer`` and ``frozen``, see `Dense`.

    Attributes
    ----------
    kernel_shape : tuple of int
        The last is ``units``, the bias's length.
    units : int
    sizes : tuple of str
        The keys of its JSON that say its sizes.
    """

    tensors: ClassVar[tuple[str, ...]] = ("kernel_mu", "bias_mu")
    sizes: ClassVar[tuple[str, ...]] = ()
    kernel_shape: tuple[int, ...]
    units: int
    describe_sizes: Callable[[], str]
    sizes_to_json: Callable[[], dict[str, Any]]
    of_sizes: ClassVar[Callable[..., PointLayer]]
    activation: str
    bias: bool
    kernel_prior: Any
    bias_prior: Any
    initializer: Any
    frozen: bool

    def _settle_options(self):
        """Check every option but the sizes, and keep each in its one form."""
        settle = object.__setattr__
        get_activation(self.activation)
        for name in ("bias", "frozen"):
            settle(self, name, check_flag(getattr(self, name), name))
        for name in ("kernel_prior", "bias_prior"):
            if getattr(self, name) is not None:
                settle(self, name, make_prior(getattr(self, name), name))
        if self.bias_prior is not None and not self.bias:
            raise expected("bias_prior", "None without a bias", repr(self.bias_prior))
        for tensor, prior in self.point_priors.items():
            if not hasattr(prior, "penalty"):
                raise expected(f"{tensor}_prior", "a prior with a density", prior.describe())
        tensors = ("kernel", "bias") if self.bias else ("kernel",)
        settle(self, "initializer", settle_initializer(self.initializer, tensors))

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name to shape: kernel_mu and, where there is one, bias_mu (O,)."""
        shapes = {"kernel_mu": self.kernel_shape}
        return {**shapes, "bias_mu": (self.units,)} if self.bias else shapes

    @property
    def point_priors(self) -> dict[str, Prior]:
        """Name ("kernel") to prior of each tensor that has one."""
        given = {"kernel": self.kernel_prior, "bias": self.bias_prior}
        return {name: prior for name, prior in given.items() if prior is not None}

    @property
    def fixed(self) -> tuple[str, ...]:
        """All of it where it is frozen."""
        return tuple(self.parameter_shapes) if self.frozen else ()

    def weight_decay(self, kl_weight: float) -> float:
        """Return the factor of kernel_mu in the gradient that a Normal prior with loc 0 adds.

        What PyTorch's optimisers call weight_decay; half of what Keras' `l2` takes is it.

        Parameters
        ----------
        kl_weight : float
        """
        if self.kernel_prior is None:
            return 0.0
        if self.kernel_prior.type != "normal" or self.kernel_prior.loc != 0:
            raise expected("kernel_prior", "a Normal with loc 0, for a weight decay",
                           self.kernel_prior.describe())  # fmt: skip
        return kl_weight / self.kernel_prior.scale**2  # E60

    def initial(self, stream: Stream, scale_shift: Any) -> dict[str, NDArray[Any]]:
        """Return the initial values; arguments as for `DenseFlipout.initial`."""
        return initial_means(self.initializer, self.parameter_shapes, stream)

    def priors_backward(
        self, p: LayerParameters, kl_weight: float, gradients: LayerParameters
    ) -> None:
        """Add the gradient of the priors' -log p; arguments as for `backward`.

        Parameters
        ----------
        p : LayerParameters
        kl_weight : float
        gradients : LayerParameters
            With those of the nll.
        """
        for name, prior in self.point_priors.items():
            by = prior.penalty_gradient(getattr(p, f"{name}_mu"))  # E24
            getattr(gradients, f"{name}_mu")[...] += kl_weight * by  # E24

    def describe_options(self) -> str:
        """Return the options as `describe` shows them."""
        priors = [f"{name} prior {prior.describe()}" for name, prior in self.point_priors.items()]
        bias = [] if self.bias else ["no bias"]
        words = ["point estimates", *bias, *priors, *(["frozen"] if self.frozen else [])]
        return f"{self.activation}, {', '.join(words)}"

    def options_to_json(self, dtype: DTypeLike | None) -> dict[str, Any]:
        """Return the options that a description holds; the dtype as for `DenseFlipout.to_json`."""
        priors = {f"{name}_prior": prior.to_json() for name, prior in self.point_priors.items()}
        whole = {"initializer": plain(self.initializer)} if dtype is None else {}
        return {"activation": self.activation, "bias": self.bias, **priors, "frozen": self.frozen,
                **whole}  # fmt: skip

    def describe(self) -> str:
        """Return the layer in one line, for `repr` of the network."""
        return f"{self.describe_sizes()} {self.describe_options()}"

    def to_json(self, dtype: DTypeLike | None = None) -> dict[str, Any]:
        """Return the layer's description; arguments as for `FlipoutLayer.to_json`."""
        return {"type": self.type, **self.sizes_to_json(), **self.options_to_json(dtype)}

    @classmethod
    def from_json(cls, description: Mapping[str, Any], inputs: int) -> PointLayer:
        """Return the layer of what `to_json` wrote; arguments as for `SameSize.from_json`."""
        options = {key: value for key, value in description.items() if key != "type"}
        try:
            sizes = {key: options.pop(key) for key in cls.sizes if key in options}
            return cls.of_sizes(sizes, inputs, options)
        except (KeyError, TypeError):
            fields = [key for key in cls.__dataclass_fields__ if key not in ("inputs", "outputs")]
            known = ["type", *(key for key in cls.sizes if key not in fields), *fields]
            raise expected(f"layer {cls.type}", f"keys of {known}", sorted(description)) from None
