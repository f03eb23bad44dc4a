"""Training: loss, nll, KL and score over the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plot.theme import legend, logarithmic, new_figure
from .figure import Plot

if TYPE_CHECKING:
    from .evidence import Evidence


def plots(evidence: Evidence) -> list[Plot]:
    """Return the training curves of a run's history; none where it has fewer than two records."""
    records = evidence.opened.history.records
    if len(records) < 2:
        return []
    return [_loss(records), _nll(records), _kl(records), _score(evidence, records)]


def _column(records, name, factor=1.0):
    """Return (steps, values) of the records that have a value of that name."""
    points = [(r["step"], factor * r[name]) for r in records if r.get(name) is not None]
    return [step for step, _ in points], [value for _, value in points]


def _lines(theme, series, label, *, log=False):
    """Return a figure of (name, steps, values) series over the steps."""
    figure, axes = new_figure(theme)
    for k, (name, steps, values) in enumerate(series):
        color, style = theme.series(k)
        axes.plot(steps, values, linestyle=style, color=color, label=name, linewidth=1.6)
    low = min(min(values) for _, _, values in series)
    high = max(max(values) for _, _, values in series)
    if log and low > 0:
        logarithmic(axes, low, high)
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=6)
    axes.set_xlabel("training step")
    axes.set_ylabel(label)
    if len(series) > 1:
        legend(axes, theme, len(series))
    return figure


def _words(name, series, unit):
    """Return one (steps, values) series in words: where it starts and ends."""
    steps, values = series
    return f"{name} {values[0]:.4g} {unit} at step {steps[0]}, {values[-1]:.4g} at step {steps[-1]}"


def _loss(records):
    steps, loss = _column(records, "loss")
    nll = [r["nll"] for r in records]
    weighted = [r["loss"] - r["nll"] for r in records]  # a mean as these are; kl is one step's
    series = [("loss", steps, loss), ("kl_weight * KL", steps, weighted), ("nll", steps, nll)]
    return Plot(
        "training-loss",
        "The loss and its two terms",
        f"loss = nll + kl_weight * KL; the last kl_weight was {records[-1]['kl_weight']:.3g}.",
        f"Line chart. {_words('Loss', (steps, loss), 'nats')}; "
        f"{_words('weighted KL', (steps, weighted), 'nats')}; "
        f"{_words('nll', (steps, nll), 'nats')}.",
        lambda theme: _lines(theme, series, "nats per example", log=True),
    )


def _pair(records, name, factor=1.0):
    """Return the series of a score on the batches and, where there are any, on held-out rows."""
    lines = [("training batches", *_column(records, name, factor))]
    sign = -1.0 if name == "nll" else 1.0  # recorded is a log-probability
    held = _column(records, "validation_nats" if name == "nll" else f"validation_{name}",
                   sign * factor)  # fmt: skip
    return [*lines, ("held-out rows", *held)] if held[0] else lines


def _pair_words(name, series, unit):
    return "Line chart. " + "; ".join(
        _words(f"{name}, {where},", (steps, values), unit) for where, steps, values in series
    )


def _how(series, name):
    """Return how a score came about, as the caption's words."""
    batches = f"{name} on the batches as they were trained, with the noise of those steps"
    held = ", and on held-out rows with every weight at its posterior mean"
    return batches + (held if len(series) > 1 else "") + "."


def _nll(records):
    series = _pair(records, "nll")
    top = " The score at the top of the page is an average over draws." * (len(series) > 1)
    return Plot(
        "training-nll",
        "Negative log-likelihood",
        _how(series, "The negative log-likelihood") + top,
        _pair_words("nll", series, "nats") + ".",
        lambda theme: _lines(theme, series, "nll, nats per example"),
    )


def _kl(records):
    steps, kl = _column(records, "kl")
    return Plot(
        "training-kl",
        "KL of the posterior from the prior",
        "Summed over all weights, before kl_weight; at the step itself, no average.",
        f"Line chart. {_words('KL', (steps, kl), 'nats')}.",
        lambda theme: _lines(theme, [("KL", steps, kl)], "KL, nats", log=True),
    )


def _score(evidence, records):
    if evidence.metric == "accuracy":
        factor, name, unit = 100.0, "Accuracy", "%"
    else:
        scale = evidence.opened.dataset.encoding.y_scale
        is_single = scale is not None and len(scale) == 1
        factor, name = scale[0] if is_single else 1.0, "Root mean squared error"
        unit = "scaled unit" if scale is not None and not is_single else "target unit"
    series = _pair(records, evidence.metric, factor)
    short = "RMSE" if unit != "%" else "accuracy"
    return Plot(
        f"training-{evidence.metric}",
        name,
        _how(series, name),
        _pair_words(name.lower(), series, unit) + ".",
        lambda theme: _lines(theme, series, f"{short}, {unit}"),
    )
