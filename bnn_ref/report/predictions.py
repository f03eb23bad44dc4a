"""Predictions one by one, as TensorFlow Probability's example of 2018 drew them.

Every row of a figure is an example: its image, the probabilities of each draw laid over each
other, and their mean. Sure, unsure and wrong ones have a figure each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..plot.theme import NARROW, new_figure
from .figure import Plot

if TYPE_CHECKING:
    from .evidence import Evidence

EXAMPLES = 5
BAR = "#3f8fd0"  # of the draws, which are pixels: one colour for light and dark
MOST_CLASSES, LETTERS = 12, 24  # that there is room for under the bars
LONG, SHORT = 10, 6  # letters of a class's name in a line of text, and under a bar


def plots(evidence: Evidence) -> list[Plot]:
    """Return the figures of the most certain, the least certain and the wrong predictions."""
    p = evidence.prediction
    order = np.argsort(p.total_entropy, kind="stable")
    right = p.classes == evidence.y
    right = right if right.ndim == 1 else right.all(axis=1)
    wrong = [row for row in order if not right[row]]
    groups = [
        ("certain", *_most_certain(evidence, order)),
        ("uncertain", "The least certain", order[::-1][:EXAMPLES]),
        ("wrong", "Wrong, most certain first", wrong[:EXAMPLES]),
    ]
    return [_group(evidence, *group) for group in groups if len(group[2])]


def _most_certain(evidence, order):
    """Return the title and rows of the surest predictions: of each class one where that fits."""
    p = evidence.prediction
    if p.targets.ndim == 2 or evidence.opened.network.outputs > MOST_CLASSES:
        return "The most certain", order[:EXAMPLES]
    _, first = np.unique(p.classes[order], return_index=True)
    return "The most certain of each class", order[first]


def probabilities(evidence: Evidence, x: Any) -> NDArray[Any]:
    """Return each draw's probabilities (S, n, classes); a 0/1 target has the classes 0 and 1."""
    likelihood = evidence.opened.network.likelihood
    p = np.stack([likelihood.probabilities(z)[0] for z in evidence.outputs(x)])
    return np.concatenate([1 - p, p], axis=-1) if p.shape[-1] == 1 else p


def _group(evidence, name, title, rows):
    rows = np.array(rows)
    draws = probabilities(evidence, evidence.x[rows])
    mean = draws.mean(axis=0)
    words = [_said(evidence, row, mean[i]) for i, row in enumerate(rows)]
    lines = [_said(evidence, row, mean[i], LONG) for i, row in enumerate(rows)]
    columns = "the image, " if evidence.image else ""
    return Plot(
        f"predictions-{name}",
        title,
        f"Of the {evidence.part} rows: {columns}the probabilities of {evidence.draws} draws of the "
        "weights over each other, and their mean.",
        f"{title} predictions: " + "; ".join(words) + ".",
        lambda theme: _draw(theme, evidence, rows, draws, lines),
    )


def _said(evidence, row, mean, letters=None):
    """Return one example in words: its label, the prediction, what it is unsure of."""
    p = evidence.prediction
    if p.targets.ndim == 2 and p.targets.shape[1] > 1:
        hits = int(np.sum(p.classes[row] == p.targets[row]))
        return f"row {row}: {hits} of {p.targets.shape[1]} right"
    label, chosen = (
        shortened(evidence.class_name(int(np.ravel(ids[row])[0])), letters, class_names(evidence))
        for ids in (p.targets, p.classes)
    )
    return (
        f"label {label}, predicted {chosen} ({np.max(mean):.3f}), epistemic "
        f"{p.mutual_information[row]:.2f} nats"
    )


def shortened(name: str, letters: int, others: Sequence[str] = ()) -> str:
    """Return a name of at most that many letters, its end kept where others begin like it."""
    if letters is None or len(name) <= letters:
        return name
    head = name[: letters - 1]
    alike = any(other != name and other.startswith(head) for other in others)
    return f"{name[: letters - 3]}.{name[-2:]}" if alike else head + "."


