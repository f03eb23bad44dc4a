"""A likelihood of one's own: a function that gives every example's loss, and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..border import take_array
from ..errors import expected
from .base import NOTHING, Likelihood, register, share, total

LossFunction = Callable[[NDArray[Any], NDArray[Any]], tuple[ArrayLike, ArrayLike]]
STEP = 1e-30  # of the complex step
COMPLEX, DIFFERENCES = 1e-9, 1e-5  # what the checks allow, of the largest derivative
MOST_OUTPUTS = 64  # that are checked one by one; of more, as many at random


class Missing:
    """What stands for the function of a description that was read from a file.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, outputs: NDArray[Any], targets: NDArray[Any]) -> Any:
        """Raise the `ValueError` that asks for the function, whatever outputs and targets are."""
        raise expected("likelihood", f"the function {self.name} itself (give the network to "
                       "load_checkpoint)", "its name alone, for files hold no code")  # fmt: skip


@register
@dataclass(frozen=True)
class Custom(Likelihood):
    """A loss of one's own, in NumPy: it runs between forward and backward of either back end.

    Its gradient is checked at the first step that uses it, by the complex step or, for a function
    that takes no complex numbers, by central differences; shapes are checked at every one.

    Parameters
    ----------
    function : callable
        From outputs (B, O) and targets (B, ...) to the losses (B,), in nats, and their gradient by
        the outputs, (B, O): entry (n, o) is d losses_n / d outputs_no. Losses of a batch are
        averaged afterwards. An example's loss may depend on no other example.
    name : str, optional
        What files call it; its module and name unless given. Two of one name are equal.
    check : bool
        False leaves the first step's check out.

    Raises
    ------
    TypeError
        For what cannot be called.
    """

    function: LossFunction = field(compare=False)
    name: str = ""
    check: bool = field(default=True, compare=False)

    type = "custom"
    metric = "mean_loss"
    formula = slope_formula = "(a function of one's own)"

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"function: expected a callable, found {type(self.function).__name__}")
        if not self.name:
            module, known = (getattr(self.function, n, "") for n in ("__module__", "__qualname__"))
            object.__setattr__(self, "name", f"{module}.{known or type(self.function).__name__}")
        object.__setattr__(self, "_unchecked", bool(self.check))

    @property
    def _short(self):
        """What messages call it."""
        return self.name.rpartition(".")[2]

    def check_targets(self, y: ArrayLike, leading: tuple[int, ...], outputs: int) -> NDArray[Any]:
        """Return finite targets (B, ...), integers as they are; arguments as for `Normal`'s."""
        y = take_array(y, "y")
        if y.shape[: len(leading)] != leading:
            raise expected("y", f"a shape that begins with {leading}", y.shape)
        return y.reshape(-1, *y.shape[len(leading) :])

    def losses(self, z: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the losses (B,) and their gradient (B, O), of the shapes they should have.

        Parameters
        ----------
        z : array (B, O)
            The outputs.
        y : array (B, ...)

        Raises
        ------
        ValueError, TypeError
            For a function that returns anything else.
        """
        answer = self.function(z, y)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise TypeError(f"{self._short}: expected (losses, gradient), found "
                            f"{type(answer).__name__}")  # fmt: skip
        kinds = "buifc" if np.iscomplexobj(z) else "buif"
        losses = take_array(answer[0], f"{self._short}: losses", shape=z.shape[:1], kinds=kinds,
                            finite=False)  # fmt: skip
        gradient = take_array(answer[1], f"{self._short}: gradient", shape=z.shape, kinds=kinds,
                              finite=False)  # fmt: skip
        return losses, gradient.astype(z.dtype, copy=False)

    def nll_rows(
        self, z: NDArray[Any], y: NDArray[Any], own: Mapping[str, NDArray[Any]] = NOTHING
    ) -> NDArray[Any]:
        """Return the losses, (B,); arguments as for `Normal.nll_rows`."""
        return self.losses(z, y)[0]

    def slope(
        self, z: NDArray[Any], y: NDArray[Any], own: Mapping[str, NDArray[Any]] = NOTHING
    ) -> NDArray[Any]:
        """Return the losses' gradient, (B, O); arguments as for `Normal.nll_rows`."""
        return self.losses(z, y)[1]

    def nll_and_gradient(
        self,
        z: NDArray[Any],
        y: NDArray[Any],
        weight: NDArray[Any] | None = None,
        own: Mapping[str, NDArray[Any]] = NOTHING,
    ) -> tuple[Any, NDArray[Any], dict[str, NDArray[Any]]]:
        """Return nll, gradient and nothing of its own; as for `Likelihood.nll_and_gradient`."""
        if self._unchecked and not np.iscomplexobj(z):
            self.check_gradient(z, y)
            object.__setattr__(self, "_unchecked", False)
        losses, gradient = self.losses(z, y)
        return total(losses, weight), gradient * share(z, weight), {}  # E4, E7

    def check_gradient(self, z: NDArray[Any], y: NDArray[Any]) -> None:
        """Raise where the gradient is not that of the losses, at these outputs, in float64.

        Parameters
        ----------
        z : array (B, O)
        y : array (B, ...)

        Raises
        ------
        ValueError
            The message names row, output, what was found and what the losses' differences say.
        """
        z = np.asarray(z, np.float64)
        _, gradient = self.losses(z, y)
        outputs = np.arange(z.shape[1])
        if len(outputs) > MOST_OUTPUTS:
            outputs = np.sort(np.random.default_rng(0).permutation(outputs)[:MOST_OUTPUTS])
        given = gradient[:, outputs]
        wrong = None
        for of, allowed in ((self._complex_step, COMPLEX), (self._differences, DIFFERENCES)):
            exact = of(z, y, outputs)
            if exact is None:
                continue
            error = np.abs(given - exact)
            limit = allowed * max(np.max(np.abs(exact), initial=0.0), 1e-3)
            if np.all(error <= limit):
                return
            wrong = exact, error
        exact, error = wrong
        row, o = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
        raise expected(f"{self._short}: gradient[{row}, {outputs[o]}]",
                       f"{exact[row, o]:.8g}, by the losses", f"{given[row, o]:.8g}")  # fmt: skip

    def _complex_step(self, z, y, outputs):
        """Return d losses_n / d z_no of those outputs, or None for a function of reals alone."""
        columns = []
        for o in outputs:
            moved = z.astype(np.complex128)
            moved[:, o] += 1j * STEP
            try:
                losses = np.asarray(self.function(moved, y)[0])
            except (TypeError, ValueError):
                return None
            if not np.iscomplexobj(losses):
                return None
            columns.append(losses.imag / STEP)
        return np.stack(columns, axis=1)

    def _differences(self, z, y, outputs):
        """Return the same by central differences."""
        columns = []
        for o in outputs:
            step = np.cbrt(np.finfo(np.float64).eps) * np.maximum(1, np.abs(z[:, o]))
            high, low = z.copy(), z.copy()
            high[:, o] += step
            low[:, o] -= step
            rise = np.asarray(self.function(high, y)[0]) - np.asarray(self.function(low, y)[0])
            columns.append(rise / (high[:, o] - low[:, o]))
        return np.stack(columns, axis=1)

    def score(self, z: NDArray[Any], y: NDArray[Any]) -> float:
        """Return the sum over rows of the losses; arguments as for `nll_rows`."""
        return float(np.sum(self.losses(z, y)[0]))

    def to_json(self) -> dict[str, Any]:
        """Return ``{"type": "custom", "name": ...}``: files hold no code."""
        return {"type": "custom", "name": self.name}

    @classmethod
    def from_json(cls, options: Mapping[str, Any]) -> Custom:
        """Return one that knows its function's name alone, and asks for it when it is used.

        Parameters
        ----------
        options : dict
        """
        if set(options) != {"name"} or not isinstance(options["name"], str):
            raise expected("likelihood custom", "the keys type and name", sorted(options))
        return cls(Missing(options["name"]), name=options["name"])
