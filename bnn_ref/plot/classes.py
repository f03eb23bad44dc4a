"""Classes: the boundary over a plane, and whether probabilities are what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import expected
from ..prediction import (
    calibration_bins,
    calibration_error,
    chance_calibration_error,
    wilson_interval,
)
from .axes import new_axes, new_figure
from .model import Model, model_of
from .theme import PRINT, Theme, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 90  # places of a map along each axis
MARKERS = ("o", "^", "s", "D", "v", "P")


def boundary(
    model: Any,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    draws: int = 100,
    beyond: float = 0.5,
) -> Figure:
    """Return a figure of two maps over two inputs: probability, and mutual information.

    Left the probability of the most probable class (for two classes, of the second), right the
    mutual information in nats: how much the draws disagree. Both over the data's range and a
    share beyond it.

    Parameters
    ----------
    model : estimator, pipeline, `Fit`, `Trainer` or (network, parameters)
    x : array (N, 2)
    y : array (N,), optional
        Class ids or labels, drawn as points.
    draws : int
    beyond : float
        How far the map goes past the data, in the data's own range.

    Raises
    ------
    ValueError
        For another number of inputs, or a model of numbers.
    """
    model, x = _of_classes(model), np.asarray(x, np.float64)
    if x.ndim != 2 or x.shape[1] != 2:
        raise expected("x", "two inputs to draw a map over", f"shape {x.shape}")
    low, high = x.min(axis=0), x.max(axis=0)
    reach = beyond * (high - low)
    ends = zip(low - reach, high + reach, strict=True)
    columns, rows = (np.linspace(first, last, SIDE) for first, last in ends)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)  # (SIDE^2, 2)
    prediction = model.predict(grid, draws=draws)
    p = prediction.probabilities
    pair = p.shape[1] == 2
    first = p[:, -1] if pair or p.shape[1] == 1 else p.max(axis=1)
    figure, axes = new_figure(2, 4.2, [3.4])
    maps = (
        ("probability of the second class" if pair else "probability of the likeliest class",
         first, "RdYlBu_r" if pair else "viridis", 1.0),
        ("mutual information, nats", prediction.mutual_information, "cividis", None),
    )  # fmt: skip
    for panel, (label, values, colours, top) in zip(axes[0], maps, strict=True):
        shown = panel.pcolormesh(columns, rows, values.reshape(SIDE, SIDE), cmap=colours, vmin=0,
                               vmax=top, shading="nearest", rasterized=True)  # fmt: skip
        figure.colorbar(shown, ax=panel, label=label)
        panel.grid(visible=False)
        panel.set_xlabel("first input")
        panel.set_ylabel("second input")
        if y is not None:
            _classes(panel, x, np.asarray(y))
    return figure


def _classes(axes: Any, x: npt.NDArray[np.float64], y: npt.NDArray[Any]) -> None:
    """Draw each class's points with a marker of its own."""
    for k, label in enumerate(np.unique(y)):
        mine = x[y == label]
        fill, edge = (PRINT.paper, PRINT.ink) if k % 2 else (PRINT.ink, PRINT.paper)
        axes.plot(mine[:, 0], mine[:, 1], MARKERS[k % len(MARKERS)], markersize=3.6,
                  markerfacecolor=fill, markeredgecolor=edge, markeredgewidth=0.6,
                  linestyle="none", label=f"class {label}")  # fmt: skip
    legend(axes, PRINT, 2)


def _of_classes(thing: Any) -> Model:
    model = model_of(thing)
    if model.network.likelihood.metric != "accuracy":
        raise expected("model", "one that predicts classes", f"{model.network.likelihood!r}")
    return model


def reliability_bins(
    axes: Axes,
    theme: Theme,
    count: npt.NDArray[np.int64],
    mean: npt.NDArray[np.float64],
    accuracy: npt.NDArray[np.float64],
) -> None:
    """Draw the filled bins with their 95 % intervals, a count beside each, and the diagonal.

    Parameters
    ----------
    axes : matplotlib Axes
    theme : Theme
    count, mean, accuracy : arrays (bins,)
        As `calibration_bins` returns them.
    """
    count, mean, accuracy = (values[count > 0] for values in (count, mean, accuracy))
    low, high = wilson_interval(accuracy, count)
    bars = np.maximum([accuracy - low, high - accuracy], 0)
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=1.0, label="perfectly calibrated")
    axes.errorbar(mean, accuracy, bars, fmt="o", color=theme.blue, markersize=5,
                  capsize=2, linewidth=1.2, label="bins, 95 % intervals")  # fmt: skip
    for c, m, a in zip(count, mean, accuracy, strict=True):
        axes.annotate(f"{c:,}", (m, a), (6, -3), fontsize=7.5, textcoords="offset points",
                      color=theme.muted)  # fmt: skip
    axes.set_xlim(right=1.12)  # room for the last bin's count
    axes.set_xlabel("mean predicted probability in the bin")
    axes.set_ylabel("share of right predictions")


def reliability(
    model: Any,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    draws: int = 100,
    bins: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Return axes with a reliability diagram: is a prediction of 0.8 right in 8 cases of 10?

    Points are bins of equal width, with their counts and 95 % intervals (Wilson). The lower corner
    gives the expected calibration error beside the one that chance alone gives a perfectly
    calibrated model at these confidences: a mean over simulated answers, each right with the
    probability that it says.

    Parameters
    ----------
    model : estimator, pipeline, `Fit`, `Trainer` or (network, parameters)
    x : array (N, I)
        Held-out rows.
    y : array (N,)
        Class ids, or the labels of an estimator's classes.
    draws, bins : int
    ax : matplotlib Axes, optional

    Raises
    ------
    ValueError
        For a model of numbers, or targets that the likelihood refuses.
    """
    model, y = _of_classes(model), np.asarray(y)
    if model.classes is not None:
        y = np.searchsorted(model.classes, y)
    p = model.predict(x, y, draws)
    confidence, right = p.confidence.ravel(), (p.classes == p.targets).ravel()
    count, mean, accuracy = calibration_bins(confidence, right, bins)
    axes = new_axes(ax)
    reliability_bins(axes, PRINT, count, mean, accuracy)
    error = calibration_error(confidence, right, bins)
    chance = chance_calibration_error(confidence, bins)
    axes.text(0.98, 0.03, f"calibration error {error:.4f}, by chance alone {chance:.4f}",
              transform=axes.transAxes, ha="right",
              fontsize=8, color=PRINT.ink)  # fmt: skip
    legend(axes, PRINT, 2)
    return axes
