"""Known mistakes of convolutions, pooling and what lies between them, tried on a whole answer.

Each is a network whose layers make it, or a noise: the step is the NumPy back end's own, with the
one thing changed, so that everything that follows from it follows. `diagnosis.py` asks here where
a vector has layers that the variants do not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...layers import Conv2DFlipout, DenseFlipout, Flatten, MaxPool2D
from ...layers.window import Window
from ...network import Network
from ...parameters import Parameters
from ...reference import loss_and_gradients
from .comparison import error_of
from .mistakes import MISTAKES, Mistake
from .variants import Problem

if TYPE_CHECKING:
    from ...step import Result
    from .comparison import Comparison
    from .files import Vector

TURNED = Mistake(
    "kernel-turned",
    "the kernel is turned by 180 degrees, seen where a convolution of signal processing (SciPy's "
    "convolve) is taken for the frameworks' cross-correlation",
    (),
)
ODD_ABOVE = Mistake(
    "padding-odd-above",
    "where padding is odd in number the odd row lies above (left) instead of below (right): off by "
    "one pixel, seen where 'same' is worked out by hand",
    (),
)
SYMMETRIC = Mistake(
    "padding-symmetric",
    "half the kernel is padded on every side whatever the stride: padding=k//2 taken for 'same'",
    (),
)
ALL_TIES = Mistake(
    "pool-gradient-to-all-ties",
    "the gradient of a maximum goes to every pixel that equals it, seen where it is masked by "
    "x == max: pixels of whole numbers are often equal",
    (),
)
SHARED_TIES = Mistake(
    "pool-gradient-shared-by-ties",
    "the gradient of a maximum is shared among the pixels that equal it; frameworks take one",
    (),
)
CHANNELS_FIRST = Mistake(
    "flattened-channels-first",
    "images are flattened channel by channel before the dense layer, as PyTorch's (C, H, W) are",
    (),
)
IMAGE_MISTAKES = {
    mistake.key: mistake
    for mistake in (TURNED, ODD_ABOVE, SYMMETRIC, ALL_TIES, SHARED_TIES, CHANNELS_FIRST)
}


class _Turned(Conv2DFlipout):
    """Its kernel is turned in every product."""

    def _turn(self, kernel):
        shaped = kernel.reshape(self.kernel_shape)
        return np.flip(shaped, tuple(range(self.dims))).reshape(kernel.shape)

    def _matrix(self, kernel):
        return super()._matrix(self._turn(kernel))

    def _over_places(self, patches, grad_a):
        return self._turn(super()._over_places(patches, grad_a))


class _OddAbove(Conv2DFlipout):
    """Its odd row of padding lies above."""

    @property
    def window(self) -> Window:
        """The places, moved."""
        w = super().window
        ends = zip(w.places, w.strides, w.size, w.image, w.before, strict=False)
        before = tuple(max((n - 1) * stride + size - side, 0) - first
                       for n, stride, size, side, first in ends)  # fmt: skip
        return w if self.padding == "valid" else w._replace(before=before)


class _Symmetric(Conv2DFlipout):
    """Half its kernel is padded on each side."""

    @property
    def window(self) -> Window:
        """The places, moved."""
        w = super().window
        before = tuple(size // 2 for size in w.size)
        return w if self.padding == "valid" else w._replace(before=before)


class _AllTies(MaxPool2D):
    """The gradient goes to each of equal maxima, whole."""

    def _weights(self, equal):
        return equal

    def backward(self, p: Any, noise: Any, t: Any, grad_outputs: NDArray[Any], kl_weight: float,
                 gradients: Any) -> NDArray[Any]:  # fmt: skip
        """Return the gradient by the inputs, (B, I); arguments as for `MaxPool2D.backward`."""
        window = self.window
        patches = window.patches(self._images(t.inputs), -np.inf)
        shape = (len(t.inputs), *window.places, 1, window.image[2])
        equal = (patches == t.outputs.reshape(shape)).astype(grad_outputs.dtype)
        share = self._weights(equal) * grad_outputs.reshape(shape)
        return window.gather(share).reshape(t.inputs.shape)


class _SharedTies(_AllTies):
    """The gradient is shared by equal maxima."""

    def _weights(self, equal):
        return equal / np.sum(equal, axis=3, keepdims=True)


class _ChannelsFirst(Flatten):
    """Flattens (H, W, C) as (C, H, W)."""

    def forward(self, p: Any, noise: Any, h: NDArray[Any]) -> Any:
        """Return the trace; arguments as for `Flatten.forward`."""
        t = super().forward(p, noise, h)
        images = h.reshape(-1, *self.input_shape)
        t.outputs = np.moveaxis(images, -1, 1).reshape(h.shape)
        return t

    def backward(self, p: Any, noise: Any, t: Any, grad_outputs: NDArray[Any], kl_weight: float,
                 gradients: Any) -> NDArray[Any]:  # fmt: skip
        """Return the gradient by the inputs, (B, I); arguments as for `Flatten.backward`."""
        *sides, channels = self.input_shape
        images = grad_outputs.reshape(-1, channels, *sides)
        return np.moveaxis(images, 1, -1).reshape(grad_outputs.shape)


INSTEAD = {TURNED: (Conv2DFlipout, _Turned), ODD_ABOVE: (Conv2DFlipout, _OddAbove),
           SYMMETRIC: (Conv2DFlipout, _Symmetric), ALL_TIES: (MaxPool2D, _AllTies),
           SHARED_TIES: (MaxPool2D, _SharedTies)}  # fmt: skip
# Of the catalogue of dense layers, what is the same for any: (signs of input, of output, KL).
ANYWHERE = {"sign-input-missing": (False, True, 1.0), "sign-output-missing": (True, False, 1.0),
            "kl-missing": (True, True, 0.0), "kl-twice": (True, True, 2.0)}  # fmt: skip


def _replaced(layer, kind, mutant):
    """Return the layer as one that makes the mistake, the layer itself where it cannot."""
    if not isinstance(layer, kind):
        return layer
    made = mutant(**vars(layer))
    object.__setattr__(made, "dims", getattr(layer, "dims", 2))
    return made


def _flattened(layers):
    """Return layers with images flattened channel by channel before dense ones; whether any is."""
    flattened, kept, before = [], [], None
    for k, layer in enumerate(layers):
        several = before is not None and len(before) > 1 and before[-1] > 1
        if several and isinstance(layer, Flatten):
            layer = _ChannelsFirst(before)
        elif several and isinstance(layer, DenseFlipout):
            flattened.append(_ChannelsFirst(before))
            kept.append(None)
        flattened.append(layer)
        kept.append(k)
        before = layer.output_shape
    return flattened, kept


def _variants(problem: Problem) -> Iterator[tuple[Mistake, Result, list[int | None]]]:
    """Yield each mistake, the step's `Result` under it, and which layer each of its layers is."""
    layers, noise = problem.network.layers, problem.noise
    same = list(range(len(layers)))

    def step(layers, kept, noises, kl_factor=1.0):
        network = Network(layers, problem.network.likelihood)
        shifts = [None if k is None else problem.parameters.scale_shift[k] for k in kept]
        p = Parameters(network, problem.parameters.flat, shifts)
        return loss_and_gradients(network, p, problem.x, problem.y,
                                  noise._replace(layers=tuple(noises)),
                                  kl_factor * problem.kl_weight,
                                  sample_weight=problem.sample_weight)  # fmt: skip

    for mistake, (kind, mutant) in INSTEAD.items():
        if any(isinstance(layer, kind) for layer in layers):
            changed = [_replaced(layer, kind, mutant) for layer in layers]
            yield mistake, step(changed, same, noise.layers), same
    changed, kept = _flattened(layers)
    if any(isinstance(layer, _ChannelsFirst) for layer in changed):
        noises = [None if k is None else noise.layers[k] for k in kept]
        yield CHANNELS_FIRST, step(changed, kept, noises), kept
    for key, (by_input, by_output, factor) in ANYWHERE.items():
        noises = [_signed(layer, by_input, by_output) for layer in noise.layers]
        yield MISTAKES[key], step(layers, same, noises, factor), same


