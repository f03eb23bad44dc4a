"""The plots: one look for all benches, one colour for each contender."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from .comparison import medians, timed, title_of
from .planted import split_name
from .statistics import median_interval

COLOURS = {
    "ours_numba": "#c1272d",
    "ours_numpy": "#e8998d",
    "jax_jit": "#1f5fa8",
    "jax_plain": "#8db4e2",
    "torch_manual": "#b35806",
    "torch_eager": "#e08214",
    "torch_compiled": "#5c3306",
    "torch_compiled_plain": "#bf812d",
    "tfp_loop": "#276419",
    "tfp": "#4d9221",
    "tfp_xla": "#a6d96a",
    "bayesian_torch": "#7b3294",
    "blas": "#444444",
    "bound": "#888888",
}
MARKERS = dict(zip(COLOURS, "osD<>^vhPX*d..", strict=True))  # who tells colours apart badly sees
OWN = ("#009e73", "#cc79a7", "#56b4e9", "#f0e442", "#0072b2")  # of a person's own contenders


def names_in(cells, times=True):
    """Return the contenders that have times, in the order of the colours, others last.

    Not the A/A rows. Without `times`, all that were not refused.
    """
    names = {
        cell["contender"]
        for cell in cells
        if (timed(cell) if times else not cell["refusal"])
        and split_name(cell["contender"])[0] != "again"
    }
    return [name for name in COLOURS if name in names] + sorted(names - set(COLOURS))


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
    """Return a contender's colour; one that is not listed has one of its own by its name."""
    return COLOURS.get(name) or OWN[sum(map(ord, name)) % len(OWN)]


def style(name):
    """Return how a contender's line is drawn: ours thick, the bound and BLAS dotted."""
    if name in ("blas", "bound"):
        return {"color": colour(name), "linestyle": ":", "linewidth": 1.5}
    return {"color": colour(name), "linewidth": 2.5 if name == "ours_numba" else 1.4,
            "marker": MARKERS.get(name, "o"), "markersize": 4.5}  # fmt: skip


def mark(name):
    """Return how a contender's dot is drawn."""
    return {"color": colour(name), "linestyle": "none", "marker": MARKERS.get(name, "o"),
            "markersize": 5}  # fmt: skip


def line(axis, name, label, points, scale=1e3):
    """Draw the medians of (x, a time for each process) with their intervals."""
    points = sorted(points, key=lambda point: point[0])
    intervals = [median_interval(samples) for _, samples in points]
    x = [point[0] for point in points]
    y = scale * np.array([interval.median for interval in intervals])
    low = y - scale * np.array([interval.low for interval in intervals])
    high = scale * np.array([interval.high for interval in intervals]) - y
    axis.errorbar(x, y, yerr=[low, high], label=label, capsize=2, **style(name))


def ratios(axis, name, label, compared):
    """Draw the ratios of (x, `Comparison`) with their intervals."""
    points = sorted(compared, key=lambda point: point[0])
    x, y = [point[0] for point in points], np.array([c.ratio for _, c in points])
    error = [y - [c.low for _, c in points], [c.high for _, c in points] - y]
    axis.errorbar(x, y, yerr=error, label=label, capsize=2, **style(name))


def dots(axis, workloads, names, scale=1e3, unit="ms"):
    """Draw the median and its interval of every contender that a workload has, a row for each.

    Rows are in the order of the legend, workloads one below the other, time logarithmic.
    """
    top, ticks = 0, []
    for by_name in workloads.values():
        there = [name for name in names if name in by_name and timed(by_name[name])]
        ticks.append(-top - (len(there) - 1) / 2)
        for row, name in enumerate(there):
            middle, low, high, _ = median_interval(medians(by_name[name]))
            ends = scale * np.array([[middle - low], [high - middle]])
            axis.errorbar(scale * middle, -top - row, xerr=ends, **mark(name))
        top += len(there) + 1
        axis.axhline(1 - top, color="#dddddd", linewidth=0.8)
    for name in names:
        axis.plot([], [], label=title_of(name), **mark(name))
    axis.set_yticks(ticks, list(workloads), fontsize=7)
    axis.set(xscale="log", xlabel=f"median and its interval, {unit}", ylim=(1 - top, 1))
    plain_numbers(axis.xaxis)
    axis.grid(False, axis="y")
    legend(axis, loc="upper left", bbox_to_anchor=(1, 1))


def plain_ticks(axis, values):
    """Put ticks at the values of x alone, written as numbers."""
    axis.set_xticks(values, [str(value) for value in values])
    axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())


def plain_numbers(axis):
    """Write a logarithmic `xaxis` or `yaxis` as numbers, at 1, 2 and 5 of each decade."""

    def words(value, _):
        return f"{value:g}" if f"{value:e}"[0] in "125" else ""

    axis.set_major_formatter(words)
    axis.set_minor_formatter(words)


def legend(axis, **options):
    """Draw a legend where something has a label."""
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=7, frameon=False, **options)


def save(figure, path):
    """Write a figure as PNG."""
    figure.savefig(Path(path), dpi=130)
