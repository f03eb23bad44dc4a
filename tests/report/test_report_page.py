"""The page: nothing from elsewhere, alternative text, its own ids, colours that can be told apart.

The colour-blind eye is that of Machado, Oliveira and Fernandes (2009), "A physiologically-based
model for simulation of color vision deficiency", severity 1.
"""

import itertools
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from bnn_ref.plot.theme import DARK, LIGHT, SERIES
from bnn_ref.report import save_plots, write_page
from bnn_ref.report.page import command, counted, table

VOID = {"meta", "link", "img", "br", "hr", "input"}
EYES = {
    "usual": np.eye(3),
    "protanope": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                  [-0.003882, -0.048116, 1.051998]],
    "deuteranope": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                    [-0.011820, 0.042940, 0.968881]],
}  # fmt: skip


class Parsed(HTMLParser):
    """Every tag's attributes; fails where tags are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module", params=["digits", "line"])
def text(pages, request):
    return next(page for page in pages if page.stem == request.param).read_text("utf-8")


@pytest.fixture(scope="module")
def parsed(text):
    return Parsed(text)


def test_nothing_comes_from_elsewhere(text, parsed):
    for tag, attributes in parsed.tags:
        assert tag not in ("script", "iframe", "object", "embed", "base", "form"), tag
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
                assert value.startswith(("#", "data:")), (tag, name, value[:60])
    assert set(re.findall(r"url\(['\"]?(.)", text)) <= {"#"}
    assert "@import" not in text
    assert not re.search(r"https?:", text)


def test_every_picture_is_told_in_words(parsed, digits_report):
    svgs = [attributes for tag, attributes in parsed.tags if tag == "svg"]
    assert len(svgs) >= 15
    for attributes in svgs:
        assert attributes["role"] == "img"
        assert len(attributes["aria-label"]) > 40
    for tag, attributes in parsed.tags:
        assert tag != "img" or attributes.get("alt"), attributes
    assert sum(tag == "h3" for tag, _ in parsed.tags) == len(svgs)
    assert ("html", {"lang": "en"}) in parsed.tags


def test_ids_are_their_own_and_links_arrive(parsed):
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for _, a in parsed.tags if a.get("href", "").startswith("#")}
    assert targets <= set(ids)
    assert {"run", "training", "weights", "predictions", "calibration", "uncertainty"} <= targets


def test_no_placeholder_colour_is_left(text):
    assert "#0a0b" not in text
    assert "var(--blue)" in text


def test_what_is_asked_for_is_there(digits_report, line_report):
    names = {plot.name for plot in digits_report.plots}
    every = {"training-loss", "training-nll", "training-kl", "weights-means", "weights-scales",
             "weights-snr", "weights-pruning", "predictions-certain", "predictions-uncertain",
             "predictions-wrong", "calibration-reliability", "uncertainty-shift",
             "uncertainty-parts"}  # fmt: skip
    assert every <= names
    assert every | {"regression-band"} <= {plot.name for plot in line_report.plots}
    words = next(plot.alt for plot in digits_report.plots if plot.name == "uncertainty-parts")
    assert "rotated by 90 degrees: " in words
    assert "noise images: " in words


def test_command_repeats_the_run(parsed, digits_run, tmp_path, request):
    if "digits" not in request.node.name:
        pytest.skip("one run is enough")
    import shlex

    from bnn_ref.cli import main

    code = next(i for i, (tag, _) in enumerate(parsed.tags) if tag == "code")
    assert parsed.tags[code - 1][0] == "pre"
    line = next("".join(parsed.text[i:]) for i, t in enumerate(parsed.text) if "bnn-ref train" in t)
    words = shlex.split(line[: line.index(" --out RUN")])
    assert main([*words[1:], "--out", str(tmp_path / "again")]) == 0
    for name in ("history.json", "results.json", "checkpoint.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (digits_run / name).read_bytes(), name


def test_the_kl_adds_up_to_the_last_printed_digit(parsed, digits_report):
    from bnn_ref import kl

    cells = "|".join(parsed.text)
    rows = re.findall(r"(?:^|\|)(\d|all)((?:\|-?[\d,]+\.\d){5})(?=\|)", cells)
    rows = {name: [float(v.replace(",", "")) for v in row.split("|")[1:]] for name, row in rows}
    for name, (*parts, total) in rows.items():
        assert abs(sum(parts) - total) < 0.26, name  # five numbers, each rounded to 0.05
    if "digits" in "".join(parsed.text[:3]):
        e = digits_report.evidence
        assert rows["all"][-1] == round(float(sum(kl(e.opened.network, e.opened.parameters))), 1)


def test_markup_in_names_stays_text():
    cell = "<img src=x onerror=alert(1)> & \"'"
    parsed = Parsed(table(cell, [cell], [[cell]]) + command(f"bnn-ref train --data {cell}"))
    assert not any(tag == "img" for tag, _ in parsed.tags)
    assert parsed.text.count(cell) == 3


@pytest.mark.slow  # draws every figure of a page twice
def test_pages_are_equal_to_the_byte(digits_report, pages, tmp_path):
    write_page(digits_report, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == pages[0].read_bytes()
    assert pages[0].stat().st_size < 2e6


def linear(color):
    c = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    """WCAG 2's ratio of relative luminances, 1 to 21."""
    low, high = sorted(linear(c) @ [0.2126, 0.7152, 0.0722] for c in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(rgb):
    """CIE L*a*b* of linear sRGB, white D65."""
    m = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    t = np.array(m) @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_stand_out(theme):
    """WCAG 2 AA: 4.5 for text, 3 for graphics."""
    for name in ("ink", "muted", "blue"):
        assert contrast(theme[name], theme["paper"]) >= 4.5, name
    for name in SERIES:
        assert contrast(theme[name], theme["paper"]) >= 3, name


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_three_series_are_told_apart_by_every_eye(theme, eye):
    """A difference of 10 is seen at a glance; lines differ in style as well."""
    seen = {name: lab(np.array(EYES[eye]) @ linear(theme[name])) for name in SERIES[:3]}
    for a, b in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[a] - seen[b]) > 20, (a, b)


