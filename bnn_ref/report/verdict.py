"""The verdict: what the scores mean, in words, beside what simple rivals reach on the same rows.

Every sentence is made of numbers of this run; none praises by itself, and none calls a difference
one that so few rows cannot tell from chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..elementary import log_softmax, normal_density

if TYPE_CHECKING:
    from .evidence import Evidence

FITTED_ROWS = 20_000  # of the rivals
LOGISTIC_WORK = 10**10  # inputs times classes times iterations: half a minute of one processor
SAME = 0.005  # nats a row, that nobody would call better or worse
MISS = 0.01  # of a mean probability beside the share of right answers
NEAR = 0.05  # of the ratio of errors to the predictive deviation beside 1
ERRORS = 2  # standard errors that a difference has to be away from 0 to be called one

UNTOLD = "on so few rows not to be told from"


def verdict(evidence: Evidence) -> list[str]:
    """Return the verdict's sentences, first to last.

    Parameters
    ----------
    evidence : Evidence
    """
    if evidence.prediction.log_prob is None:
        return []
    honesty = _honesty_of_numbers if evidence.are_numbers else _honesty
    return [_in_words(evidence), _beside_rivals(evidence), honesty(evidence)]


def _in_words(evidence):
    """Return what the log-probability of a row is in the reader's own measure."""
    nats = evidence.prediction.nats
    rows = f"On {len(evidence.y):,} {evidence.part} rows"
    if evidence.are_numbers:
        return (
            f"{rows} the prediction is off by {evidence.score(evidence.prediction):.3g} (root mean "
            f"square, target unit), the mean of the training rows by {_off_by_mean(evidence):.3g}."
        )
    if evidence.targets.exclusive:
        return (
            f"{rows} the right class gets {nats:.2f} nats in the mean, the logarithm of a "
            f"probability of {np.exp(nats):.2f}; {100 * evidence.prediction.accuracy:.1f} % are "
            "right."
        )
    outputs = evidence.prediction.targets.shape[1]
    return (
        f"{rows} the right answers get {nats:.2f} nats in the mean, for each of {outputs} outputs "
        f"a probability of {np.exp(nats / outputs):.2f}; "
        f"{100 * evidence.prediction.accuracy:.1f} % are right."
    )


def _off_by_mean(evidence):
    """Return the RMSE of predicting the training targets' mean, in the target's own unit."""
    dataset = evidence.opened.dataset
    wrong = dataset.encoding.decode_scale(
        np.asarray(dataset.train.y).mean(axis=0) - evidence.prediction.targets
    )
    return np.sqrt(np.mean(wrong * wrong))


def _beside_rivals(evidence):
    """Return how the log-probability compares with rivals', in the target's own unit."""
    in_own_unit = evidence.opened.dataset.encoding.decode_nats
    ours = evidence.prediction.log_prob
    mean = evidence.predict(evidence.x, evidence.y, kind="mean").log_prob
    words = []
    for name, nats in [*rivals(evidence), ("the network at its posterior mean alone", mean)]:
        said = side(ours - nats)
        more = ""
        if said == UNTOLD:  # a few rows far off may weigh more than all the others
            more = f", {np.sum(ours > nats):,} of {len(ours):,} rows get more here"
        words.append(f"{said} {name} ({in_own_unit(np.mean(nats)):.3f}{more})")
    return f"In nats a row ({in_own_unit(np.mean(ours)):.3f}) that is " + "; ".join(words) + "."


def side(gaps: NDArray[Any]) -> str:
    """Return what rows' gaps (N,) in nats say: "better than", "worse than", "level with", or less.

    Level is a mean gap below `SAME`. One within `ERRORS` of its standard errors from 0, which
    other rows of the same kind could turn round, says nothing.
    """
    gap = float(np.mean(gaps))
    if not np.isfinite(gap):
        return "better than" if gap > 0 else "worse than"
    error = float(np.std(gaps)) / np.sqrt(max(len(gaps) - 1, 1))
    if abs(gap) < SAME:
        return "level with"
    if abs(gap) < ERRORS * error:
        return UNTOLD
    return "better than" if gap > 0 else "worse than"


def _honesty(evidence):
    """Return whether the probabilities hold what they say, in the mean."""
    confidence = np.asarray(evidence.prediction.confidence, np.float64)
    says, right = float(np.mean(confidence)), evidence.prediction.accuracy
    error = np.sqrt(np.sum(confidence * (1 - confidence))) / confidence.size
    return (
        f"It says {100 * says:.1f} % in the mean and {100 * right:.1f} % are right: "
        + _how_sure(says - right, ERRORS * error, MISS)
    )


