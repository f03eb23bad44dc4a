"""Regression: the predictive band, its coverage, and its parts where the data end."""

import numpy as np

from ..elementary import normal_cdf, normal_density
from .predictions import EXAMPLES
from .shifts import ROWS, gradual, strangers
from .theme import WIDTH, Plot, legend, new_figure

BAND_ROWS = 200
LEVELS = np.linspace(0.05, 0.95, 19)


def plots(evidence):
    """Return the figures of a regression, of its first output where there are several."""
    return [_band(evidence), _coverage(evidence), *_examples(evidence), *_strange(evidence)]


def _own_units(evidence, mean, variance):
    """Return mean and standard deviation of the first output in the target's own units."""
    encoding = evidence.opened.dataset.encoding
    return (
        encoding.decode_mean(mean)[:, 0],
        encoding.decode_scale(np.sqrt(variance))[:, 0],
    )


def _likelihood_scale(evidence):
    """Return the likelihood's standard deviation of the first output, scaled units."""
    parameters = evidence.opened.parameters
    scale = evidence.opened.network.likelihood.scales(parameters.scale_rho, np.dtype(np.float64))
    return float(np.ravel(scale)[0])


def _band(evidence):
    p, encoding = evidence.prediction, evidence.opened.dataset.encoding
    mean, scale = _own_units(evidence, p.mean, p.variance)
    _, epistemic = _own_units(evidence, p.mean, p.epistemic)
    y = encoding.decode_mean(p.targets)[:, 0]
    single = evidence.x.shape[1] == 1
    inputs = np.asarray(evidence.x.values, np.float64)[:, 0] if single else mean
    every = max(1, len(y) // BAND_ROWS)
    order = np.argsort(inputs, kind="stable")[::every]
    across = inputs[order] if single else np.arange(len(order))
    inside = 100 * np.mean(np.abs(y - mean) <= 2 * scale)

    def draw(theme):
        figure, axes = new_figure(theme, height=3.4)
        m, s, e = mean[order], scale[order], epistemic[order]
        axes.fill_between(across, m - 2 * s, m + 2 * s, color=theme.blue, alpha=0.22, linewidth=0,
                          label="2 standard deviations, total")  # fmt: skip
        axes.fill_between(across, m - 2 * e, m + 2 * e, color=theme.blue, alpha=0.55, linewidth=0,
                          label="of these epistemic")  # fmt: skip
        axes.plot(across, m, color=theme.ink, linewidth=1.2, label="predicted mean")
        axes.plot(across, y[order], ".", color=theme.orange, markersize=4, label="observed")
        name = encoding.columns[0] if encoding.columns else "input"
        axes.set_xlabel(name if single else f"{evidence.part} rows, by predicted mean")
        axes.set_ylabel(_target_name(evidence))
        legend(axes, theme)
        return figure

    return Plot(
        "regression-band",
        f"The predictive band. {inside:.0f} % of the {len(y)} {evidence.part} rows are within 2 "
        "predictive standard deviations (95 % of a Normal would be).",
        f"Predicted mean with a band of 2 standard deviations beside the observed values; "
        f"{inside:.0f} % of {len(y)} {evidence.part} rows are inside. Median standard deviation "
        f"{np.median(scale):.3g}, of which epistemic {np.median(epistemic):.3g}.",
        draw,
    )


def _target_name(evidence):
    target = evidence.opened.dataset.encoding.target
    return f"target {target}" if isinstance(target, str) else "target, its own unit"


def central_probability(evidence, x, y):
    """Return for each row how central the target lies in its predictive mixture, 0 to 1.

    With u = mean over draws of Phi((y - z) / s), the row is inside every central interval of
    level |2 u - 1| and more.
    """
    z, s = evidence.outputs(x)[:, :, 0], _likelihood_scale(evidence)
    u = normal_cdf((y[:, 0] - z) / s).mean(axis=0)
    return np.abs(2 * u - 1)


def _coverage(evidence):
    x, y = evidence.sweep
    y = np.asarray(y, np.float64).reshape(len(y), -1)
    central = central_probability(evidence, x, y)
    share = np.array([np.mean(central <= level) for level in LEVELS])
    error = float(np.mean(np.abs(share - LEVELS)))

    def draw(theme):
        figure, axes = new_figure(theme)
        axes.plot([0, 100], [0, 100], color=theme.muted, linewidth=1.0, label="calibrated")
        axes.plot(100 * LEVELS, 100 * share, color=theme.blue, marker="o", markersize=3.5,
                  linewidth=1.4, label=f"{len(y)} {evidence.part} rows")  # fmt: skip
        axes.set_xlabel("level of the central predictive interval, %")
        axes.set_ylabel("targets inside, %")
        legend(axes, theme)
        return figure

    at = int(np.argmax(np.abs(share - LEVELS)))
    return Plot(
        "calibration",
        f"Reliability diagram of the predictive intervals: calibration error {error:.4f}, the mean "
        "distance to the diagonal. Above the line intervals are wider than they need to be, below "
        "it too narrow.",
        f"Share of targets inside central predictive intervals against their level; mean distance "
        f"to the diagonal {error:.4f}, largest at {100 * LEVELS[at]:.0f} %, where "
        f"{100 * share[at]:.0f} % are inside.",
        draw,
    )


def _examples(evidence):
    p = evidence.prediction
    sure = np.argsort(p.variance[:, 0], kind="stable")
    worst = np.argsort(p.log_prob, kind="stable")
    groups = [
        ("certain", "The most certain", sure[:EXAMPLES]),
        ("uncertain", "The least certain", sure[::-1][:EXAMPLES]),
        ("wrong", "The most surprising", worst[:EXAMPLES]),
    ]
    return [_group(evidence, *group) for group in groups if len(group[2])]


def _group(evidence, name, title, rows):
    encoding = evidence.opened.dataset.encoding
    s = _likelihood_scale(evidence)
    draws = evidence.outputs(evidence.x[np.array(rows)])[:, :, 0]  # (S, n)
    unit = encoding.y_scale[0] if encoding.y_scale else 1.0
    shift = encoding.y_loc[0] if encoding.y_loc else 0.0
    y = evidence.prediction.targets[rows, 0]
    lines = [
        f"row {row}: observed {y[i] * unit + shift:.4g}, "
        f"mean {draws[:, i].mean() * unit + shift:.4g}"
        for i, row in enumerate(rows)
    ]

    def draw(theme):
        figure, axes = new_figure(theme, WIDTH, 0.45 + 0.85 * len(rows), rows=len(rows),
                                  squeeze=False, sharex=True)  # fmt: skip
        for i, one in enumerate(axes[:, 0]):
            reach = 3.5 * np.hypot(s, draws[:, i].std())
            low = min(draws[:, i].mean() - reach, y[i] - 0.3 * s)
            high = max(draws[:, i].mean() + reach, y[i] + 0.3 * s)
            grid = np.linspace(low, high, 240)
            density = normal_density((grid[:, None] - draws[:, i]) / s).mean(axis=1)
            one.fill_between(grid * unit + shift, density / density.max(), color=theme.blue,
                             alpha=0.25, linewidth=0)  # fmt: skip
            one.plot(draws[:, i] * unit + shift, np.full(len(draws), 0.12), "|", color=theme.blue,
                     markersize=9, markeredgewidth=0.8)  # fmt: skip
            one.axvline(draws[:, i].mean() * unit + shift, color=theme.ink, linewidth=1.2)
            one.axvline(y[i] * unit + shift, color=theme.orange, linewidth=1.6, linestyle="--")
            one.set_ylim(0, 1.1)
            one.set_yticks([])
            one.set_title(lines[i], loc="left", fontsize=8, color=theme.ink, pad=3)
        axes[-1, 0].set_xlabel(_target_name(evidence))
        return figure

    return Plot(
        f"predictions-{name}",
        f"{title} {evidence.part} rows: the means of {len(draws)} draws of the weights (ticks), "
        "the predictive density (area), its mean (line) and what was observed (dashed).",
        f"{title}: " + "; ".join(lines) + ".",
        draw,
    )


def _parts(evidence, prediction):
    """Return the root mean total, aleatoric and epistemic variance in the target's own unit."""
    scale = evidence.opened.dataset.encoding.decode_scale
    return {
        name: float(scale(np.sqrt(np.mean(variance, axis=0)))[0])
        for name, variance in (
            ("total", prediction.variance),
            ("aleatoric", prediction.aleatoric),
            ("epistemic", prediction.epistemic),
        )
    }


def _strange(evidence):
    x = np.asarray(evidence.x[:ROWS])
    shift = gradual(x, evidence.image)
    found = [_parts(evidence, evidence.predict(rows)) for rows in shift.rows]
    groups = {f"{evidence.part} rows": _parts(evidence, evidence.predict(x))}
    for name, rows in strangers(x, evidence.image, evidence.seed).items():
        groups[name] = _parts(evidence, evidence.predict(rows))

    def draw_shift(theme):
        figure, axes = new_figure(theme)
        for k, part in enumerate(found[0]):
            color, style = theme.series(k)
            axes.plot(shift.amounts, [one[part] for one in found], style, color=color, label=part,
                      linewidth=1.6)  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.set_xlabel(shift.label)
        axes.set_ylabel("standard deviation, target unit")
        legend(axes, theme)
        return figure

    def draw_groups(theme):
        figure, axes = new_figure(theme)
        places = np.arange(len(groups))[::-1]
        for k, part in enumerate(("total", "aleatoric", "epistemic")):
            values = [one[part] for one in groups.values()]
            axes.barh(places + 0.24 * (1 - k), values, 0.22, color=theme.series(k)[0], label=part,
                      hatch=("", "///", "...")[k], edgecolor=theme.paper, linewidth=0)  # fmt: skip
        axes.set_yticks(places, [name.replace(" ", "\n", 1) for name in groups])
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("standard deviation, target unit")
        legend(axes, theme, 3)
        return figure

    first, last = found[0], found[-1]
    words = "; ".join(
        f"{name}: total {one['total']:.3g}, epistemic {one['epistemic']:.3g}"
        for name, one in groups.items()
    )
    return [
        Plot(
            "uncertainty-shift",
            f"{evidence.part.capitalize()} rows moved away from the training data: the noise that "
            "the likelihood assumes (aleatoric) stays, the draws' disagreement (epistemic) grows.",
            f"Line chart over {shift.label} from {shift.amounts[0]} to {shift.amounts[-1]}: total "
            f"standard deviation from {first['total']:.3g} to {last['total']:.3g}, epistemic from "
            f"{first['epistemic']:.3g} to {last['epistemic']:.3g}.",
            draw_shift,
        ),
        Plot(
            "uncertainty-parts",
            "The same for rows that are like none the network was trained on.",
            f"Bars of the standard deviations. {words}.",
            draw_groups,
        ),
    ]
