"""How figures look: colours, axes, legends; one panel readable at a phone's width.

Series differ in line style or marker as well as in colour, and the colours are those of Okabe and
Ito (2008), "Color universal design", lightened where the paper is dark.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

WIDTH, HEIGHT = 4.0, 2.8  # inches: 288 points, which a phone shows at some 360 pixels
NARROW = 3.5  # inches, of a figure that shares a line of the page with two others
LIGHT = {
    "ink": "#1b1f24",
    "muted": "#59616b",
    "grid": "#d9dde2",
    "paper": "#ffffff",
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#009e73",
    "pink": "#b5568c",
    "yellow": "#b07a00",
    "sky": "#2f8fc6",
}
DARK = {
    "ink": "#e8eaed",
    "muted": "#a4abb5",
    "grid": "#3a4049",
    "paper": "#16191d",
    "blue": "#56b4e9",
    "orange": "#ff8f45",
    "green": "#2fcb9b",
    "pink": "#ee9fcb",
    "yellow": "#f0c24b",
    "sky": "#8fd0f5",
}
SERIES = ("blue", "orange", "green", "pink", "yellow", "sky")
STYLES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))


class Theme(NamedTuple):
    """Colours by name, for one drawing of a figure."""

    ink: str
    muted: str
    grid: str
    paper: str
    blue: str
    orange: str
    green: str
    pink: str
    yellow: str
    sky: str

    def series(self, k: int) -> tuple[str, Any]:
        """Return (colour, line style) of the k-th series of a chart, of at most six."""
        return getattr(self, SERIES[k]), STYLES[k]


PRINT = Theme(**LIGHT)


def new_figure(
    theme: Theme,
    width: float = WIDTH,
    height: float = HEIGHT,
    *,
    rows: int = 1,
    columns: int = 1,
    **options: Any,
) -> tuple[Figure, Any]:
    """Return (figure, axes) in the theme's colours; nothing global is touched.

    Parameters
    ----------
    theme : Theme
    width, height : float
        Inches.
    rows, columns : int
        Of axes; more than one give an array of them.
    **options
        Of `Figure.subplots`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots(rows, columns, **options)
    for panel in figure.axes:
        dress(panel, theme)
    return figure, axes


def dress(axes: Axes, theme: Theme) -> None:
    """Give axes the theme's colours, a light grid and no box."""
    axes.patch.set_alpha(0)
    axes.set_axisbelow(True)
    axes.grid(color=theme.grid, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(theme.muted)
    axes.tick_params(colors=theme.muted, labelcolor=theme.ink, labelsize=8.5, width=0.6)
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(theme.ink)
        label.set_fontsize(9.5)


def logarithmic(axes: Axes, low: float, high: float) -> None:
    """Make the y axis logarithmic, its numbers like 0.5 and 20 and not powers of ten.

    Parameters
    ----------
    axes : matplotlib Axes
    low, high : float, > 0
        The smallest and the largest value shown, which say how many numbers there is room for.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    decades = math.log10(high / low)
    steps = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8) if decades < 0.7 else (1, 2, 5)
    axes.yaxis.set_major_locator(LogLocator(subs=steps if decades < 2.5 else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def legend(axes: Axes, theme: Theme, columns: int = 2, source: Axes | None = None) -> Legend:
    """Add a legend above the axes, where it covers nothing, in the theme's colours.

    source: the axes whose series it names, by default the same.
    """
    handles = (axes if source is None else source).get_legend_handles_labels()
    return axes.legend(*handles, frameon=False, fontsize=8.5, labelcolor=theme.ink, ncols=columns,
                       loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.2,
                       columnspacing=1.4, handlelength=2.2)  # fmt: skip