@pytest.mark.parametrize(
    "which", [pytest.param("digits_report", marks=pytest.mark.slow), "line_report"]
)
def test_no_text_covers_another_or_leaves_its_figure(which, request):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    from bnn_ref.plot.theme import PRINT

    for plot in request.getfixturevalue(which).plots:
        figure = plot.draw(PRINT)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        hidden = hidden_labels(figure)
        boxes = [
            (text.get_text(), text.get_window_extent(canvas.get_renderer()))
            for text in figure.findobj(Text)
            if text.get_visible() and text.get_text().strip() and text not in hidden
        ]
        width, height = figure.canvas.get_width_height()
        for words, box in boxes:
            assert box.x0 > -1, (plot.name, words)
            assert box.y0 > -1, (plot.name, words)
            assert box.x1 < width + 1, (plot.name, words)
            assert box.y1 < height + 1, (plot.name, words)
        for (a, one), (b, other) in itertools.combinations(boxes, 2):
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            up = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert across < 1.5 or up < 1.5, (plot.name, a, b)


def hidden_labels(figure):
    """The labels of ticks outside their axis' ends, which are there but not drawn."""
    found = set()
    for axes in figure.axes:
        for axis, ends in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                found.add(tick.label2)
                if not min(ends) - 1e-9 <= tick.get_loc() <= max(ends) + 1e-9:
                    found.add(tick.label1)
    return found


def test_pngs_are_whole_pictures(line_report, tmp_path, volume):
    """Quickly of every fourth figure."""
    import struct

    assert len(line_report.plots) == 15
    plots = line_report.plots[:: volume(4, 1)]
    paths = save_plots(SimpleNamespace(plots=plots), tmp_path / "new" / "plots")
    assert len(paths) == len(plots)
    for plot, path in zip(plots, paths, strict=True):
        with open(path, "rb") as file:
            data = file.read()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert data[-8:-4] == b"IEND"
        width, height = struct.unpack(">II", data[16:24])
        assert width in (700, 800)
        assert height > 100
        assert plot.alt.encode("latin-1") in data


def test_dollar_signs_in_names_are_no_formulas(tmp_path):
    from bnn_ref.plot.theme import new_figure
    from bnn_ref.report.figure import Plot, save_png, to_svg

    def draw(theme):
        figure, axes = new_figure(theme)
        axes.set_xlabel(r"$\frac$")
        axes.set_xticks([0, 1], ["$a^$", "$_$"])
        return figure

    plot = Plot("name", "title", "caption", "words", draw)
    assert to_svg(plot).startswith("<svg viewBox=")
    save_png(plot, tmp_path / "name.png")
    assert (tmp_path / "name.png").stat().st_size > 1000


def test_one_is_no_plural():
    assert [counted(n, "step") for n in (0, 1, 1437)] == ["0 steps", "1 step", "1,437 steps"]


def test_the_lead_counts_rows_steps_and_draws(digits_report):
    from bnn_ref.report.summary import lead

    words = lead(digits_report.evidence)
    assert " 1,437 rows of digits for 150 steps. Predictions are of all 360 held-out " in words
    assert "an average over 5 draws of the weights." in words
