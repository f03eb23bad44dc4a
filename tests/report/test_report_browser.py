"""The page in a real browser: no complaint, nothing asked of the network, no sideways scrolling."""

import itertools

import pytest
from chromium import Page, find_chromium

WIDTHS = {"desktop": 1280, "phone": 390, "small phone": 320}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = find_chromium()
    if program is None:
        pytest.skip("no chromium: the page was not opened in a browser")
    with Page(program, tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


@pytest.fixture(params=["digits", "line"])
def address(pages, request):
    return next(page for page in pages if page.stem == request.param).as_uri()


def test_page_in_a_browser(browser, address, volume):
    """At every width in both schemes; quickly at the widest and the narrowest."""
    whole = itertools.product(WIDTHS.values(), (False, True))
    for width, dark in volume([(1280, False), (320, True)], whole):
        is_sound(browser, address, width, dark)


def is_sound(browser, address, width, dark):
    browser.open(address, width, dark=dark)
    assert browser.complaints() == []
    asked = [url for url in browser.requests() if not url.startswith("data:")]
    assert asked == [address]
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.compatMode") == "CSS1Compat"
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(22, 25, 29)" if dark else "rgb(255, 255, 255)")


def test_figures_are_seen_and_tables_fit_a_phone(browser, address):
    browser.open(address, 390)
    boxes = browser.evaluate(
        "[...document.querySelectorAll('figure svg')].map(s => {"
        " const b = s.getBoundingClientRect(); return [b.left, b.right, b.height]; })"
    )
    assert len(boxes) >= 15
    for left, right, height in boxes:
        assert 0 <= left < right <= 390
        assert right - left > 340
        assert height > 60
    over = browser.evaluate(
        "[...document.querySelectorAll('.tables .scroll')].map(s => s.scrollWidth - s.clientWidth)"
    )
    assert len(over) == 2
    assert max(over) <= 0


def test_figures_follow_the_dark(browser, address):
    """The colours of lines, in both schemes."""
    seen = set()
    for dark in (False, True):
        browser.open(address, 1280, dark=dark)
        colors = browser.evaluate(
            "[...new Set([...document.querySelectorAll('figure svg path, figure svg use')]"
            ".map(e => getComputedStyle(e).stroke))].sort().join()"
        )
        assert "var(" not in colors
        seen.add(colors)
    assert len(seen) == 2


def test_every_link_of_the_page_arrives(browser, address):
    browser.open(address, 390)
    missing = browser.evaluate(
        "[...document.querySelectorAll('a')].filter(a => !document.querySelector(a.hash)).length"
    )
    assert missing == 0


def test_the_browser_would_tell(browser, tmp_path):
    """A planted page: a script that throws, a picture from elsewhere, a table too wide."""
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><meta name=viewport content='width=device-width'>"
        "<img src='picture.png'><div style='width:900px'>wide</div><script>no_such()</script>"
        "<script>console.error('loud')</script>"
    )
    browser.open(page.as_uri(), 390)
    said = " ".join(browser.complaints())
    assert "loud" in said
    assert "Uncaught" in said
    assert any(url.endswith("picture.png") for url in browser.requests())
    assert browser.evaluate("document.documentElement.scrollWidth") > 390
