"""A sweep's plot: the score by the setting that varies most, a line for each of the others."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import expected, missing
from ..sweep import cell_text

if TYPE_CHECKING:
    from ..sweep.cells import Outcome

REPEATS = ("seed", "split")  # averaged over, and what the error bars are of


def varying(outcomes: Sequence[Outcome]) -> dict[str, list[Any]]:
    """Return name to its values, in the order they come, of the settings that differ."""
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.cell))
    values = {
        name: list(dict.fromkeys(str(cell_text(outcome.cell.get(name))) for outcome in outcomes))
        for name in names
    }
    return {name: several for name, several in values.items() if len(several) > 1}


def default_metric(outcomes: Sequence[Outcome]) -> str:
    """Return "heldout_nats" or the first result there is.

    Raises
    ------
    ValueError
        Where no cell has a result.
    """
    results = [outcome.result for outcome in outcomes if outcome.result]
    if not results:
        raise expected("plot", "at least one finished cell", "none")
    known = ("heldout_nats", "test_nats", "heldout_accuracy", "test_accuracy")
    return next((name for name in known if name in results[0]), next(iter(results[0])))


def plot_sweep(
    outcomes: Sequence[Outcome], path: str | PathLike[str], metric: str | None = None
) -> None:
    """Draw mean and standard error of a score over seeds and splits and save it.

    Parameters
    ----------
    outcomes : list of `bnn_ref.sweep.Outcome`
    path : str or path
        Its ending says the format.
    metric : str, optional
        A name of the results.

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        Where no cell has that result.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise missing("plot", "matplotlib", "plot") from None
    metric = default_metric(outcomes) if metric is None else metric
    shown = [o for o in outcomes if o.result and o.result.get(metric) is not None]
    if not shown:
        names = ", ".join(next((o.result for o in outcomes if o.result), {}))
        raise expected("metric", f"one of {names}", repr(metric))
    settings = [name for name in varying(shown) if name not in REPEATS]
    settings.sort(key=lambda name: -len(varying(shown)[name]))
    on_axis, others = settings[:1], settings[1:]

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    places = varying(shown)[on_axis[0]] if on_axis else [""]
    lines = {}
    for outcome in shown:
        label = ", ".join(f"{name}={cell_text(outcome.cell.get(name))}" for name in others)
        place = str(cell_text(outcome.cell.get(on_axis[0]))) if on_axis else ""
        lines.setdefault(label, {}).setdefault(place, []).append(outcome.result[metric])
    for k, (label, line) in enumerate(lines.items()):
        x = np.array([i for i, place in enumerate(places) if place in line])
        groups = [np.array(line[place]) for place in places if place in line]
        mean = [np.mean(group) for group in groups]
        error = [standard_error(group) for group in groups]
        offset = (k - (len(lines) - 1) / 2) * 0.04
        axes.errorbar(x + offset, mean, error, fmt="o-", capsize=3, label=label or None)
        for i, group in zip(x, groups, strict=True):
            axes.plot(np.full(len(group), i + offset), group, ".", color=f"C{k}", alpha=0.35)
    axes.set_xticks(range(len(places)), places)
    axes.set_xlabel(on_axis[0] if on_axis else "every cell")
    axes.set_ylabel(metric)
    axes.set_title("mean and standard error over seeds and splits", fontsize="medium")
    axes.grid(alpha=0.3)
    if others:
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=150)


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean: s / sqrt(n), s divided by n - 1; 0 for one value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