def _draw(theme, evidence, rows, draws, lines):
    with_image = evidence.image is not None
    ratios = [0.75, 1.6, 1.6] if with_image else [1.6, 1.6]
    lines = [line.replace(", epistemic", ",\nepistemic") if len(line) > 56 else line
             for line in lines]  # fmt: skip
    height = 1.3 if any("\n" in line for line in lines) else 1.14
    figure, axes = new_figure(
        theme, NARROW, 0.3 + height * len(rows), rows=len(rows), columns=len(ratios),
        squeeze=False, width_ratios=ratios,
    )  # fmt: skip
    figure.get_layout_engine().set(hspace=0.07, wspace=0.04)
    bar = "class" if evidence.targets.exclusive or draws.shape[2] == 2 else "output"
    every = class_names(evidence)
    names = [shortened(name, SHORT, every) for name in every]
    for i, row in enumerate(rows):
        *picture, left, right = axes[i]
        if with_image:
            _show_image(picture[0], evidence, row, theme)
        mean = draws[:, i].mean(axis=0)
        shown = _shown(mean, names)
        _show_draws(left, draws[:, i][:, shown])
        right.bar(range(len(shown)), mean[shown], 0.8, color=theme.blue)
        for panel in (left, right):
            panel.set_ylim(0, 1.02)
            panel.set_yticks([0, 0.5, 1], ["0", "", "1"])
            panel.set_xlim(-0.6, len(shown) - 0.4)
            panel.set_xticks(range(len(shown)), [names[k] for k in shown])
            panel.tick_params(labelsize=8, length=2, pad=2)
            panel.grid(axis="x", visible=False)
        right.set_yticklabels([])
        left.set_title("\n" * lines[i].count("\n") + " ", fontsize=8.5, pad=6)  # room for a line
        left.annotate(lines[i], (0.01, 1), (0, 6), ("figure fraction", "axes fraction"),
                      "offset points", fontsize=8.5, color=theme.ink, in_layout=False)  # fmt: skip
    axes[-1][-2].set_xlabel(f"{bar}: every draw", fontsize=8.5)
    axes[-1][-1].set_xlabel(f"{bar}: mean", fontsize=8.5)
    if not with_image:
        axes[0, 0].set_ylabel("probability", fontsize=8.5)
    return figure


def class_names(evidence: Evidence) -> list[str]:
    """Return the name of every bar; outputs of several 0/1 targets have their numbers."""
    outputs = evidence.prediction.probabilities.shape[1]
    if outputs == 1:
        return [evidence.class_name(k) for k in (0, 1)]
    of_classes = evidence.targets.exclusive
    return [evidence.class_name(k) if of_classes else str(k) for k in range(outputs)]


def _shown(mean, names):
    """Return which classes have a bar: all, or the most probable ones whose names fit."""
    most = int(np.clip(LETTERS / (max(map(len, names)) + 0.5), 3, MOST_CLASSES))
    return np.sort(np.argsort(-mean, kind="stable")[:most])


def _show_image(axes, evidence, row, theme):
    image = np.asarray(evidence.x[row : row + 1]).reshape(evidence.image)
    axes.imshow(image, cmap="gray", interpolation="nearest")
    axes.set_anchor("NW")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(theme.muted)


def _show_draws(axes, draws):
    """Lay the bars of every draw over each other, as pixels: a page of them stays small."""
    from matplotlib.collections import PolyCollection

    bars = [
        [(k - 0.4, 0), (k - 0.4, value), (k + 0.4, value), (k + 0.4, 0)]
        for draw in draws
        for k, value in enumerate(draw)
        if value > 1e-3
    ]
    alpha = min(0.5, max(0.05, 4 / len(draws)))
    axes.add_collection(
        PolyCollection(bars, facecolors=BAR, alpha=alpha, linewidths=0, rasterized=True)
    )
