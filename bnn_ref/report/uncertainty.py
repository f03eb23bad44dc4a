"""Uncertainty of classes: total, aleatoric, epistemic; on held-out rows and on strange ones."""

import numpy as np

from .shifts import ROWS, gradual, strangers
from .theme import Plot, legend, new_figure

PARTS = ("total", "aleatoric", "epistemic")


def split(prediction):
    """Return the entropies of each row in nats by the names in `PARTS`."""
    return {
        "total": prediction.total_entropy,
        "aleatoric": prediction.expected_entropy,
        "epistemic": np.maximum(prediction.mutual_information, 0),
    }


def plots(evidence):
    """Return the figures on uncertainty for class probabilities."""
    x, y = np.asarray(evidence.x[:ROWS]), evidence.y[:ROWS]
    groups = {f"{evidence.part} rows": split(evidence.predict(x, draws=evidence.draws))}
    for name, rows in strangers(x, evidence.image, evidence.seed).items():
        groups[name] = split(evidence.predict(rows, draws=evidence.draws))
    return [
        _gradual(evidence, x, y),
        _averages(groups),
        _distribution(groups, "epistemic"),
        _distribution(groups, "total"),
    ]


def _gradual(evidence, x, y):
    shift = gradual(x, evidence.image)
    found = [evidence.predict(rows, y) for rows in shift.rows]
    curves = {part: [split(p)[part].mean() for p in found] for part in PARTS}
    accuracy = [p.accuracy for p in found]

    def draw(theme):
        figure, axes = new_figure(theme)
        for k, (part, values) in enumerate(curves.items()):
            color, style = theme.series(k)
            axes.plot(shift.amounts, values, style, color=color, label=part, linewidth=1.6)
        axes.plot(shift.amounts, accuracy, color=theme.ink, marker="o", markersize=3,
                  linewidth=0.8, label="accuracy (1 = all)")  # fmt: skip
        if evidence.image is not None:
            axes.set_xticks(shift.amounts[::3])
        axes.set_ylim(bottom=0)
        axes.set_xlabel(shift.label)
        axes.set_ylabel("mean uncertainty, nats")
        legend(axes, theme)
        return figure

    last = {part: values[-1] for part, values in curves.items()}
    peak = int(np.argmax(curves["epistemic"]))
    what = "turned" if evidence.image is not None else "moved away from the training data"
    return Plot(
        "uncertainty-shift",
        f"{evidence.part.capitalize()} rows {what} by degrees: the mean uncertainty and its two "
        "parts, beside the accuracy.",
        f"Line chart over {shift.label} from {shift.amounts[0]} to {shift.amounts[-1]}: accuracy "
        f"from {accuracy[0]:.2f} to {accuracy[-1]:.2f}; total uncertainty from "
        f"{curves['total'][0]:.2f} to {last['total']:.2f} nats; epistemic from "
        f"{curves['epistemic'][0]:.2f}, largest {curves['epistemic'][peak]:.2f} at "
        f"{shift.amounts[peak]}.",
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
        axes.set_xlim(0, 1.15 * max(means["total"]))
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
        "Where the uncertainty comes from. Aleatoric: the draws agree that the row is ambiguous. "
        "Epistemic: the draws disagree, more data would tell.",
        f"Bars of the mean uncertainty in nats. {words}.",
        draw,
    )


def _distribution(groups, part):
    def draw(theme):
        figure, axes = new_figure(theme)
        for k, (name, entropies) in enumerate(groups.items()):
            color, style = theme.series(k)
            values = np.sort(entropies[part])
            axes.step(values, np.linspace(0, 100, len(values)), linestyle=style, color=color,
                      where="post", linewidth=1.6, label=name)  # fmt: skip
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
        f"How {part} uncertainty ({kind}) is spread over rows: a curve further right is of less "
        "sure predictions.",
        f"Cumulative distributions of the {part} uncertainty in nats. {words}.",
        draw,
    )
