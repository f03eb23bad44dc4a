"""An explanation as a page: its text, a picture of every array, and for Flipout a part to move.

The page is one file that asks the network for nothing. The part to move has the library's own
draws in it, so that every number in it is one that the library gives for the same settings.
"""

from __future__ import annotations

import json
from importlib.resources import files
from itertools import groupby
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ..noise import normals, signs
from ..storage.wholefile import whole_file
from .figure import escape
from .page import STYLE, document

if TYPE_CHECKING:
    from ..explain.sheet import Sheet

DRAWS, ROWS, INPUTS = 400, 32, 3
CELLS = 400  # of a picture of an array
KEY = {"step": 2**32 - 2}  # a step that no training takes

LESSON_STYLE = """
#lesson h2 { border: 0; margin-top: .2rem; padding-top: 0; }
#lesson { background: var(--card); border-radius: .5rem; padding: .8rem 1rem; margin: 1rem 0; }
#lesson label { display: block; margin: .5rem 0; }
#lesson input[type=range] { width: min(100%, 20rem); vertical-align: middle; }
#lesson fieldset { border: 0; padding: 0; margin: .5rem 0; }
#lesson fieldset label { display: inline-block; margin-right: 1rem; }
.panels { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }
.panels svg { width: 100%; max-width: 22rem; height: auto; }
.panels text { font-size: 9px; fill: var(--muted); }
.axis { stroke: var(--muted); stroke-width: .7; }
.dot { fill: var(--blue); fill-opacity: .55; }
.curve { fill: none; stroke-width: 1.6; }
.curve.flipout { stroke: var(--blue); } .mark.flipout { fill: var(--blue); }
.curve.shared { stroke: var(--orange); stroke-dasharray: 5 3; }
.mark.shared { fill: var(--orange); }
#lesson button { min-width: 2.2rem; min-height: 2rem; font-size: 1.05rem; cursor: pointer;
  background: var(--paper); color: var(--ink); border: 1px solid var(--muted);
  border-radius: .3rem; }
#lesson :focus-visible { outline: 2px solid var(--orange); }
.cells { display: inline-block; margin: .3rem 1.2rem .6rem 0; vertical-align: top; }
.cells svg { display: block; width: auto; max-width: 100%; border: 1px solid var(--grid); }
.cells text { font-size: 9px; fill: #1b1f24; } .cells text.light { fill: #ffffff; }
"""

PANEL = """
<section id="lesson" aria-label="Move it yourself"><h2>Move it yourself</h2>
<p>A layer of 3 inputs and 1 output, every mean 0, one sigma for all weights, {draws} draws. Rows 0
and 1 of the batch are equal.</p>
<label for="sigma">sigma of every weight: <output id="sigma-said"></output><br>
<input id="sigma" type="range" min="0.05" max="1" step="0.05" value="0.5"></label>
<label for="batch">batch size B: <output id="batch-said"></output><br>
<input id="batch" type="range" min="0" max="4" step="1" value="2"></label>
<fieldset><legend>signs</legend>
<label><input type="radio" name="mode" value="flipout" checked>
every example its own (Flipout)</label>
<label><input type="radio" name="mode" value="shared"> every sign +1 (one shared draw)</label>
</fieldset>
<div class="panels">
<figure><h3>Two equal rows</h3><svg id="scatter" viewBox="0 0 220 220" role="img"></svg>
<figcaption>Output of row 0 (across) and of row 1 (up), a point for each draw. Correlation
<output id="correlation"></output>, deviation of an output <output id="deviation"></output>.
</figcaption></figure>
<figure><h3>Variance of the gradient by kernel_mu</h3>
<svg id="curves" viewBox="0 0 225 212" role="img"></svg>
<figcaption>Blue circles: Flipout; orange squares, dashed: one shared draw. At the batch and signs
chosen: <output id="variance"></output>.</figcaption></figure>
<figure><h3>One draw, three rows</h3>
<label for="draw">draw <output id="draw-said"></output><br>
<input id="draw" type="range" min="0" max="{last}" step="1" value="0"></label>
<div class="scroll"><table><thead><tr><th scope="col">row</th><th scope="col">s 0</th>
<th scope="col">s 1</th><th scope="col">s 2</th><th scope="col">r</th>
<th scope="col" class="number">output</th></tr></thead><tbody id="signs"></tbody></table></div>
<figcaption>Turn a sign: s belongs to the inputs, r to the output. Turn all four of a row, and its
output is what it was.</figcaption></figure>
</div></section>
"""


def lesson(seed: int = 0) -> dict[str, Any]:
    """Return what the part to move is made of: rows, draws and signs, as flat lists.

    Rows 0 and 1 of x are equal. Keys as `lesson.js` names them.

    Parameters
    ----------
    seed : int
        Of the generator, purpose "train", at a step that no training takes.
    """
    x = normals((ROWS, INPUTS), seed, "train", "kernel_mu", **KEY).round(3)
    x[1] = x[0]
    eps = normals((DRAWS, INPUTS), seed, "train", "kernel_eps", **KEY).round(6)
    return {
        "draws": DRAWS,
        "rows": ROWS,
        "inputs": INPUTS,
        "x": x.ravel().tolist(),
        "eps": eps.ravel().tolist(),
        "signs_in": _signs(seed, "sign_input", INPUTS),
        "signs_out": _signs(seed, "sign_output", 1),
    }


