"""A figure of the report: one drawing, as an SVG for the page and as a PNG file.

In the page its colours are the page's CSS variables, so that the same figure follows light and
dark; for a PNG the light colours are put in.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from os import PathLike
from typing import Any, NamedTuple

from ..plot.theme import LIGHT, PRINT, Theme

PLAIN = {"text.parse_math": False}  # a column may be called $_x$
_VARIABLES = {f"#0a0b{place + 16:x}": name for place, name in enumerate(LIGHT)}
PAGE = Theme(*_VARIABLES)  # placeholders, replaced by CSS variables


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
    draw: Callable[[Theme], Any]


def to_svg(plot: Plot) -> str:
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


def save_png(plot: Plot, path: str | PathLike[str]) -> None:
    """Write a plot as a PNG file in light colours, 200 dots an inch."""
    from matplotlib import rc_context

    from ..storage.wholefile import whole_file

    with rc_context(PLAIN):
        figure = plot.draw(PRINT)
        figure.patch.set_alpha(1)
        figure.patch.set_facecolor(PRINT.paper)
        with whole_file(path) as file:
            figure.savefig(file, format="png", dpi=200, metadata={"Description": plot.alt})


def escape(text: object) -> str:
    """Return text with the five characters that HTML reads as markup replaced."""
    from html import escape as replace

    return replace(str(text), quote=True)
