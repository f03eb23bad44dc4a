"""What a run reports as it trains: a record every so often."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .convergence import Convergence, convergence

if TYPE_CHECKING:
    from ..likelihoods.base import Likelihood
    from ..step.results import Metrics


@dataclass(repr=False)
class History:
    """What training reported: a record every so often, each over the examples since the last.

    Attributes
    ----------
    records : list of dict
        Keys step, epoch (1-based, the one that the step belongs to), loss, nll, kl, kl_weight,
        accuracy or rmse on the batches as they were trained; validation_nats and
        validation_accuracy or validation_rmse at the posterior mean where there are such rows;
        drift, see `bnn_ref.training.convergence`.
        loss, nll and the score are means over examples, a smaller last batch counting for less;
        kl and kl_weight are those of the last step.
    pending : dict
        Sums since the last record, so that an interrupted run's records are the same.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    pending: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        if not self.records:
            return "History(no records)"
        first, last = self.records[0], self.records[-1]
        return (
            f"History({len(self.records)} records, steps {first['step']} to {last['step']}, "
            f"loss {first['loss']:.4g} to {last['loss']:.4g})"
        )

    def _repr_html_(self) -> str:
        """Return the last records as a table, for a notebook."""
        shown = self.records[-5:]
        names = list(shown[-1]) if shown else []
        head = "".join(f"<th>{escape(str(name))}</th>" for name in names)
        rows = [
            "".join(f"<td>{escape(_short(record.get(name)))}</td>" for name in names)
            for record in shown
        ]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<p>{escape(repr(self))}</p><table><tr>{head}</tr>{body}</table>"

    def convergence(self, beta_1: float = 0.9, is_constant: bool = False) -> Convergence:
        """Return the `Convergence` that the records show; arguments as for `convergence`."""
        records = [record for record in self.records if "drift" in record]
        drifts, losses = ([record[name] for record in records] for name in ("drift", "loss"))
        return convergence(drifts, losses, beta_1, is_constant)

    def add(self, metrics: Metrics, kl_weight: float, rows: int, score: float) -> None:
        """Add one step's metrics; `score` is its sum over rows (hits, or squared errors).

        Parameters
        ----------
        metrics : Metrics
        kl_weight : float
            The factor on the KL in this step.
        rows : int
            Examples of the batch.
        score : float
            As `batch_score` returns it.
        """
        sums = self.pending or dict.fromkeys(("rows", "nll", "loss", "score"), 0.0)
        sums["rows"] += rows
        sums["nll"] += rows * float(metrics.nll)
        sums["loss"] += rows * float(metrics.loss)
        sums["score"] += score
        sums["kl"], sums["kl_weight"] = float(metrics.kl), float(kl_weight)
        self.pending = sums

    def close(self, step: int, epoch: int, metric: str) -> dict[str, Any]:
        """Make a record of what was added since the last one, and return it.

        Parameters
        ----------
        step : int
            How many steps have been taken.
        epoch : int
            1-based.
        metric : "accuracy" or "rmse"
            What the scores add up to.
        """
        sums, self.pending = self.pending, {}
        score = sums["score"] / sums["rows"]
        record = {
            "step": step,
            "epoch": epoch,
            "loss": sums["loss"] / sums["rows"],
            "nll": sums["nll"] / sums["rows"],
            "kl": sums["kl"],
            "kl_weight": sums["kl_weight"],
            metric: float(np.sqrt(score)) if metric == "rmse" else score,
        }
        self.records.append(record)
        return record


def _short(value):
    """Return a number of a record as text of a few digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def batch_score(likelihood: Likelihood, outputs: NDArray[Any], y: ArrayLike) -> float:
    """Return a batch's sum of hits (Categorical; Bernoulli: mean over outputs) or squared errors.

    For "rmse" the mean over the output dimensions of the squared error, summed over rows.

    Parameters
    ----------
    likelihood : Categorical, Bernoulli or Normal
    outputs : array (..., O)
    y : array
        Targets as the likelihood takes them.
    """
    return likelihood.score(outputs.reshape(-1, outputs.shape[-1]), np.asarray(y))
