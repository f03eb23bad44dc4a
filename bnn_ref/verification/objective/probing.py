"""Find out what a person's own loss function is, by asking it: `check_objective`.

With the noise held, a loss over a batch is a * (mean of each example's fit) + b. Batches of one
size with other rows give a and b; batches of twice the size, made of the same rows twice, tell
whether the fit is a mean or a sum over the batch, and whether the KL's factor hangs on its size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import expected
from ...likelihoods import Categorical
from ..containers import as_array, one_number
from .describing import Objective, describe
from .naming import known_weights

if TYPE_CHECKING:
    from ...likelihoods.base import Likelihood

BATCHES = 6  # of each size
ROUNDING = 1e-12  # a KL weight below it is none
FITS = 1e-4  # largest residual of the straight line, of the losses' spread


@dataclass(frozen=True)
class ObjectiveReport:
    """What `check_objective` found; ``str`` of it is for people and for assertion messages.

    Attributes
    ----------
    objective : Objective
    fit : str
        What stands beside the KL, in words.
    reduction : "mean" or "sum"
        Over the batch.
    by_batch : bool
        Whether the KL's weight changes with the size of the batch.
    """

    objective: Objective
    fit: str
    reduction: str
    by_batch: bool

    @property
    def agrees(self) -> bool:
        """True for the KL once, divided by N, whatever the batch."""
        return self.objective.key == "right" and not self.by_batch

    def __str__(self) -> str:
        lines = [f"the fit is {self.fit}, {self.reduction} over the batch"]
        if self.by_batch:
            lines.append("the KL's weight changes with the size of the batch")
        return "\n".join([*lines, str(self.objective)])


def check_objective(
    loss: Callable[[Any, Any], Any],
    outputs: Callable[[Any], Any],
    x: ArrayLike,
    y: ArrayLike,
    *,
    num_examples: int,
    num_weights: int,
    kl: float,
    likelihood: Likelihood | None = None,
    batch_size: int | None = None,
    seed: int = 0,
) -> ObjectiveReport:
    """Return an `ObjectiveReport`: what a person's own loss function is.

    Parameters
    ----------
    loss : callable, (x rows, y rows) -> number
        The whole of what is minimised, KL included, on the rows given; its noise held (at the
        posterior mean, or with the signs and draws fixed).
    outputs : callable, (x rows) -> (rows, O)
        The same network's outputs, with the same noise: logits, or means.
    x, y : array
        At least 8 rows and targets, as in `docs/vectors.md`.
    num_examples, num_weights : int
        N training rows; P weights with a posterior.
    kl : float
        The KL summed over weights, in nats, of the parameters in use.
    likelihood : Categorical, Bernoulli or Normal
        Categorical unless given.
    batch_size : int, optional
        What training uses; half of the rows given here unless told.
    seed : int
        Of the batches that are asked.

    Raises
    ------
    ValueError
        For fewer than 8 rows, a kl that is not above 0, a loss that is random, or one that is no
        likelihood of these outputs plus a constant.
    """
    likelihood = Categorical() if likelihood is None else likelihood
    x, y = as_array(x), as_array(y)
    if len(x) < 8:
        raise expected("x", "at least 8 rows", len(x))
    if not (np.isfinite(kl) and kl > 0):
        raise expected("kl", "a finite number above 0", kl)
    rng = np.random.default_rng(seed)
    size = len(x) // 2
    z = np.asarray(as_array(outputs(x)), np.float64)
    forms = _forms(likelihood, z, y)
    picked = [rng.choice(len(x), size, replace=False) for _ in range(BATCHES)]

    def ask(rows):
        return one_number(loss(x[rows], y[rows]), "loss")

    values = [ask(rows) for rows in picked]
    if values[0] != ask(picked[0]):
        raise expected("loss", "the same value for the same rows", "another (hold the noise)")
    twice = [ask(np.tile(rows, 2)) for rows in picked]
    for name, each in forms.items():
        means = np.array([np.mean(each[rows]) for rows in picked])
        once, again = _line(means, values), _line(means, twice)
        if once and again:
            return _report(name, once, again, size, z.shape[1], num_examples,
                           num_weights, kl, batch_size)  # fmt: skip
    raise expected("loss", "a fit of these outputs and targets plus the KL", "another function "
                   "(are outputs logits? is the noise the same?)")  # fmt: skip


def _forms(likelihood, z, y):
    """Return name to each example's fit, (N,), of what may stand beside the KL."""
    if likelihood.to_json()["type"] == "normal":
        return {"the squared error": np.sum((z - y.reshape(z.shape)) ** 2, axis=1)}
    each = np.array([likelihood.nll_and_gradient(z[n : n + 1], y[n : n + 1])[0]
                     for n in range(len(z))])  # fmt: skip
    return {"the negative log-likelihood": each}


def _line(means, values):
    """Return (a, b) of values = a * means + b, None where they are on no line."""
    spread = np.ptp(values)
    columns = np.stack([means, np.ones_like(means)], axis=1)
    (a, b), *_ = np.linalg.lstsq(columns, np.asarray(values), rcond=None)
    off = np.max(np.abs(columns @ [a, b] - values))
    return (float(a), float(b)) if off <= FITS * max(spread, 1e-12) and a > 0 else None


def _report(name, once, again, size, outputs, num_examples, num_weights, kl,
            batch_size):  # fmt: skip
    """Return the report of the lines found for batches of one size and of twice that."""
    summed = abs(again[0] / once[0] - 2) < 0.1
    per_example = once[0] / (size if summed else 1)
    weights = [line[1] / kl / (n if summed else 1) for line, n in ((once, size), (again, 2 * size))]
    scale, fit = None, name
    if name == "the squared error":
        scale = (2 * per_example) ** -0.5
        fit = f"{per_example:.4g} of the squared error, a Normal likelihood of scale {scale:.4g}"
        constant = outputs * (np.log(scale) + np.log(2 * np.pi) / 2)
        without = [w - constant / kl for w in weights]
        if _known(without[0], num_examples, size, num_weights):
            weights, fit = without, f"the negative log-likelihood of scale {scale:.4g}"
    elif abs(per_example - 1) > 1e-3:
        fit = f"{per_example:.4g} of {name}"
        weights = [w / per_example for w in weights]
    by_batch = abs(weights[1] - weights[0]) > 1e-3 * max(abs(weights[0]), 1e-12)
    asked = size if by_batch or batch_size is None else batch_size
    weight = weights[0] if weights[0] > ROUNDING else 0.0
    objective = describe(weight, num_examples, asked, num_weights, scale)
    return ObjectiveReport(objective, fit, "sum" if summed else "mean", by_batch)


def _known(weight, num_examples, batch_size, num_weights):
    """Return whether a weight has a name."""
    known = known_weights(num_examples, batch_size, num_weights)
    return any(abs(weight - value) <= 1e-3 * max(value, 1e-12) for value, _ in known)
