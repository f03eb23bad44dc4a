"""BatchNorm: every feature normalised by the batch's mean and deviation; running ones to predict.

Source: Ioffe and Szegedy (2015), "Batch normalization", algorithms 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..border import check_choice, check_flag, check_number
from .base import register
from .normalising import inverse_deviation, moments, normalise_backward
from .records import LayerTrace
from .same_size import SameSize

if TYPE_CHECKING:
    from ..noise.draws import Stream
    from .records import LayerParameters

CONVENTIONS = {"keras": (0.99, 1e-3), "pytorch": (0.1, 1e-5)}  # default momentum and epsilon


@register
@dataclass(frozen=True)
class BatchNorm(SameSize):
    """h normalised along the batch, times ``scale``, plus ``shift``: (C,) each, learned.

    In training normalised = (h - mean) / sqrt(variance + epsilon), mean and variance over the
    rows of the batch (and the positions of an image). A prediction uses ``running_mean`` and
    ``running_variance``, (C,) each, which are tensors of the parameters that no gradient reaches:
    every step moves them a little towards its batch's.

    Parameters
    ----------
    momentum, epsilon : float, optional
        As the convention means them; its own where not given.
    convention : "keras" or "pytorch"
        "keras" (momentum .99, epsilon 1e-3): running = momentum running + (1 - momentum) batch,
        the batch's variance divided by n. "pytorch" (momentum .1, epsilon 1e-5): running =
        (1 - momentum) running + momentum batch, the batch's variance divided by n - 1 there.
    frozen : bool
        Use the running statistics in training too, and train nothing (Keras'
        ``trainable = False``).
    shape : int or tuple of int, optional
        Of one example; that of the layer before's outputs unless given.

    Raises
    ------
    ValueError
        For an option outside these. A step on a batch that has one row (and one position) is
        refused, too: it is its own mean.
    """

    momentum: float | None = None
    epsilon: float | None = None
    convention: str = "keras"
    frozen: bool = False
    shape: tuple[int, ...] | int | None = None

    type = "BatchNorm"
    tensors: ClassVar[tuple[str, ...]] = ("scale", "shift", "running_mean", "running_variance")

    def __post_init__(self) -> None:
        convention = check_choice(self.convention, "convention", CONVENTIONS)
        momentum, epsilon = CONVENTIONS[convention]
        given = momentum if self.momentum is None else self.momentum
        object.__setattr__(self, "momentum", check_number(given, "momentum", "[0, 1]"))
        given = epsilon if self.epsilon is None else self.epsilon
        object.__setattr__(self, "epsilon", check_number(given, "epsilon", "(0, inf)"))
        object.__setattr__(self, "frozen", check_flag(self.frozen, "frozen"))
        self.settle_shape()

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name to shape: `tensors`, (C,) each."""
        return dict.fromkeys(self.tensors, (self.features,))

    @property
    def fixed(self) -> tuple[str, ...]:
        """The running statistics; all of it where it is frozen."""
        return self.tensors if self.frozen else self.tensors[2:]

    @property
    def least_rows(self) -> int:
        """2, unless an example has several positions or the running statistics are used."""
        return 1 if self.frozen or self.inputs > self.features else 2

    def initial(self, stream: Stream, scale_shift: float | None) -> dict[str, NDArray[Any]]:
        """Return scale 1, shift 0, running mean 0 and variance 1; as for `DenseFlipout.initial`."""
        ones = ("scale", "running_variance")
        return {name: np.full(self.features, float(name in ones)) for name in self.tensors}

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace`: inputs, mean, variance, inverse (1, C), normalised, outputs.

        Arguments as for `DenseFlipout.forward`; there is no noise.
        """
        x = h.reshape(-1, self.features)  # (B I / C, C)
        if self.frozen:
            mean, variance = p.running_mean[None], p.running_variance[None]  # E66
        else:
            mean, variance = moments(x, 0)  # E64
        inverse = inverse_deviation(variance, self.epsilon)  # E64
        normalised = (x - mean) * inverse  # E64
        outputs = (normalised * p.scale + p.shift).reshape(h.shape)  # E64
        return LayerTrace(inputs=h, mean=mean, variance=variance, inverse=inverse,
                          normalised=normalised, outputs=outputs)  # fmt: skip

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
        grad = grad_outputs.reshape(t.normalised.shape)
        gradients.scale[...] = np.sum(grad * t.normalised, axis=0)  # E65
        gradients.shift[...] = np.sum(grad, axis=0)  # E65
        grad = grad * p.scale  # E65
        if self.frozen:
            t.grad_inputs = grad * t.inverse  # E66
        else:
            t.grad_inputs = normalise_backward(grad, t.normalised, t.inverse, 0)  # E65
        t.grad_inputs = t.grad_inputs.reshape(t.inputs.shape)
        return t.grad_inputs

    def statistics_after(self, p: LayerParameters, trace: LayerTrace) -> dict[str, NDArray[Any]]:
        """Return the running statistics after a step; arguments as for `Layer.statistics_after`."""
        if self.frozen:
            return {}
        momentum = self.momentum
        n = len(trace.normalised)
        bessel = n / (n - 1) if self.convention == "pytorch" else 1.0  # E66
        keep = momentum if self.convention == "keras" else 1 - momentum  # E66
        real = p.running_mean.real.dtype.type
        mean, variance = trace.mean[0], trace.variance[0] * real(bessel)
        return {
            "running_mean": real(keep) * p.running_mean + real(1 - keep) * mean,  # E66
            "running_variance": real(keep) * p.running_variance + real(1 - keep) * variance,  # E66
        }

    def draw_outputs(
        self, p: LayerParameters, h: NDArray[Any], stream: Stream, kind: str
    ) -> NDArray[Any]:
        """Return the outputs (rows, I), by the running statistics; as for `DenseFlipout`'s."""
        inverse = inverse_deviation(p.running_variance, self.epsilon)  # E66
        x = h.reshape(-1, self.features)
        return (((x - p.running_mean) * inverse) * p.scale + p.shift).reshape(h.shape)  # E66