def _signed(noise, by_input, by_output):
    """Return a layer's noise, signs that do not count as +1."""
    if getattr(noise, "sign_input", None) is None:
        return noise
    s, r = noise.sign_input, noise.sign_output
    return noise._replace(sign_input=s if by_input else np.ones_like(s),
                          sign_output=r if by_output else np.ones_like(r))  # fmt: skip


def _named(result: Result, kept: list[int | None]) -> dict[str, Any]:
    """Return the results by their names in a vector."""
    named = {name: getattr(result, name) for name in ("outputs", "nll", "kl", "loss")}
    named |= {f"layers.{k}.kl": kl for k, kl in zip(kept, result.kl_layers, strict=True)
              if k is not None}  # fmt: skip
    named["grad.x"] = result.grad_x
    for name, gradient in result.gradients.items():
        head, number, tensor = name.split(".", 2) if name.startswith("layers.") else ("", "", "")
        place = f"{head}.{kept[int(number)]}.{tensor}" if head else name
        named[f"grad.{place}"] = gradient
    return named


def with_mistake(vector: Vector, key: str) -> Vector:
    """Return the answer of a step with a mistake in it.

    Parameters
    ----------
    vector : Vector
        A question, or its answer.
    key : str
        Of `IMAGE_MISTAKES`; one that the network's layers can make.
    """
    with np.errstate(all="ignore"):
        results = {mistake.key: (result, kept) for mistake, result, kept in
                   _variants(Problem(vector))}  # fmt: skip
    return vector.answer(_named(*results[key]), "bnn_ref, with a mistake planted")


def image_mistakes(vector: Vector, comparison: Comparison) -> list[Mistake]:
    """Return the mistakes of images, each of which gives the whole answer by itself.

    Parameters
    ----------
    vector : Vector
        An answer that disagrees.
    comparison : Comparison
    """
    problem, mistakes = Problem(vector), []
    limits = {row.name: row.limit for row in comparison.rows}
    with np.errstate(all="ignore"):
        for mistake, result, kept in _variants(problem):
            named = _named(result, kept)
            if all(error_of(named[name], np.asarray(value, np.float64).reshape(
                    np.shape(named[name]))) <= max(limits.get(name, 0.0), comparison.limit)
                   for name, value in vector.results.items() if name in named):  # fmt: skip
                mistakes.append(mistake)
    return mistakes
