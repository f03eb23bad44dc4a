"""Passes over rows: what an estimator trains on, one pass of it, and when early stopping ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from ..errors import expected
from ..training.examples import Batches

if TYPE_CHECKING:
    from ..training.trainer import Trainer


class Rows(NamedTuple):
    """Rows to train on or to score.

    Attributes
    ----------
    x, y : array
        Checked and encoded.
    weight : array or None
        None: 1 each.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    weight: NDArray[Any] | None

    @property
    def total(self) -> float:
        """The sum of the weights."""
        return len(self.x) if self.weight is None else float(np.sum(self.weight))

    def part(self, index: Any) -> Rows:
        """Return the rows of that index."""
        return Rows(*(None if array is None else array[index] for array in self))

    def divided(self, mean_weight: float) -> Rows:
        """Return the rows with their weights divided by a number; where it is 1, the rows."""
        if mean_weight == 1:
            return self
        weight = np.ones(len(self.x)) if self.weight is None else self.weight
        return self._replace(weight=weight / mean_weight)


def hold_out(
    rows: Rows,
    share: float,
    seed: int,
    strata: NDArray[Any] | None = None,
    why: str = "early_stopping",
) -> tuple[Rows, Rows]:
    """Return the `Rows` to train on, and those held out, drawn by the seed.

    Parameters
    ----------
    rows : Rows
    share : float, 0 < share < 1
        Of the rows to hold out; of each group one at least.
    seed : int
    strata : array (N,), optional
        Groups that both parts shall have in equal shares.
    why : str
        What the message calls the reason.

    Raises
    ------
    ValueError
        Where there are too few rows.
    """
    count = len(rows.x)
    groups = 1 if strata is None else len(np.unique(strata))
    held = max(int(np.ceil(share * count)), groups)
    if held < 2 or count - held < max(2, groups):
        raise expected(why, f"rows enough to hold {share:g} of them out", f"{count} rows")
    index, held = train_test_split(
        np.arange(count), test_size=held, random_state=seed, stratify=strata
    )
    return rows.part(index), rows.part(held)


def take_pass(trainer: Trainer, rows: Rows, batch_size: int, number: int) -> float:
    """Take one pass over the rows, in the order that `bnn_ref.fit` takes, and return its loss.

    Parameters
    ----------
    trainer : Trainer
    rows : Rows
    batch_size : int
    number : int
        Of the pass, from 0.
    """
    batches, steps = Batches(len(rows.x), batch_size, trainer.seed), -(-len(rows.x) // batch_size)
    total = 0.0
    for step in range(number * steps, (number + 1) * steps):
        batch = rows.part(batches.of_step(step))
        total += len(batch.x) * trainer.step(*batch).loss
    return float(total / len(rows.x))


class Patience:
    """Early stopping: the best score so far, and for how many passes none has been better.

    Parameters
    ----------
    passes : int
        How many to wait for a better score.
    tol : float
        Nats by which a score must be better to be worth waiting on.

    Attributes
    ----------
    best : float
    parameters : array or None
        A copy of the flat parameters that had the best score.
    """

    passes: int
    tol: float

    def __init__(self, passes: int, tol: float) -> None:
        self.passes, self.tol = passes, tol
        self.best: float = -np.inf
        self.parameters: NDArray[Any] | None = None
        self.waited: int = 0

    def see(self, score: float, parameters: NDArray[Any]) -> None:
        """Take a pass's score and its flat parameters.

        Parameters
        ----------
        score : float
        parameters : array (P,)
        """
        self.waited = 0 if score > self.best + self.tol else self.waited + 1
        if score > self.best:
            self.best, self.parameters = score, parameters.copy()

    @property
    def is_over(self) -> bool:
        """Whether it is time to stop."""
        return self.waited >= self.passes


def best_temperature(
    log_probs: Mapping[float, NDArray[Any]], weight: NDArray[Any] | None = None
) -> float:
    """Return the temperature that is best by more than a standard error of its gain over 1, or 1.

    Parameters
    ----------
    log_probs : dict of float to array (N,)
        Temperature, 1.0 among them, to the log-probability of each held-out row.
    weight : array (N,), optional
    """
    best = max(log_probs, key=lambda t: np.average(log_probs[t], weights=weight))
    gain = log_probs[best] - log_probs[1.0]
    share = np.ones(len(gain)) if weight is None else weight
    share = share / share.sum()
    mean = np.sum(share * gain)
    return best if mean > np.sqrt(np.sum(share**2 * (gain - mean) ** 2)) else 1.0
