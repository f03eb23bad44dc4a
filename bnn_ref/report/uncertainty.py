"""Uncertainty of classes: total, aleatoric, epistemic; on held-out rows and on strange ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..plot.theme import legend, new_figure
from .figure import Plot
from .shifts import ROWS, gradual, noticed, strangers

if TYPE_CHECKING:
    from ..prediction.prediction import Prediction
    from .evidence import Evidence

PARTS = ("total", "aleatoric", "epistemic")


def split(prediction: Prediction) -> dict[str, NDArray[Any]]:
    """Return the entropies of each row in nats by the names in `PARTS`."""
    return {
        "total": prediction.total_entropy,
        "aleatoric": prediction.expected_entropy,
        "epistemic": prediction.mutual_information,
    }


def look(evidence: Evidence) -> tuple[str, list[Plot]]:
    """Return what is to be said of strange rows, and the figures, for class probabilities."""
    x, y = np.asarray(evidence.x[:ROWS]), evidence.y[:ROWS]
    own = split(evidence.prediction)
    groups = {f"{evidence.part} rows": {name: rows[:ROWS] for name, rows in own.items()}}
    for name, rows in strangers(x, evidence.image, evidence.seed).items():
        groups[name] = split(evidence.predict(rows, draws=evidence.draws))
    plots = [
        _gradual(evidence, x, y),
        _averages(groups),
        _distribution(groups, "epistemic"),
        _distribution(groups, "total"),
    ]
    return noticed({name: entropies["total"] for name, entropies in groups.items()}), plots


def _gradual(evidence, x, y):
    """Return the figure on rows changed by degrees; only a turned image keeps its label."""
    shift, turned = gradual(x, evidence.image), evidence.image is not None
    predictions = [evidence.predict(rows, y) for rows in shift.rows]
    curves = {part: np.array([split(p)[part].mean() for p in predictions]) for part in PARTS}
    accuracy = np.array([p.accuracy for p in predictions])

    def draw(theme):
        if turned:
            figure, (top, axes) = new_figure(theme, height=3.5, rows=2, sharex=True,
                                             height_ratios=[1, 2])  # fmt: skip
            top.plot(shift.amounts, 100 * accuracy, color=theme.ink, marker="o", markersize=3,
                     linewidth=1.0)  # fmt: skip
            top.set_ylim(0, 105)
            top.set_ylabel("accuracy, %")
            axes.set_xticks(shift.amounts[::3])
        else:
            figure, axes = new_figure(theme)
        for k, (part, values) in enumerate(curves.items()):
            color, style = theme.series(k)
            axes.plot(shift.amounts, values, linestyle=style, color=color, label=part,
                      linewidth=1.6)  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.set_xlabel(shift.label)
        axes.set_ylabel("uncertainty, nats")
        legend(top if turned else axes, theme, 3, axes)
        figure.align_ylabels()
        return figure

    peak = int(np.argmax(curves["epistemic"]))
    words = "; ".join(f"{part} {v[0]:.2f} to {v[-1]:.2f} nats" for part, v in curves.items())
    hits = f" Accuracy {accuracy[0]:.2f} to {accuracy[-1]:.2f}." if turned else ""
    return Plot(
        "uncertainty-shift",
        "Turned by degrees" if turned else "Moved away by degrees",
        f"Mean over {len(y)} {evidence.part} rows "
        + ("turned, with the accuracy above." if turned else "moved away from the training data."),
        f"Line chart over {shift.label} from {shift.amounts[0]:g} to {shift.amounts[-1]:g}: "
        f"{words}; epistemic largest, {curves['epistemic'][peak]:.2f}, at "
        f"{shift.amounts[peak]:g}.{hits}",
        draw,
    )


def _averages(groups):
    names = list(groups)
    means = {part: [groups[name][part].mean() for name in names] for part in PARTS}

    def draw(theme):
        figure, axes = new_figure(theme)
        places = np.arange(len(names))[::-1]
        axes.barh(places, means["aleatoric"], 0.55, color=theme.blue, label="aleatoric")
        axes.barh(places, means["epistemic"], 0.55, left=means["aleatoric"], color=theme.orange,
                  hatch="///", edgecolor=theme.paper, linewidth=0, label="epistemic")  # fmt: skip
        for place, total in zip(places, means["total"], strict=True):
            axes.text(total, place, f" {total:.2f}", va="center", fontsize=8.5, color=theme.ink)
        axes.set_yticks(places, [name.replace(" ", "\n", 1) for name in names])
        axes.set_xlim(0, 1.17 * max(means["total"]) or 1.0)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("mean total uncertainty, nats")
        legend(axes, theme)
        return figure

    words = "; ".join(
        f"{name}: aleatoric {a:.2f}, epistemic {e:.2f}"
        for name, a, e in zip(names, means["aleatoric"], means["epistemic"], strict=True)
    )
    return Plot(
        "uncertainty-parts",
        "Where the uncertainty comes from",
        "Aleatoric: the draws agree that the row is ambiguous. Epistemic: the draws disagree, more "
        "data would tell. Numbers: their sum.",
        f"Bars of the mean uncertainty in nats. {words}.",
        draw,
    )


def _distribution(groups, part):
    def draw(theme):
        figure, axes = new_figure(theme)
        for k, (name, entropies) in enumerate(groups.items()):
            color, style = theme.series(k)
            values = np.sort(entropies[part])
            share = 100 * np.arange(1, len(values) + 1) / len(values)
            axes.step(values, share, linestyle=style, color=color, where="post", linewidth=1.6,
                      label=name)  # fmt: skip
        axes.set_xlabel(f"{part} uncertainty of a row, nats")
        axes.set_ylabel("rows at or below, %")
        legend(axes, theme)
        return figure

    words = "; ".join(
        f"{name}: median {np.median(entropies[part]):.3f}" for name, entropies in groups.items()
    )
    kind = "the draws' disagreement" if part == "epistemic" else "the entropy of the average"
    return Plot(
        f"uncertainty-{part}",
        f"{part.capitalize()} uncertainty, row by row",
        f"How {part} uncertainty ({kind}) is spread over rows: a curve further right is of less "
        "sure predictions.",
        f"Cumulative distributions of the {part} uncertainty in nats. {words}.",
        draw,
    )
