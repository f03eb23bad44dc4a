"""Classes: which are taken for which, and how many mistakes go with the least sure rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..plot.theme import legend, new_figure
from .figure import Plot
from .predictions import LONG, class_names, shortened

if TYPE_CHECKING:
    from .evidence import Evidence

MOST_NAMES = 20  # of a matrix whose cells can be read


def plots(evidence: Evidence) -> list[Plot]:
    """Return the confusion matrix and the risk of the rows that are kept."""
    if not evidence.targets.exclusive:
        return []
    classes = evidence.opened.network.outputs
    matrix = [_confusion(evidence)] if classes <= MOST_NAMES else []
    return [*matrix, _risk(evidence)]


def confusion(targets: NDArray[Any], classes: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Return how many rows of each class (first axis) were called each class, (count, count).

    Parameters
    ----------
    targets, classes : int arrays (N,)
    count : int
    """
    return np.bincount(targets * count + classes, minlength=count * count).reshape(count, count)


def risk_by_coverage(
    certainty: NDArray[Any], right: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return (coverage, risk): the share of wrong answers among the surest k of N rows.

    Parameters
    ----------
    certainty : array (N,)
        Larger is surer.
    right : bool array (N,)

    Returns
    -------
    coverage, risk : arrays (N,)
    """
    order = np.argsort(-certainty, kind="stable")
    kept = np.arange(1, len(order) + 1)
    return kept / len(order), np.cumsum(~right[order]) / kept


def _confusion(evidence):
    p = evidence.prediction
    count = evidence.opened.network.outputs
    matrix = confusion(p.targets, p.classes, count)
    every = class_names(evidence)
    names = [shortened(name, LONG, every) for name in every]
    off = matrix - np.diag(np.diag(matrix))
    worst = np.unravel_index(off.argmax(), off.shape)

    def draw(theme):
        figure, axes = new_figure(theme, height=3.4)
        axes.imshow(np.where(np.eye(count) == 1, 0, matrix), cmap="Oranges", vmin=0,
                    vmax=max(off.max(), 1))  # fmt: skip
        size = 8 if count <= 12 else 6
        for row, column in np.ndindex(count, count):
            if matrix[row, column]:
                dark = row == column or matrix[row, column] < 0.6 * off.max()
                axes.text(column, row, f"{matrix[row, column]:,}", ha="center", va="center",
                          fontsize=size, fontweight="bold" if row == column else "normal",
                          color="#1b1f24" if dark else "#ffffff")  # fmt: skip
        axes.set_xticks(range(count), names, rotation=90 if max(map(len, names)) > 3 else 0)
        axes.set_yticks(range(count), names)
        axes.grid(visible=False)
        axes.set_xlabel("called")
        axes.set_ylabel("class")
        return figure

    most = (
        f"Most often, {off.max():,} times, {every[worst[0]]} is called {every[worst[1]]}."
        if off.max()
        else "No row is called another class."
    )
    return Plot(
        "mistakes-confusion",
        "What is taken for what",
        f"Rows of each class by what they were called; the mistakes are shaded. {most}",
        f"Confusion matrix of {matrix.sum():,} {evidence.part} rows, {np.trace(matrix):,} on the "
        f"diagonal. {most}",
        draw,
    )


def _risk(evidence):
    p = evidence.prediction
    right = p.classes == p.targets
    coverage, risk = risk_by_coverage(-p.total_entropy, right)
    tenth = risk[max(round(0.9 * len(risk)), 1) - 1]

    def draw(theme):
        figure, axes = new_figure(theme)
        axes.plot(100 * coverage, 100 * risk, color=theme.blue, linewidth=1.6,
                  label="surest rows first")  # fmt: skip
        axes.axhline(100 * risk[-1], color=theme.muted, linewidth=1.0, linestyle="--",
                     label="rows at random")  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.set_xlabel("rows answered, %")
        axes.set_ylabel("of these wrong, %")
        legend(axes, theme)
        return figure

    said = (
        f"Answering the surest nine tenths alone leaves {100 * tenth:.1f} % wrong, of all rows it "
        f"is {100 * risk[-1]:.1f} %."
    )
    return Plot(
        "mistakes-risk",
        "Answering only when sure",
        f"{said} A curve that falls to the left means that the uncertainty knows the mistakes.",
        f"Line chart of the share of wrong answers against the share of rows answered. {said}",
        draw,
    )
