"""The notebooks: what each has to have, and (slow) the whole site built with warnings as errors."""

import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from chromium import Page, find_chromium

DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOKS = [*sorted((DOCS / "tutorials").glob("[0-9]-*.md")), DOCS / "failures.md"]
CELL = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```", re.MULTILINE | re.DOTALL)


def cells(path):
    """Return (tags, code) of every cell of a notebook."""
    found = []
    for text in CELL.findall(path.read_text("utf-8")):
        tags = re.match(r"((?::.*\n)*)", text)[1]
        found.append((tags, text[len(tags) :]))
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_python_with_a_picture_and_a_check(path):
    for _, code in cells(path):
        compile(code, path.name, "exec")
    every = "\n".join(code for _, code in cells(path))
    assert "assert " in every
    assert "plot." in every or "plt.subplots" in every


@pytest.mark.parametrize("path", NOTEBOOKS[:-1], ids=lambda path: path.stem)
def test_a_tutorial_has_five_exercises_with_folded_solutions(path):
    text = path.read_text("utf-8")
    assert re.findall(r"^\*\*(\d)\.\*\* ", text, re.MULTILINE) == list("12345")
    assert len([tags for tags, _ in cells(path) if "hide-cell" in tags]) == 5
    assert f"{{nb-download}}`{path.stem}.ipynb`" in text
    assert path.stem in (DOCS / "tutorials" / "index.md").read_text("utf-8")


@pytest.mark.slow  # quickly test_tutorial, which runs a page's code just so
def test_the_kl_terms_notebook_runs(monkeypatch):
    """The first one in whole, a sample of the others, which the site's build runs."""
    pytest.importorskip("matplotlib").use("Agg")
    space = {}
    for _, code in cells(NOTEBOOKS[0]):
        exec(compile(code, NOTEBOOKS[0].name, "exec"), space)
    assert space["scores"]["1 (undivided)"].accuracy < 0.3


def test_every_toy_goes_from_import_to_picture_in_three_lines():
    rows = re.findall(r"^\| [a-z ]+ \| (`[^|]+`) \|", (DOCS / "start.md").read_text("utf-8"), re.M)
    assert len(rows) == 6
    for row in rows:
        assert len(re.findall(r"`([^`]+)`", row)) == 3


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_toys_lines_run():
    pytest.importorskip("matplotlib").use("Agg")
    pytest.importorskip("sklearn")
    for row in re.findall(r"^\| [a-z ]+ \| (`[^|]+`) \|", (DOCS / "start.md").read_text(), re.M):
        head = "from bnn_ref import plot, toys\nfrom bnn_ref.sklearn import *\n"
        exec(head + "\n".join(re.findall(r"`([^`]+)`", row)), {})


class Links(HTMLParser):
    """The addresses that a page asks for, and the anchors that it offers."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note the links and names of one element."""
        found = dict(attrs)
        self.links += [found[key] for key in ("href", "src") if found.get(key)]
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}


def broken_links(site):
    """Return "page: link" for every link within a site that leads nowhere."""
    pages = {path: Links(path.read_text("utf-8")) for path in site.rglob("*.html")
             if "_static" not in path.parts}  # fmt: skip
    broken = []
    for path, page in pages.items():
        for link in page.links:
            address, _, anchor = unquote(link).partition("#")
            address = address.partition("?")[0]
            if re.match(r"[a-z]+:|//", address):
                continue
            target = (path.parent / address).resolve() if address else path
            there = pages.get(target)
            if not target.exists() or (anchor and there and anchor not in there.anchors):
                broken.append(f"{path.relative_to(site)}: {link}")
    return broken


def test_a_broken_link_would_be_found(tmp_path):
    (tmp_path / "a.html").write_text('<a id="x" href="b.html#y">b</a><img src="no.png">')
    (tmp_path / "b.html").write_text('<a href="a.html#x">a</a><a href="https://x.org/q">q</a>')
    assert broken_links(tmp_path) == ["a.html: b.html#y", "a.html: no.png"]


READY = "typeof MathJax === 'undefined' || !!(MathJax.startup && MathJax.startup.document)"
LEFT = (
    "document.querySelectorAll('.math').length - document.querySelectorAll('mjx-container').length"
)


def unreadable(site, pages, profile, width=390):
    """Return "page: what" of pages that scroll sideways, or hold a formula that is not set."""
    found = []
    with Page(find_chromium(), profile) as browser:
        for page in pages:
            browser.open((site / page).as_uri(), width)
            end = time.monotonic() + 60
            while not browser.evaluate(READY) or browser.evaluate(LEFT) > 0:
                if time.monotonic() > end:
                    found.append(f"{page}: a formula was not set")
                    break
                time.sleep(0.1)
            if browser.evaluate("document.documentElement.scrollWidth") > width:
                found.append(f"{page}: wider than {width} pixels")
            if browser.evaluate("document.querySelectorAll('mjx-merror').length"):
                found.append(f"{page}: a formula has an error")
            asked = [url for url in browser.requests() if url.startswith("http")]
            found += [f"{page}: asked for {url}" for url in asked]
    return found


def test_an_unreadable_page_would_be_found(tmp_path):
    if find_chromium() is None:
        pytest.skip("no chromium: the page was not opened in a browser")
    wide = "<!doctype html><meta name=viewport content='width=device-width'>"
    (tmp_path / "a.html").write_text(f"{wide}<p>narrow</p>")
    (tmp_path / "b.html").write_text(f"{wide}<p style='width:700px'>b</p><mjx-merror></mjx-merror>")
    assert unreadable(tmp_path, ["a.html", "b.html"], tmp_path / "profile") == [
        "b.html: wider than 390 pixels",
        "b.html: a formula has an error",
    ]


CARD = "[...document.querySelectorAll('.sd-card')].find(c => c.textContent.includes('KL term'))"
SEEN = "document.querySelector('h1').closest('section').innerText"


def first_answer(site, profile):
    """Return what the first page's card on the KL leads to, down to the first section."""
    with Page(find_chromium(), profile) as browser:
        browser.open((site / "index.html").as_uri())
        browser.events.clear()
        browser.evaluate(f"{CARD}.querySelector('a').click()")
        browser.wait_for("Page.loadEventFired")
        return browser.evaluate(SEEN).partition("One weight")[0]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_site_builds_without_a_warning(tmp_path):
    for name in ("sphinx", "myst_nb", "numpydoc", "pydata_sphinx_theme", "sphinx_design"):
        pytest.importorskip(name)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", DOCS, tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert broken_links(tmp_path) == []
    if find_chromium() is not None:
        pages = ["index.html", "derivation.html", "objective.html", "bench/tables.html"]
        pages += [f"tutorials/{path.stem}.html" for path in NOTEBOOKS[:-1]]
        assert unreadable(tmp_path, pages, tmp_path / "profile") == []
        answer = first_answer(tmp_path, tmp_path / "another")
        for words in ("KL(posterior || prior)", "divided once", "kernel_divergence_fn"):
            assert words in answer
    executed = {path.stem for path in tmp_path.glob("**/*.ipynb")}
    assert {path.stem for path in NOTEBOOKS[:-1]} <= executed
