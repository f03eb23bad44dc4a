"""How figures look: one panel each, readable at a phone's width, in light and in dark.

A figure for the page is an SVG whose colours are the page's CSS variables, so that the same figure
follows light and dark; for a PNG the light colours are put in. Series differ in line style or
marker as well as in colour, and the colours are those of Okabe and Ito (2008), "Color universal
design", lightened where the paper is dark.
"""

import io
import math
import re
from collections.abc import Callable
from typing import NamedTuple

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
PLAIN = {"text.parse_math": False}  # a column may be called $_x$
STYLES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_VARIABLES = {f"#0a0b{place + 16:x}": name for place, name in enumerate(LIGHT)}


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

    def series(self, k):
        """Return (colour, line style) of the k-th series of a chart, of at most six."""
        return getattr(self, SERIES[k]), STYLES[k]


PAGE = Theme(*_VARIABLES)  # placeholders, replaced by CSS variables
PRINT = Theme(**LIGHT)


class Plot(NamedTuple):
    """A figure of the report.

    Attributes
    ----------
    name : str
        Of the PNG file, and of the figure's anchor in the page.
    title : str
        A few words.
    caption : str
        What is to be seen, one or two sentences.
    alt : str
        The figure in words, for those who do not see it.
    draw : function(Theme) returning a matplotlib Figure
    """

    name: str
    title: str
    caption: str
    alt: str
    draw: Callable


def new_figure(theme, width=WIDTH, height=HEIGHT, *, rows=1, columns=1, **options):
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
    for one in figure.axes:
        dress(one, theme)
    return figure, axes


def dress(axes, theme):
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


def logarithmic(axes, low, high):
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


def legend(axes, theme, columns=2, source=None):
    """Add a legend above the axes, where it covers nothing, in the theme's colours.

    source: the axes whose series it names, by default the same.
    """
    handles = (axes if source is None else source).get_legend_handles_labels()
    return axes.legend(*handles, frameon=False, fontsize=8.5, labelcolor=theme.ink, ncols=columns,
                       loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.2,
                       columnspacing=1.4, handlelength=2.2)  # fmt: skip


def to_svg(plot):
    """Return a plot as an SVG element for the page: themed, named, its ids its own."""
    from matplotlib import rc_context

    stream = io.StringIO()
    with rc_context({"svg.hashsalt": plot.name, "svg.fonttype": "path", **PLAIN}):
        plot.draw(PAGE).savefig(stream, format="svg", metadata={"Date": None}, dpi=144)
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = svg.replace("xlink:href", "href")
    used = set(re.findall(r"#([\w.-]+)", svg))  # equal images have equal ids, which nobody names
    svg = re.sub(r' id="([^"]+)"',
                 lambda m: f' id="{plot.name}-{m[1]}"' if m[1] in used else "", svg)  # fmt: skip
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{plot.name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{plot.name}-\1)", svg)
    for placeholder, name in _VARIABLES.items():
        svg = svg.replace(placeholder, f"var(--{name})")
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    head = f'<svg viewBox="{size[0][9:-1]}" role="img" aria-label="{escape(plot.alt)}">'
    return head + svg[svg.index(">") + 1 :].strip()


def save_png(plot, path):
    """Write a plot as a PNG file in light colours, 200 dots an inch."""
    from matplotlib import rc_context

    from ..storage.wholefile import whole_file

    with rc_context(PLAIN):
        figure = plot.draw(PRINT)
        figure.patch.set_alpha(1)
        figure.patch.set_facecolor(PRINT.paper)
        with whole_file(path) as file:
            figure.savefig(file, format="png", dpi=200, metadata={"Description": plot.alt})


def escape(text):
    """Return text with the five characters that HTML reads as markup replaced."""
    from html import escape as replace

    return replace(str(text), quote=True)
