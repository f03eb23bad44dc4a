"""Dense: a dense layer without a posterior, trained by maximum likelihood or with a prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..activations import get_activation
from ..border import check_size
from ..errors import expected
from ..priors import Prior, make_prior
from .base import Layer, LayerTrace, in_blocks, register
from .starting import initial_means, plain, settle_initializer

if TYPE_CHECKING:
    from ..noise.draws import Stream
    from .base import LayerParameters


@register
@dataclass(frozen=True)
class Dense(Layer):
    """a = h kernel_mu + bias_mu,  outputs = f(a): point estimates, no noise, no KL.

    Parameters
    ----------
    inputs, outputs : int
        I and O, at least 1.
    activation : str
        f, as `DenseFlipout` takes it.
    bias : bool
    kernel_prior, bias_prior : Prior or (loc, scale), optional
        Its -log p joins the KL. A Normal prior N(0, s) is weight decay: the gradient gains
        kl_weight / s^2 times the weight, see `weight_decay`.
    initializer : str or mapping of str to array
        See `bnn_ref.layers.starting`.
    frozen : bool
        The optimiser leaves its weights alone; gradients are computed all the same.

    Raises
    ------
    ValueError
        For an option outside these; the message names it.
    """

    inputs: int
    outputs: int
    activation: str = "linear"
    bias: bool = True
    kernel_prior: Prior | tuple[float, float] | None = None
    bias_prior: Prior | tuple[float, float] | None = None
    initializer: Any = "glorot"
    frozen: bool = False

    type = "Dense"
    tensors: ClassVar[tuple[str, ...]] = ("kernel_mu", "bias_mu")

    def __post_init__(self) -> None:
        settle = object.__setattr__
        settle(self, "inputs", check_size(self.inputs, "inputs"))
        settle(self, "outputs", check_size(self.outputs, "outputs"))
        get_activation(self.activation)
        for name in ("bias", "frozen"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise expected(name, "True or False", repr(getattr(self, name)))
            settle(self, name, bool(getattr(self, name)))
        for name in ("kernel_prior", "bias_prior"):
            if getattr(self, name) is not None:
                settle(self, name, make_prior(getattr(self, name), name))
        if self.bias_prior is not None and not self.bias:
            raise expected("bias_prior", "None without a bias", repr(self.bias_prior))
        for tensor, prior in self.point_priors.items():
            if not hasattr(prior, "penalty"):
                raise expected(f"{tensor}_prior", "a prior with a density", prior.describe())
            prior.check_shape(self.parameter_shapes[f"{tensor}_mu"], f"{tensor}_prior")
        found = ("kernel", "bias") if self.bias else ("kernel",)
        settle(self, "initializer", settle_initializer(self.initializer, tuple(found)))

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name to shape: kernel_mu (I, O) and bias_mu (O,)."""
        shapes = {"kernel_mu": (self.inputs, self.outputs)}
        return {**shapes, "bias_mu": (self.outputs,)} if self.bias else shapes

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

    def initial(self, stream: Stream, scale_shift: float | None) -> dict[str, NDArray[Any]]:
        """Return the initial values; arguments as for `DenseFlipout.initial`."""
        return initial_means(self.initializer, self.parameter_shapes, stream)

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace`: inputs, pre_activation, outputs; as for `DenseFlipout`'s."""
        a = h @ p.kernel_mu  # (B, O), E60
        if self.bias:
            a = a + p.bias_mu  # E60
        outputs = get_activation(self.activation).function(a)  # E3
        return LayerTrace(inputs=h, pre_activation=a, outputs=outputs)

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
        slope = get_activation(self.activation).derivative(t.pre_activation, t.outputs)  # E8
        t.grad_pre_activation = grad_a = grad_outputs * slope  # (B, O), E8
        gradients.kernel_mu[...] = t.inputs.T @ grad_a  # a = h mu + ..., E60
        if self.bias:
            gradients.bias_mu[...] = np.sum(grad_a, axis=0)  # E60
        for name, prior in self.point_priors.items():
            by = prior.penalty_gradient(getattr(p, f"{name}_mu"))  # E24
            getattr(gradients, f"{name}_mu")[...] += kl_weight * by  # E24
        t.grad_inputs = grad_a @ p.kernel_mu.T  # E60
        return t.grad_inputs

    def draw_outputs(
        self, p: LayerParameters, h: NDArray[Any], stream: Stream, kind: str
    ) -> NDArray[Any]:
        """Return the outputs (rows, O), every draw's; arguments as for `DenseFlipout`'s."""
        a = in_blocks(h, p.kernel_mu)  # E60
        if self.bias:
            a = a + p.bias_mu  # E60
        return get_activation(self.activation).function(a)  # E3

    def describe(self) -> str:
        """Return the layer in one line, for `repr` of the network."""
        priors = [f"{name} prior {prior.describe()}" for name, prior in self.point_priors.items()]
        bias = [] if self.bias else ["no bias"]
        words = ["point estimates", *bias, *priors, *(["frozen"] if self.frozen else [])]
        return f"{self.inputs} -> {self.outputs} {self.activation}, {', '.join(words)}"

    def to_json(self, dtype: DTypeLike | None = None) -> dict[str, Any]:
        """Return the layer's description; arguments as for `DenseFlipout.to_json`."""
        priors = {f"{name}_prior": prior.to_json() for name, prior in self.point_priors.items()}
        whole = {}
        if dtype is None:
            whole = {"initializer": plain(self.initializer)}
        return {"type": "Dense", "units": self.outputs, "activation": self.activation,
                "bias": self.bias, **priors, "frozen": self.frozen, **whole}  # fmt: skip

    @classmethod
    def from_json(cls, description: Mapping[str, Any], inputs: int) -> Dense:
        """Return the layer of what `to_json` wrote; arguments as for `SameSize.from_json`."""
        options = {key: value for key, value in description.items() if key != "type"}
        try:
            units = options.pop("units")
            return cls(inputs, units, **options)
        except (KeyError, TypeError):
            known = ["type", "units", *list(cls.__dataclass_fields__)[2:]]
            raise expected("layer Dense", f"keys of {known}", sorted(description)) from None
