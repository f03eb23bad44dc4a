"""Regression over one input: the predictive band, and functions drawn from the posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import expected
from .axes import new_axes
from .model import Model, model_of
from .theme import PRINT, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLACES = 300  # of a curve
BEYOND = 0.25  # how far a curve goes past the data, in the data's own range


def _grid(model: Model, x: npt.ArrayLike, beyond: float) -> npt.NDArray[np.float64]:
    """Return places (PLACES, 1) over the range of x and that share beyond it."""
    column = np.asarray(x, np.float64)
    column = column.reshape(len(column), -1)
    if column.shape[1] != 1 or model.network.outputs < 1:
        raise expected("x", "one input to draw a curve over", f"{column.shape[1]} inputs")
    if model.network.likelihood.metric != "rmse":
        raise expected("model", "one that predicts numbers", f"{model.network.likelihood!r}")
    low, high = column.min(), column.max()
    reach = beyond * (high - low)
    return np.linspace(low - reach, high + reach, PLACES)[:, None]


def _points(axes: Any, x: npt.ArrayLike, y: npt.ArrayLike | None) -> None:
    """Draw the data, where there is any."""
    if y is not None:
        axes.plot(np.ravel(x), np.asarray(y).reshape(len(np.asarray(y)), -1)[:, 0], ".",
                  color=PRINT.orange, markersize=4, label="data", zorder=3)  # fmt: skip


def band(
    model: Any,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    draws: int = 200,
    beyond: float = BEYOND,
    ax: Axes | None = None,
) -> Axes:
    """Return axes with the predictive mean and two bands: epistemic alone, and with the noise.

    Bands are 2 standard deviations of the first output to each side. The inner one is the
    deviation of the draws' means (epistemic); the outer one is the predictive mixture's, with
    variance aleatoric + epistemic. Where targets are given, the legend says which share of them
    the outer band holds.

    Parameters
    ----------
    model : estimator, pipeline, `Fit`, `Trainer` or (network, parameters)
    x : array (N,) or (N, 1)
        The data's inputs, which give the range.
    y : array (N,) or (N, O), optional
        Targets, drawn as points.
    draws : int
    beyond : float
        How far the curve goes past the data, in the data's own range.
    ax : matplotlib Axes, optional
        Where to draw; new ones unless given.

    Raises
    ------
    ValueError
        For more than one input, or a model of classes.
    """
    model = model_of(model)
    grid = _grid(model, x, beyond)
    axes = new_axes(ax)

    def curves(rows: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], ...]:
        prediction = model.predict(rows, draws=draws)
        spreads = (np.sqrt(v) * model.scale for v in (prediction.variance, prediction.epistemic))
        return tuple(a[:, 0] for a in (prediction.mean * model.scale + model.loc, *spreads))

    mean, total, epistemic = curves(grid)
    label = "±2 deviations with noise"
    if y is not None:
        at_mean, at_total, _ = curves(np.asarray(x, np.float64).reshape(-1, 1))
        first = np.asarray(y).reshape(len(at_mean), -1)[:, 0]
        label += f" (holds {np.mean(np.abs(first - at_mean) <= 2 * at_total):.0%} of the data)"
    place = grid[:, 0]
    axes.fill_between(place, mean - 2 * total, mean + 2 * total, color=PRINT.blue, alpha=0.2,
                      linewidth=0, label=label)  # fmt: skip
    axes.fill_between(place, mean - 2 * epistemic, mean + 2 * epistemic, color=PRINT.blue,
                      alpha=0.5, linewidth=0, label="±2 deviations, epistemic")  # fmt: skip
    axes.plot(place, mean, color=PRINT.ink, linewidth=1.3, label="mean")
    _points(axes, x, y)
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    legend(axes, PRINT, 2)
    return axes


def functions(
    model: Any,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    draws: int = 20,
    beyond: float = BEYOND,
    ax: Axes | None = None,
) -> Axes:
    """Return axes with functions drawn from the posterior: each line is one draw of all weights.

    Parameters
    ----------
    model, x, y, beyond, ax
        As for `band`.
    draws : int
        How many lines.
    """
    model = model_of(model)
    grid = _grid(model, x, beyond)
    axes = new_axes(ax)
    lines = model.outputs(grid, draws)[:, :, 0]  # (draws, PLACES)
    for k, line in enumerate(lines):
        axes.plot(grid[:, 0], line, color=PRINT.blue, alpha=0.45, linewidth=0.9,
                  label=None if k else f"{draws} networks drawn from the posterior")  # fmt: skip
    _points(axes, x, y)
    axes.set_xlabel("x")
    axes.set_ylabel("y, without its noise")
    legend(axes, PRINT, 1)
    return axes
