"""Where means start: by a name, or from arrays of one's own.

"tfp": every tensor from N(0, 0.1), the second number a standard deviation. "glorot": a kernel from
N(0, sqrt(2 / (I + O))), a bias 0. "he": a kernel from N(0, sqrt(2 / I)), a bias 0. "zeros": all 0.
Of a convolution's kernel (h, w, C, F), I is h w C and O is h w F.

A mapping ("kernel", and "bias" where there is one, to an array of the tensor's shape or a number
for all of it) starts there; ``initial_sigma`` takes such a mapping for the standard deviations.

Source: Glorot and Bengio (2010), equation 12; He, Zhang, Ren and Sun (2015), equation 10; the
initializers of `tfp.layers.default_mean_field_normal_fn`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..border import take_array
from ..errors import expected

if TYPE_CHECKING:
    from ..noise.draws import Stream
    from ..priors import Prior

INITIALIZERS = ("tfp", "he", "glorot", "zeros")


class Values(dict[str, NDArray[Any]]):
    """Name of a tensor ("kernel") to an array that nothing writes to: equal where all values are.

    Parameters
    ----------
    arrays : mapping of str to array
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        super().__init__({name: np.array(array, np.float64) for name, array in arrays.items()})
        for array in self.values():
            array.flags.writeable = False

    def _key(self):
        return {name: (array.shape, array.tobytes()) for name, array in self.items()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Values) and self._key() == other._key()

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self._key().items())))

    def to_json(self) -> dict[str, Any]:
        """Return name to nested lists of numbers."""
        return {name: array.tolist() for name, array in self.items()}


def settle_initializer(
    given: str | Mapping[str, ArrayLike], tensors: Sequence[str]
) -> str | Values:
    """Return an initializer in its one form: a name, or the `Values` of every tensor.

    Parameters
    ----------
    given : str or mapping of str to array
    tensors : sequence of str
        Those that have a mean.

    Raises
    ------
    ValueError
        For an unknown name or tensor, or one that is missing.
    """
    if not isinstance(given, Mapping):
        if not isinstance(given, str) or given not in INITIALIZERS:
            wanted = "one of " + ", ".join(INITIALIZERS) + ", or arrays by tensor"
            raise expected("initializer", wanted, repr(given))
        return given
    if set(given) != set(tensors):
        raise expected("initializer", f"the tensors {', '.join(tensors)}", sorted(given))
    return _values(given, "initializer")


def settle_sigma(given: Any, priors: Mapping[str, Prior]) -> Any:
    """Return an ``initial_sigma`` in its one form: a number, "prior", `Values` or None.

    `Values` may leave tensors out, which start as they would.

    Parameters
    ----------
    given : float, "prior", mapping of str to number or array, or None
    priors : mapping of str to Prior
        Those of the tensors that have a posterior.

    Raises
    ------
    ValueError
        For an unknown tensor, a number that is not above 0, or "prior" where one has no scale.
    """
    if isinstance(given, Mapping):
        if not set(given) <= set(priors):
            raise expected("initial_sigma", f"of the tensors {', '.join(priors)}", sorted(given))
        values = _values(given, "initial_sigma")
        for name, array in values.items():
            if not np.all(array > 0):
                raise expected(f"initial_sigma.{name}", "numbers above 0", float(np.min(array)))
        return values
    if given is None:
        return None
    if isinstance(given, str) and given == "prior":
        for tensor, prior in priors.items():
            if not hasattr(prior, "scale"):
                raise expected(f"{tensor}_prior", 'one with a scale, for initial_sigma="prior"',
                               prior.describe())  # fmt: skip
        return given
    try:
        if isinstance(given, str | bool):
            raise TypeError
        number = float(given)
    except (TypeError, ValueError):
        raise expected("initial_sigma", 'a number or "prior"', repr(given)) from None
    if not 0 < number < np.inf:
        raise expected("initial_sigma", "a finite number above 0", number)
    return number


def _values(given, thing):
    return Values(
        {name: take_array(array, f"{thing}.{name}", dtype=np.float64)
         for name, array in given.items()}
    )  # fmt: skip


def fitted(array: NDArray[Any], shape: tuple[int, ...], thing: str) -> NDArray[Any]:
    """Return an array of that shape, or a number that is spread over it; or raise.

    Parameters
    ----------
    array : array
    shape : tuple of int
    thing : str
        What the message calls it.
    """
    if array.shape not in ((), shape):
        raise expected(thing, f"shape {shape}", array.shape)
    return np.broadcast_to(array, shape)


def plain(option: Any) -> Any:
    """Return an option as JSON takes it, `Values` as lists."""
    return option.to_json() if isinstance(option, Values) else option


def kernel_scale(initializer: str, shape: tuple[int, ...]) -> float:
    """Return the standard deviation that a kernel of that shape starts with, by its name.

    Parameters
    ----------
    initializer : str
    shape : tuple of int
        (I, O) or (h, w, C, F).
    """
    positions = prod(shape[:-2])
    inputs, outputs = positions * shape[-2], positions * shape[-1]
    return {"tfp": 0.1, "he": sqrt(2 / inputs), "glorot": sqrt(2 / (inputs + outputs)),
            "zeros": 0.0}[initializer]  # fmt: skip


def initial_means(
    initializer: Any, shapes: Mapping[str, tuple[int, ...]], stream: Stream
) -> dict[str, NDArray[Any]]:
    """Return name ("kernel_mu") to initial array of every mean.

    Parameters
    ----------
    initializer : str or Values
        As `settle_initializer` returns it.
    shapes : mapping of str to tuple
        A layer's ``parameter_shapes``.
    stream : Stream
        Purpose "init".

    Raises
    ------
    ValueError
        Where an array has another shape than its tensor.
    """
    means = {}
    for name, shape in shapes.items():
        if not name.endswith("_mu"):
            continue
        if isinstance(initializer, Values):
            tensor = name[:-3]
            means[name] = fitted(initializer[tensor], shape, f"initializer.{tensor}")
        elif name == "kernel_mu":
            means[name] = kernel_scale(initializer, shape) * stream.normals(shape, name)
        elif initializer == "tfp":
            means[name] = 0.1 * stream.normals(shape, name)
        else:
            means[name] = np.zeros(shape)
    return means


def initial_sigmas(
    given: Any, tensor: str, prior: Prior, shapes: Mapping[str, tuple[int, ...]]
) -> Any:
    """Return the standard deviations that a tensor starts with, or None where none are given.

    Parameters
    ----------
    given : float, "prior", Values or None
        A layer's ``initial_sigma``.
    tensor : str
        "kernel" or "bias".
    prior : Prior
        The tensor's, whose scale "prior" names.
    shapes : mapping of str to tuple
        As in `initial_means`.

    Raises
    ------
    ValueError
        Where an array has another shape than its tensor.
    """
    if not isinstance(given, Values):
        return prior.scale if given == "prior" else given
    if tensor not in given:
        return None
    return fitted(given[tensor], shapes[f"{tensor}_mu"], f"initial_sigma.{tensor}")
