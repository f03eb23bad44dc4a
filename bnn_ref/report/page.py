"""The page: one file that asks the network for nothing and follows light, dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..plot.theme import DARK, LIGHT
from .figure import escape, to_svg

if TYPE_CHECKING:
    from .figure import Plot


class Section(NamedTuple):
    """A part of the page.

    Attributes
    ----------
    anchor, title, text : str
        The text is plain and becomes a paragraph.
    plots : list of Plot
    html : str
        Put between the paragraph and the plots as it is.
    columns : 2 or 3
        Of figures, where the page is wide.
    """

    anchor: str
    title: str
    text: str
    plots: list[Plot]
    html: str = ""
    columns: int = 2


def _variables(colors):
    return "".join(f"--{name}:{value};" for name, value in colors.items())


STYLE = f"""
:root {{ color-scheme: light dark; {_variables(LIGHT)} --card:#f5f6f8; }}
@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} --card:#1f2329; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 1.2rem clamp(.8rem, 3vw, 2rem) 3rem; max-width: 68rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: .2rem 0 .4rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.25rem; margin: 2.4rem 0 .4rem; border-top: 1px solid var(--grid);
  padding-top: 1.1rem; }}
p {{ max-width: 46rem; margin: .4rem 0 .9rem; }}
nav a {{ color: var(--blue); margin-right: 1rem; display: inline-block; padding: .2rem 0; }}
a:focus-visible, pre:focus-visible, .scroll:focus-visible {{ outline: 2px solid var(--orange); }}
.tiles {{ display: grid; gap: .7rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }}
.tile {{ background: var(--card); border-radius: .5rem; padding: .6rem .8rem; }}
.tile b {{ display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }}
.tile span {{ display: block; color: var(--muted); font-size: .85rem; line-height: 1.35; }}
.figures {{ display: grid; gap: 1.8rem 1.8rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); }}
.three {{ grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); }}
figure {{ margin: 0; break-inside: avoid; }}
figure svg {{ width: 100%; height: auto; display: block; }}
h3 {{ font-size: 1rem; margin: 0 0 .35rem; }}
summary {{ cursor: pointer; padding: .4rem 0; }}
figcaption {{ color: var(--muted); font-size: .9rem; margin-top: .35rem; }}
pre {{ background: var(--card); border-radius: .5rem; padding: .8rem 1rem; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .88rem; }}
.whole {{ display: inline-block; max-width: 100%; }}
.scroll {{ overflow-x: auto; }}
.tables {{ display: flex; flex-wrap: wrap; gap: .6rem 2.5rem; }}
.tables > * {{ max-width: 100%; }}
table {{ border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }}
caption {{ text-align: left; color: var(--muted); padding: .3rem 0; }}
th, td {{ text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--grid);
  vertical-align: bottom; }}
td {{ overflow-wrap: anywhere; min-width: 3.2em; }}
th.number, td.number {{ text-align: right; }}
td.number {{ white-space: nowrap; }}
th:last-child, td:last-child {{ padding-right: 0; }}
@media (max-width: 30rem) {{ table {{ font-size: .75rem; }}
  th, td {{ padding-right: .4rem; }} td {{ min-width: 0; }} }}
footer {{ margin-top: 2.5rem; color: var(--muted); font-size: .85rem; }}
"""


def table(
    caption: str,
    header: Sequence[object],
    rows: Iterable[Sequence[object]],
    numbers: Collection[int] = (),
) -> str:
    """Return a table as HTML that scrolls sideways where the page is too narrow for it.

    numbers: the places of the columns that are numbers, which end at the right.
    """

    def line(tag, cells, scope=""):
        kinds = (' class="number"' if k in numbers else "" for k in range(len(cells)))
        return "".join(
            f"<{tag}{scope}{kind}>{escape(cell)}</{tag}>"
            for kind, cell in zip(kinds, cells, strict=True)
        )

    head = line("th", header, ' scope="col"')
    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def beside(*html: str) -> str:
    """Return pieces of HTML side by side, where there is room."""
    return f'<div class="tables">{"".join(html)}</div>'


def tiles(triples: Iterable[tuple[str, str, str]]) -> str:
    """Return (value, what it is, a note or "") triples as HTML."""
    cells = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(what)}</span>'
        + (f"<span>{escape(note)}</span></div>" if note else "</div>")
        for value, what, note in triples
    )
    return f'<div class="tiles">{cells}</div>'


def paragraphs(sentences: Iterable[str]) -> str:
    """Return sentences as HTML, a paragraph each."""
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def counted(count: int, thing: str) -> str:
    """Return "1 step" or "6,000 steps"."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def command(text: str) -> str:
    """Return a command as HTML whose lines break between options."""
    first, *options = text.split(" --")
    spans = "".join(f' <span class="whole">--{escape(option)}</span>' for option in options)
    return f'<pre tabindex="0"><code>{escape(first)}{spans}</code></pre>'


def folded(summary: str, html: str) -> str:
    """Return HTML that is shown when its summary is opened."""
    return f"<details><summary>{escape(summary)}</summary>{html}</details>"


def _figure(plot):
    return (
        f'<figure id="{plot.name}"><h3>{escape(plot.title)}</h3>{to_svg(plot)}'
        f"<figcaption>{escape(plot.caption)}</figcaption></figure>"
    )


def _section(section):
    figures = "".join(_figure(plot) for plot in section.plots)
    kind = "figures three" if section.columns == 3 else "figures"
    figures = f'<div class="{kind}">{figures}</div>' if figures else ""
    return (
        f'<section id="{section.anchor}"><h2>{escape(section.title)}</h2>'
        f"<p>{escape(section.text)}</p>{section.html}{figures}</section>"
    )


def document(title: str, style: str, body: str) -> str:
    """Return a whole HTML document of a plain title, a style sheet and a body."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )


def render(title: str, lead: str, head: str, sections: Sequence[Section], footer: str) -> str:
    """Return the whole page as text.

    Parameters
    ----------
    title, lead, footer : str
        Plain text.
    head : str
        HTML under the lead.
    sections : list of Section
    """
    links = "".join(f'<a href="#{s.anchor}">{escape(s.title)}</a>' for s in sections)
    body = "".join(_section(section) for section in sections)
    return document(
        title,
        STYLE,
        f"<header><h1>{escape(title)}</h1><p>{escape(lead)}</p>"
        f'<nav aria-label="Sections">{links}</nav>{head}</header>'
        f"<main>{body}</main><footer><p>{escape(footer)}</p></footer>",
    )