def _how_sure(excess, error, small):
    """Return what an excess of sureness says: by its size, and whether chance explains it.

    Parameters
    ----------
    excess : float
        Above 0 where more is wrong than was said.
    error : float
        The size that chance alone reaches.
    small : float
        The size that is of no account.
    """
    if abs(excess) < small:
        return "it is as sure as it should be."
    kind = "surer than it should be" if excess > 0 else "less sure than it could be"
    if abs(excess) < error:
        return f"so few rows cannot tell whether it is {kind} or that is chance."
    return f"it is {kind}."


def _honesty_of_numbers(evidence):
    """Return whether the deviations hold what they say: squared errors beside variances."""
    prediction = evidence.prediction
    ratios = np.square(prediction.targets - prediction.mean) / prediction.variance  # mean 1
    ratio = float(np.mean(ratios))
    error = float(np.std(ratios)) / np.sqrt(max(ratios.size - 1, 1))
    return (
        f"Errors are {np.sqrt(ratio):.2f} times what the predictive deviation says (root mean "
        f"square): {_how_sure(ratio - 1, ERRORS * error, 2 * NEAR)}"
    )


def rivals(evidence: Evidence) -> list[tuple[str, float]]:
    """Return (name, nats of each row) of simple rivals, fitted to the training rows.

    Guessing by the training rows alone, and a linear model: a logistic regression where
    scikit-learn is installed, least squares with a Normal residual for numbers.
    """
    train = evidence.opened.dataset.train
    x, y = np.asarray(train.x[:FITTED_ROWS]), np.asarray(train.y[:FITTED_ROWS])
    held_x, held_y = np.asarray(evidence.x[:]), np.asarray(evidence.y)
    if evidence.are_numbers:
        return _of_numbers(x, y, held_x, held_y)
    scored = [("guessing by the shares of the training rows", _by_shares(y, held_y, evidence))]
    if evidence.targets.exclusive:
        logistic = _logistic(x, y, held_x, held_y)
        scored += [] if logistic is None else [("a logistic regression", logistic)]
    return scored


def _of_numbers(x, y, held_x, held_y):
    """Return the rivals of a regression: the training rows' Normal, and least squares."""
    constant = np.log(normal_density((held_y - y.mean(0)) / y.std(0)) / y.std(0)).sum(1)
    design = np.concatenate([x, np.ones((len(x), 1))], axis=1).astype(np.float64)
    weights = np.linalg.lstsq(design, y, rcond=None)[0]
    left = np.sqrt(np.mean((y - design @ weights) ** 2, axis=0))
    held = np.concatenate([held_x, np.ones((len(held_x), 1))], axis=1)
    linear = np.log(normal_density((held_y - held @ weights) / left) / left).sum(1)
    return [("one Normal for every row", constant), ("a linear regression", linear)]


def _by_shares(y, held_y, evidence):
    """Return the nats of predicting every row by the training rows' shares, one row added."""
    if evidence.targets.exclusive:
        count = np.bincount(y, minlength=evidence.opened.network.outputs) + 1.0
        return np.log(count / count.sum())[held_y]
    share = (y.sum(axis=0) + 1.0) / (len(y) + 2.0)
    return np.sum(np.where(held_y == 1, np.log(share), np.log1p(-share)), axis=1)


def _logistic(x, y, held_x, held_y):
    """Return the nats of scikit-learn's logistic regression, or None where it cannot be had."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        return None
    import warnings

    if len(np.unique(y)) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a rival need not be at its end
        iterations = min(300, max(30, LOGISTIC_WORK // (x.size * len(np.unique(y)))))
        model = LogisticRegression(max_iter=iterations).fit(x, y)
    place = np.searchsorted(model.classes_, held_y)
    known = np.isin(held_y, model.classes_)
    scores = np.asarray(model.decision_function(held_x), np.float64)
    if scores.ndim == 1:  # of the second of two classes
        scores = np.stack([np.zeros_like(scores), scores], axis=1)
    log_p = log_softmax(scores)  # `predict_log_proba` takes the logarithm of what may be 0
    return np.where(known, log_p[np.arange(len(held_y)), np.where(known, place, 0)], -np.inf)
