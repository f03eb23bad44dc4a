"""Regression: predictions one by one, and the parts of their spread where the data end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..elementary import normal_density
from ..plot.theme import NARROW, legend, new_figure
from .figure import Plot
from .predictions import EXAMPLES
from .regression import drawn_normals, target_name
from .shifts import ROWS, gradual, noticed, strangers
from .uncertainty import PARTS

if TYPE_CHECKING:
    from ..prediction.prediction import Prediction
    from .evidence import Evidence


def example_plots(evidence: Evidence) -> list[Plot]:
    """Return the figures of the most certain, the least certain and the most surprising rows."""
    p = evidence.prediction
    sure = np.argsort(p.variance[:, 0], kind="stable")
    groups = [
        ("certain", "The most certain", sure),
        ("uncertain", "The least certain", sure[::-1]),
        ("wrong", "The most surprising", np.argsort(p.log_prob, kind="stable")),
    ]
    return [_group(evidence, name, title, rows[:EXAMPLES]) for name, title, rows in groups]


def _group(evidence, name, title, rows):
    encoding = evidence.opened.dataset.encoding
    draws, scales = drawn_normals(evidence, evidence.x[rows])  # (S, n)
    unit = encoding.y_scale[0] if encoding.y_scale else 1.0
    shift = encoding.y_loc[0] if encoding.y_loc else 0.0
    y = evidence.prediction.targets[rows, 0]
    lines = [
        f"row {row}: observed {y[i] * unit + shift:.4g}, "
        f"mean {draws[:, i].mean() * unit + shift:.4g}"
        for i, row in enumerate(rows)
    ]

    def draw(theme):
        figure, axes = new_figure(theme, NARROW, 0.45 + 0.85 * len(rows), rows=len(rows),
                                  squeeze=False, sharex=True)  # fmt: skip
        for i, panel in enumerate(axes[:, 0]):
            s = scales[:, i]
            mean, reach = draws[:, i].mean(), 3.5 * np.hypot(np.sqrt(np.mean(s * s)),
                                                             draws[:, i].std())  # fmt: skip
            grid = np.linspace(mean - reach, mean + reach, 240)
            density = (normal_density((grid[:, None] - draws[:, i]) / s) / s).mean(axis=1)
            panel.fill_between(grid * unit + shift, density / density.max(), color=theme.blue,
                             alpha=0.25, linewidth=0)  # fmt: skip
            panel.plot(draws[:, i] * unit + shift, np.full(len(draws), 0.12), "|", color=theme.blue,
                     markersize=9, markeredgewidth=0.8)  # fmt: skip
            panel.axvline(mean * unit + shift, color=theme.ink, linewidth=1.2)
            panel.axvline(y[i] * unit + shift, color=theme.orange, linewidth=1.6, linestyle="--")
            panel.set_ylim(0, 1.1)
            panel.set_yticks([])
            panel.set_title(lines[i], loc="left", fontsize=8.5, color=theme.ink, pad=3)
        axes[-1, 0].set_xlabel(target_name(evidence))
        return figure

    return Plot(
        f"predictions-{name}",
        title,
        f"Of the {evidence.part} rows: the means of {len(draws)} draws of the weights (ticks), the "
        "predictive density (area), its mean (line) and what was observed (dashed).",
        f"{title} predictions: " + "; ".join(lines) + ".",
        draw,
    )


def parts(evidence: Evidence, prediction: Prediction) -> dict[str, float]:
    """Return the root mean total, aleatoric and epistemic variance in the target's own unit."""
    scale = evidence.opened.dataset.encoding.decode_scale
    variances = (prediction.variance, prediction.aleatoric, prediction.epistemic)
    return {
        name: float(scale(np.sqrt(np.mean(variance, axis=0)))[0])
        for name, variance in zip(PARTS, variances, strict=True)
    }


def shift_look(evidence: Evidence) -> tuple[str, list[Plot]]:
    """Return what is to be said of rows like none in training, and the figures."""
    x = np.asarray(evidence.x[:ROWS])
    shift = gradual(x, evidence.image)
    uncertainties = [parts(evidence, evidence.predict(rows)) for rows in shift.rows]
    rows = {f"{evidence.part} rows": x, **strangers(x, evidence.image, evidence.seed)}
    predictions = {name: evidence.predict(part) for name, part in rows.items()}
    groups = {name: parts(evidence, prediction) for name, prediction in predictions.items()}
    scale = evidence.opened.dataset.encoding.decode_scale
    totals = {name: scale(np.sqrt(p.variance))[:, 0] for name, p in predictions.items()}
    return noticed(totals), [_shift(evidence, shift, uncertainties), _groups(groups)]


def _shift(evidence, shift, uncertainties):
    def draw(theme):
        figure, axes = new_figure(theme)
        for k, part in enumerate(PARTS):
            color, style = theme.series(k)
            axes.plot(shift.amounts, [split[part] for split in uncertainties], linestyle=style,
                      color=color, label=part, linewidth=1.6)  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.set_xlabel(shift.label)
        axes.set_ylabel("standard deviation, target unit")
        legend(axes, theme, 3)
        return figure

    first, last = uncertainties[0], uncertainties[-1]
    return Plot(
        "uncertainty-shift",
        "Turned by degrees" if evidence.image is not None else "Moved away by degrees",
        "The noise that the likelihood assumes (aleatoric), and the draws' disagreement "
        f"(epistemic). The first {min(ROWS, len(evidence.y)):,} {evidence.part} rows.",
        f"Line chart over {shift.label} from {shift.amounts[0]:g} to {shift.amounts[-1]:g}: total "
        f"standard deviation from {first['total']:.3g} to {last['total']:.3g}, epistemic from "
        f"{first['epistemic']:.3g} to {last['epistemic']:.3g}.",
        draw,
    )


def _groups(groups):
    def draw(theme):
        figure, axes = new_figure(theme)
        places = np.arange(len(groups))[::-1]
        for k, part in enumerate(PARTS):
            values = [group[part] for group in groups.values()]
            centres = places + 0.26 * (1 - k)
            axes.barh(centres, values, 0.22, color=theme.series(k)[0], label=part,
                      hatch=("", "///", "...")[k], edgecolor=theme.paper, linewidth=0)  # fmt: skip
            for place, value in zip(centres, values, strict=True):
                axes.text(value, place, f" {value:.3g}", va="center", fontsize=8, color=theme.ink)
        axes.set_xlim(0, 1.17 * max(group["total"] for group in groups.values()))
        axes.set_yticks(places, [name.replace(" ", "\n", 1) for name in groups])
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("standard deviation, target unit")
        legend(axes, theme, 3)
        return figure

    words = "; ".join(
        f"{name}: total {group['total']:.3g}, epistemic {group['epistemic']:.3g}"
        for name, group in groups.items()
    )
    return Plot(
        "uncertainty-parts",
        "Rows like none in training",
        "Roots of the mean variances: it is the variances that add up to the total.",
        f"Bars of the standard deviations. {words}.",
        draw,
    )
