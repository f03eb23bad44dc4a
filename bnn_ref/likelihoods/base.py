"""What every likelihood owns, and the list of them.

The negative log-likelihood of a batch in nats, and its gradient by the outputs:

nll = sum_n w_n nll_n / B, where nll_n sums over the output dimensions of example n and every
weight w_n is 1 unless the person gives others. z are the last layer's outputs, (B, O). Targets are
never broadcast, reshaped or clipped: class ids have the inputs' leading shape, (B,); other targets
that shape and O, (B, O). One-hot rows and columns (B, 1) of class ids are refused: pass
``y.argmax(-1)`` or ``y[:, 0]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..border import take_array
from ..errors import expected
from ..registry import Registry
from .reduction import Reduction
from .targets import Targets

LIKELIHOODS: Registry[type[Likelihood]] = Registry("likelihood type")
register = LIKELIHOODS.register_class
ReductionClass = type[Reduction]
# The parameters of a likelihood that has none.
NOTHING: Mapping[str, NDArray[Any]] = MappingProxyType({})


def numbers(y: ArrayLike, shape: tuple[int, ...], hint: str = "") -> NDArray[Any]:
    """Return y as an array of numbers of that shape, or raise; booleans count as 0 and 1.

    What is in the hint stands behind the shape in the message.
    """
    y = take_array(y, "y", finite=False)
    if y.shape != shape:
        raise expected("y", f"shape {shape}{hint}", y.shape)
    return y


def refuse_first(bad: NDArray[np.bool_], y: NDArray[Any], wanted: str) -> NoReturn:
    """Raise the error for the first entry of y where `bad`: value, row, and what is wanted."""
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    where = f"row {place[0]}" + (f", column {place[-1]}" if len(place) > 1 else "")
    raise expected("y", wanted, f"{y[place]} in {where}")


def total(rows: NDArray[Any], weight: NDArray[Any] | None) -> np.inexact[Any]:
    """Return sum_n w_n rows_n / B as a float64 (complex128 for complex rows).

    Parameters
    ----------
    rows : array (B,)
    weight : array (B,) or None
        w_n; None means 1 each.
    """
    wide = np.complex128 if np.iscomplexobj(rows) else np.float64
    if weight is not None:
        rows = rows * weight  # E4
    return np.sum(rows, dtype=wide) / len(rows)  # E4


def share(z: NDArray[Any], weight: NDArray[Any] | None) -> Any:
    """Return w_n / B, what each example counts for, as (B, 1) or a number of z's dtype.

    A weight that is None means 1 each.
    """
    if weight is None:
        return z.real.dtype.type(1 / len(z))  # E7
    return (weight / len(z)).astype(z.real.dtype)[:, None]  # E7


class Likelihood:
    """A likelihood: a frozen dataclass that answers what is asked here.

    Besides these each has

    ``check_targets(y, leading, outputs)``
        the targets ready for use, or a `ValueError` that names value and row;
    ``nll_rows(z, y, own)``
        nll_n, shape (B,); ``own`` maps the likelihood's own parameters to arrays;
    ``slope(z, y, own)``
        d nll_n / d z_n, shape (B, O);
    ``score(z, y)``
        a batch's sum over rows of hits or squared errors (see ``metric``).

    Attributes
    ----------
    type : str
        Its name in `LIKELIHOODS`, in JSON, and among the compiled kernels.
    task : str
        What its targets are, as the type of the likelihood that takes plain ones: "categorical"
        (class ids), "bernoulli" (0 or 1), "normal" (numbers) or another; "" where data cannot be
        read for it.
    targets : Targets
        What they are to whoever reads them.
    metric : "accuracy", "rmse" or another word
        What a mean ``score`` is: the share of hits, the square of a root mean square, or a mean of
        that name.
    learn_scale : bool
        Whether a scale of its own is among its parameters.
    scale_by_row : bool
        Whether every row and draw has a scale of its own.
    reduction : class
        How the draws of a prediction are averaged: a `Reduction`.
    formula, slope_formula : str
        What `nll_rows` sums and what `slope` is, printed beside their numbers.
    """

    type: ClassVar[str] = ""
    task: ClassVar[str] = ""
    targets: ClassVar[Targets] = Targets()
    metric: ClassVar[str] = ""
    learn_scale: bool = False
    scale_by_row: ClassVar[bool] = False
    reduction: ClassVar[ReductionClass] = Reduction
    formula: ClassVar[str] = "(its own formula)"
    slope_formula: ClassVar[str] = "(its own formula)"
    check_targets: Callable[[ArrayLike, tuple[int, ...], int], NDArray[Any]]
    nll_rows: Callable[[NDArray[Any], NDArray[Any], Mapping[str, NDArray[Any]]], NDArray[Any]]
    slope: Callable[[NDArray[Any], NDArray[Any], Mapping[str, NDArray[Any]]], NDArray[Any]]
    score: Callable[[NDArray[Any], NDArray[Any]], float]

    def targets_of(self, outputs: int) -> int:
        """Return how many targets a row has for so many outputs, or raise for a number unfit."""
        return outputs

    def outputs_of(self, targets: int) -> int:
        """Return how many outputs of the last layer so many targets a row need."""
        return targets

    def parameter_shapes(self, outputs: int) -> dict[str, tuple[int, ...]]:
        """Return name to shape of the parameters that are learned with the layers'.

        Parameters
        ----------
        outputs : int
            O.
        """
        return {}

    def initial(self, outputs: int, dtype: DTypeLike) -> dict[str, NDArray[Any]]:
        """Return name to array of their initial values.

        Parameters
        ----------
        outputs : int
            O.
        dtype : dtype
            float32 or float64.
        """
        return {}

    def gradient_own(
        self,
        z: NDArray[Any],
        y: NDArray[Any],
        weight: NDArray[Any] | None,
        own: Mapping[str, NDArray[Any]],
    ) -> dict[str, NDArray[Any]]:
        """Return name to gradient of the batch's nll by each of the likelihood's own parameters.

        Parameters
        ----------
        z, y, weight, own
            As for `nll_and_gradient`.
        """
        return {}

    def nll_and_gradient(
        self,
        z: NDArray[Any],
        y: NDArray[Any],
        weight: NDArray[Any] | None = None,
        own: Mapping[str, NDArray[Any]] = NOTHING,
    ) -> tuple[Any, NDArray[Any], dict[str, NDArray[Any]]]:
        """Return the batch's nll, its gradient by the outputs and by the likelihood's parameters.

        Parameters
        ----------
        z : array (B, O), float or complex, B >= 1
            The last layer's outputs.
        y : array
            As `check_targets` returns it.
        weight : array (B,) or None
            w_n; None means 1 each.
        own : mapping of str to array
            The likelihood's own parameters, named as in `parameter_shapes`.

        Returns
        -------
        nll : float64, nats, sum_n w_n nll_n / B
        grad_z : array (B, O) of z's dtype
        grad_own : dict of str to array
        """
        nll = total(self.nll_rows(z, y, own), weight)  # E4
        if z.dtype == np.float32 and not np.isfinite(nll):
            wide = {name: array.astype(np.float64) for name, array in own.items()}
            nll = total(self.nll_rows(z.astype(np.float64), y, wide), weight)  # E4
        grad_z = self.slope(z, y, own) * share(z, weight)  # E7
        return nll, grad_z, self.gradient_own(z, y, weight, own)  # E18

    def to_json(self) -> dict[str, Any]:
        """Return the description of `docs/vectors.md`: the type, and every field by its name."""
        return {"type": self.type, **{key.name: getattr(self, key.name) for key in fields(self)}}

    @classmethod
    def from_json(cls, options: dict[str, Any]) -> Likelihood:
        """Return the likelihood of what `to_json` wrote, the type apart.

        Parameters
        ----------
        options : dict
        """
        return cls(**options)


def tasks() -> list[str]:
    """Return every ``task`` for which data can be read: the likelihoods that take plain targets."""
    return [name for name, likelihood in LIKELIHOODS.items() if likelihood.task == name]


def likelihood_from_json(description: Mapping[str, Any]) -> Likelihood:
    """Return the likelihood that `to_json` described.

    Parameters
    ----------
    description : dict

    Raises
    ------
    ValueError
        For an unknown type, or keys that the type does not have.
    """
    kind = description.get("type") if isinstance(description, dict) else None
    if not isinstance(kind, str) or kind not in LIKELIHOODS:
        raise expected("likelihood", f"an object whose type is one of {', '.join(LIKELIHOODS)}",
                       repr(description))  # fmt: skip
    options = {key: value for key, value in description.items() if key != "type"}
    try:
        return LIKELIHOODS[kind].from_json(options)
    except TypeError:
        known = sorted({"type", *(field.name for field in fields(LIKELIHOODS[kind]))})
        raise expected(f"likelihood {kind}", f"keys {known}", sorted(description)) from None
