"""What the targets of a likelihood are: how data's become them, are counted and are told of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import expected


class Targets:
    """Numbers, any that a float holds: targets (N, O); other kinds derive from it.

    Attributes
    ----------
    classes : bool
        Whether they are classes, which may have names and are held out in equal shares.
    exclusive : bool
        Whether a row has one class of all: an id (N,), not columns (N, O).
    standardised : bool
        Whether those of a text table are taken in units of their standard deviation.
    instead : str
        What the command line says of asking for another kind.
    """

    classes: bool = False
    exclusive: bool = False
    standardised: bool = True
    instead: str = "--likelihood categorical takes classes"

    def of_numbers(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return stored numbers (N, ...) in the shape of targets; what is unfit stays so."""
        return values.reshape(len(values), -1)

    def of_ids(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places (N,) of named classes in the shape of targets."""
        return ids[:, None]

    def check_names(self, names: Sequence[str], thing: str) -> None:
        """Raise the `ValueError` for classes of these names that no targets of the kind can be."""

    def count_outputs(
        self, labels: Sequence[NDArray[Any]], classes: Sequence[str] | None, most: int, thing: str
    ) -> int:
        """Return O of a network for these targets: their columns, or how many classes there are.

        Parameters
        ----------
        labels : sequence of array
            Targets of every part.
        classes : sequence of str, optional
            Their names, where they have names.
        most : int
            The largest class id taken.
        thing : str
            What the message calls them.
        """
        return labels[0].shape[1]

    def describe(self, outputs: int) -> str:
        """Return in words what a row's are, for a network of so many outputs."""
        return "numbers" if outputs == 1 else f"{outputs} numbers a row"


class Binary(Targets):
    """Numbers 0 or 1: targets (N, O), or two classes by name."""

    classes = True
    standardised = False
    instead = "--likelihood normal takes numbers"

    def check_names(self, names: Sequence[str], thing: str) -> None:
        """Raise for more or fewer than two."""
        if len(names) != 2:
            raise expected(f"{thing} of a bernoulli likelihood", "two classes",
                           ", ".join(names[:6]))  # fmt: skip

    def describe(self, outputs: int) -> str:
        """Return in words what a row's are."""
        return f"0 or 1, {outputs} a row"


class Classes(Targets):
    """One class of several: ids (N,)."""

    classes = exclusive = True
    standardised = False
    instead = "--likelihood normal takes numbers"

    def of_numbers(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return ids (N,) of such or a column (N, 1); one-hot rows stay, to be refused."""
        return values[:, 0] if values.shape[1:] == (1,) else values

    def of_ids(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids (N,) as they are."""
        return ids

    def count_outputs(
        self, labels: Sequence[NDArray[Any]], classes: Sequence[str] | None, most: int, thing: str
    ) -> int:
        """Return how many classes there are, or raise for an id above the most."""
        if classes is not None:
            return len(classes)
        largest = max(np.max(y) for y in labels)
        if largest > most:
            raise expected(thing, f"class ids up to {most}", largest)
        return int(largest) + 1 if largest >= 0 else 1  # `check_targets` says what is wrong

    def describe(self, outputs: int) -> str:
        """Return how many there are, in words."""
        return f"{outputs} classes"
