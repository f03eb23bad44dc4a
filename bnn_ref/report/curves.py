"""Training: loss, nll, KL and score over the steps."""

from .theme import Plot, legend, new_figure


def plots(evidence):
    """Return the training curves of a run's history; none where it has fewer than two records."""
    records = evidence.opened.history.records
    if len(records) < 2:
        return []
    metric = evidence.metric
    steps = [record["step"] for record in records]
    found = [_loss(steps, records), _nll(steps, records), _kl(steps, records)]
    found.append(_score(evidence, steps, records, metric))
    return found


def _column(records, name, factor=1.0):
    """Return (steps, values) of the records that have a value of that name."""
    found = [(r["step"], factor * r[name]) for r in records if r.get(name) is not None]
    return [step for step, _ in found], [value for _, value in found]


def _lines(theme, series, label, *, log=False):
    """Return a figure of (name, steps, values) series over the steps."""
    figure, axes = new_figure(theme)
    for k, (name, steps, values) in enumerate(series):
        color, style = theme.series(k)
        axes.plot(steps, values, style, color=color, label=name, linewidth=1.6)
    if log and all(value > 0 for _, _, values in series for value in values):
        axes.set_yscale("log")
    axes.set_xlabel("training step")
    axes.set_ylabel(label)
    if len(series) > 1:
        legend(axes, theme, len(series))
    return figure


def _words(what, steps, values, unit):
    """Return one series in words: where it starts and ends."""
    return f"{what} {values[0]:.4g} {unit} at step {steps[0]}, {values[-1]:.4g} at step {steps[-1]}"


def _loss(steps, records):
    loss = [r["loss"] for r in records]
    weighted = [r["kl"] * r["kl_weight"] for r in records]
    nll = [r["nll"] for r in records]
    series = [("loss", steps, loss), ("KL times its weight", steps, weighted), ("nll", steps, nll)]
    return Plot(
        "training-loss",
        "The loss and its two terms, on a logarithmic axis: loss = nll + kl_weight * KL.",
        f"Line chart. {_words('Loss', steps, loss, 'nats')}; "
        f"{_words('weighted KL', steps, weighted, 'nats')}; {_words('nll', steps, nll, 'nats')}.",
        lambda theme: _lines(theme, series, "nats per example", log=True),
    )


def _nll(steps, records):
    nll = [r["nll"] for r in records]
    series = [("training batches", steps, nll)]
    alt = f"Line chart. {_words('nll of the batches', steps, nll, 'nats')}"
    held_steps, held = _column(records, "validation_nats", -1.0)
    if held:
        series.append(("held-out rows", held_steps, held))
        alt += f"; {_words('of held-out rows', held_steps, held, 'nats')}"
    return Plot(
        "training-nll",
        "The negative log-likelihood: of the batches as they were trained, with Flipout's draws, "
        "and of held-out rows with every weight at its posterior mean (an average over draws is "
        "better, see above).",
        alt + ".",
        lambda theme: _lines(theme, series, "nll, nats per example"),
    )


def _kl(steps, records):
    kl = [r["kl"] for r in records]
    return Plot(
        "training-kl",
        "The KL divergence of all weights from their priors, unweighted.",
        f"Line chart. {_words('KL', steps, kl, 'nats')}.",
        lambda theme: _lines(theme, [("KL", steps, kl)], "KL, nats"),
    )


def _score(evidence, steps, records, metric):
    factor, unit = (
        (100.0, "%") if metric == "accuracy" else (_target_scale(evidence), "target unit")
    )
    values = [factor * r[metric] for r in records]
    series = [("training batches", steps, values)]
    alt = f"Line chart. {_words(f'{metric} of the batches', steps, values, unit)}"
    held_steps, held = _column(records, f"validation_{metric}", factor)
    if held:
        series.append(("held-out rows", held_steps, held))
        alt += f"; {_words('of held-out rows', held_steps, held, unit)}"
    name = "accuracy" if metric == "accuracy" else "root mean squared error"
    return Plot(
        f"training-{metric}",
        f"The {name} on the batches as they were trained, with Flipout's draws, and on held-out "
        "rows with every weight at its posterior mean.",
        alt + ".",
        lambda theme: _lines(theme, series, f"{name}, {unit}"),
    )


def _target_scale(evidence):
    """Return what one scaled unit of the target is in its own, 1 where there are several."""
    scale = evidence.opened.dataset.encoding.y_scale
    return scale[0] if scale and len(scale) == 1 else 1.0