def _signs(seed, tensor, columns):
    """Return the signs (DRAWS, ROWS, columns), flat, as whole numbers."""
    return signs(DRAWS * ROWS, columns, seed, "train", tensor, **KEY).astype(int).ravel().tolist()


def write_lesson(
    sheet: Sheet, path: str | PathLike[str], *, moving: bool = False, seed: int = 0
) -> None:
    """Write a sheet as a page to a file, which appears whole or not at all.

    Parameters
    ----------
    sheet : Sheet
    path : str or path
    moving : bool
        Put the part to move into the page.
    seed : int
        Of the draws of that part.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    with whole_file(path) as file:
        file.write(page(sheet, moving=moving, seed=seed).encode(errors="backslashreplace"))


def page(sheet: Sheet, *, moving: bool = False, seed: int = 0) -> str:
    """Return the page of a sheet as text; arguments as for `write_lesson`."""
    pictures = "".join(
        f"<h3>{escape(section)}</h3>"
        + "".join(_picture(name, array) for _, name, array in group if array.size > 1)
        for section, group in groupby(sheet.arrays, key=lambda shown: shown[0])
    )
    panel = PANEL.format(draws=DRAWS, last=DRAWS - 1) if moving else ""
    script = ""
    if moving:
        code = files(__package__).joinpath("lesson.js").read_text("utf-8")
        script = f"<script>const LESSON = {json.dumps(lesson(seed))};\n{code}</script>"
    title = escape(sheet.title)
    body = (
        f"<h1>{title}</h1>{panel}"
        f"<section><h2>Every array as a picture</h2><p>Blue is below 0, red above, white is 0; "
        f"each on a scale of its own.</p>{pictures}</section>"
        f'<section><h2>The whole text</h2><pre tabindex="0">{escape(sheet.text())}</pre></section>'
        f"{script}"
    )
    return document(sheet.title, STYLE + LESSON_STYLE, body)


def _picture(name, array):
    """Return an array as a picture: a cell for each entry, its largest magnitude full colour."""
    array = np.asarray(array, np.float64)
    table = array.reshape(-1, array.shape[-1])
    places = [_changing(table, axis) for axis in (0, 1)]
    rows, columns = map(len, places)
    shown = table[np.ix_(*places)]
    top = np.abs(shown).max() or 1.0
    side = max(6, min(46, 230 // columns))
    cells = "".join(
        f'<rect x="{side * j}" y="{side * i}" width="{side}" height="{side}" '
        f'fill="{_colour(value / top)}"/>' + _written(value, top, side, i, j)
        for (i, j), value in np.ndenumerate(shown)
    )
    part = "" if shown.size == table.size else f", {_which(places)}"
    shape = " x ".join(map(str, array.shape))
    said = f"{name}: from {shown.min():.3g} to {shown.max():.3g}"
    return (
        f'<figure class="cells"><svg viewBox="0 0 {side * columns} {side * rows}" '
        f'width="{side * columns}" role="img" aria-label="{escape(said)}">{cells}</svg>'
        f"<figcaption>{escape(name)} [{shape}{part}]</figcaption></figure>"
    )


def _changing(table, axis):
    """Return which rows (axis 0) or columns (1) have room: the first ones that are not constant.

    An image's borders are, and would be all that is seen of it. Where every one is, the first.
    """
    room, size = int(np.sqrt(CELLS)), table.shape[axis]
    if size <= room:
        return np.arange(size)
    changes = np.flatnonzero(np.ptp(table, axis=1 - axis))
    return changes[:room] if len(changes) else np.arange(room)


def _which(places):
    """Return in words which rows and columns a picture shows."""
    first = [np.array_equal(place, np.arange(len(place))) for place in places]
    if all(first):
        return "the first " + " x ".join(str(len(place)) for place in places)
    return " x ".join(
        f"the first {len(place)} {name}" if whole else
        f"the first {len(place)} {name} that are not constant, {place[0]} to {place[-1]}"
        for name, place, whole in zip(("rows", "columns"), places, first, strict=True)
    )  # fmt: skip


def _written(value, top, side, row, column):
    """Return the number in a cell, where there is room for it."""
    if side < 38:
        return ""
    light = ' class="light"' if abs(value) > 0.6 * top else ""
    at = f'x="{side * (column + 0.5):g}" y="{side * (row + 0.5) + 3:g}" text-anchor="middle"'
    return f"<text {at}{light}>{value:.3g}</text>"


def _colour(value):
    """Return the colour of a number from -1 to 1: blue to white to red, told apart by anybody."""
    low, high = (33, 102, 172), (178, 24, 43)
    end = high if value > 0 else low
    mixed = (round(247 + (c - 247) * min(abs(value), 1.0)) for c in end)
    return "#" + "".join(f"{c:02x}" for c in mixed)
