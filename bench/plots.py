"""The plots: one look for all benches, one colour for each contender."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from .comparison import title_of
from .statistics import median_interval

COLOURS = {
    "ours_numba": "#c1272d",
    "ours_numpy": "#e8998d",
    "jax_jit": "#1f5fa8",
    "torch_eager": "#e08214",
    "torch_compiled": "#8c510a",
    "tfp": "#4d9221",
    "tfp_xla": "#a6d96a",
    "bayesian_torch": "#7b3294",
    "floor": "#444444",
}
MARKERS = dict(zip(COLOURS, "osD^vPX*.", strict=True))  # who tells colours apart badly sees these


def names_in(cells):
    """Return the contenders that have samples, in the order of the colours, planted ones last."""
    found = {cell["contender"] for cell in cells if cell["samples"]}
    return [name for name in COLOURS if name in found] + sorted(found - set(COLOURS))


def panels(rows, columns, title, width=6.2, height=4.2):
    """Return a figure and its axes, flat."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    figure.suptitle(title)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis in axes:
        axis.grid(True, which="major", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def colour(name):
    """Return a contender's colour."""
    return COLOURS.get(name, "#888888")


def style(name):
    """Return how a contender's line is drawn: ours thick, the floor dotted."""
    if name == "floor":
        return {"color": colour(name), "linestyle": ":", "linewidth": 1.5}
    return {"color": colour(name), "linewidth": 2.5 if name == "ours_numba" else 1.4,
            "marker": MARKERS.get(name, "o"), "markersize": 4.5}  # fmt: skip


def line(axis, name, label, points, scale=1e3):
    """Draw medians of (x, samples) with their intervals."""
    points = sorted(points, key=lambda point: point[0])
    found = [median_interval(samples) for _, samples in points]
    x = [point[0] for point in points]
    y = scale * np.array([one.median for one in found])
    low = y - scale * np.array([one.low for one in found])
    high = scale * np.array([one.high for one in found]) - y
    axis.errorbar(x, y, yerr=[low, high], label=label, capsize=2, **style(name))


def bars(axis, workloads, names, scale=1e3, unit="ms"):
    """Draw a group of horizontal bars for each workload, logarithmic, with a legend."""
    height = 0.8 / max(1, len(names))
    labels = list(workloads)
    for place, name in enumerate(names):
        for row, workload in enumerate(labels):
            samples = workloads[workload].get(name, {"samples": []})["samples"]
            if samples:
                at = row + 0.4 - height * (place + 0.5)
                axis.barh(-at, scale * median_interval(samples).median, height, color=colour(name))
    for name in names:
        axis.barh(0, 0, color=colour(name), label=title_of(name) if name != "floor" else "floor")
    axis.set_yticks([-row for row in range(len(labels))], labels, fontsize=7)
    axis.set(xscale="log", xlabel=f"median, {unit}")
    axis.grid(False, axis="y")
    if names:
        axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def plain_ticks(axis, values):
    """Put ticks at the values of x alone, written as numbers."""
    axis.set_xticks(values, [str(value) for value in values])
    axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())


def save(figure, path):
    """Write a figure as PNG."""
    figure.savefig(Path(path), dpi=130)
