"""The page of an explanation: in the browser every number that is moved is the library's."""

import numpy as np
import pytest
from chromium import Page, find_chromium

from bnn_ref import DenseFlipout, LayerNoise, Network, Noise, Normal, loss_and_gradients
from bnn_ref.elementary import softplus_inverse
from bnn_ref.explain import explain
from bnn_ref.report.lesson import _colour, _picture, lesson, page, write_lesson

SIZES = (2, 4, 8, 16, 32)


@pytest.fixture(scope="module")
def flipout_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("lesson") / "flipout.html"
    write_lesson(explain("flipout"), path, moving=True)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = find_chromium()
    if program is None:
        pytest.skip("no chromium: the page was not opened in a browser")
    with Page(program, tmp_path_factory.mktemp("browser") / "profile") as opened:
        yield opened


def arrays():
    """The lesson's arrays in their shapes: x, eps, signs of the inputs, signs of the output."""
    found = lesson(0)
    d, n, i = found["draws"], found["rows"], found["inputs"]
    shapes = {"x": (n, i), "eps": (d, i), "signs_in": (d, n, i), "signs_out": (d, n)}
    return [np.array(found[name], float).reshape(shape) for name, shape in shapes.items()]


def library(sigma, size, flipout):
    """Return outputs (draws, 2) of rows 0 and 1 and the gradient's variance, by the library."""
    x, eps, signs_in, signs_out = arrays()
    network = Network([DenseFlipout(3, 1, bias="none", scale_shift=0.0)], Normal(1.0))
    parameters = network.init(0, "float64")
    parameters["layers.0.kernel_mu"][...] = 0
    parameters["layers.0.kernel_rho"][...] = softplus_inverse(sigma)
    outputs, gradients = [], []
    for draw in range(len(eps)):
        pair = (signs_in[draw, :size], signs_out[draw, :size, None])
        if not flipout:
            pair = tuple(np.ones_like(sign) for sign in pair)
        noise = Noise((LayerNoise(eps[draw][:, None], *pair, None),))
        y = np.zeros((size, 1))
        step = loss_and_gradients(network, parameters, x[:size], y, noise, 0.0)
        outputs.append(step.outputs[:2, 0])
        gradients.append(step.gradients["layers.0.kernel_mu"][:, 0])
    return np.array(outputs), np.mean(np.square(gradients))


def move(browser, name, value):
    browser.evaluate(
        f"(e => {{ e.value = {value}; e.dispatchEvent(new Event('input')); }})"
        f"(document.getElementById('{name}'))"
    )


def said(browser, name):
    return float(browser.evaluate(f"document.getElementById('{name}').textContent"))


@pytest.mark.parametrize(("sigma", "size"), [(0.5, 8), (0.05, 2), (1.0, 32)])
@pytest.mark.parametrize("mode", ["flipout", "shared"])
def test_what_is_moved_shows_the_librarys_numbers(browser, flipout_page, sigma, size, mode):
    browser.open(flipout_page.as_uri())
    move(browser, "sigma", sigma)
    move(browser, "batch", SIZES.index(size))
    browser.evaluate(f"document.querySelector('input[value={mode}]').click()")
    outputs, variance = library(sigma, size, mode == "flipout")
    a, b = outputs.T
    assert said(browser, "correlation") == pytest.approx(
        (a @ b) / np.sqrt((a @ a) * (b @ b)), abs=6e-5
    )
    assert said(browser, "deviation") == pytest.approx(np.sqrt(np.mean(a * a)), abs=6e-5)
    assert said(browser, "variance") == pytest.approx(variance, rel=6e-4)
    assert browser.complaints() == []
    asked = [url for url in browser.requests() if not url.startswith("data:")]
    assert asked == [flipout_page.as_uri()]


def test_a_sign_is_turned_by_the_keyboard_and_all_four_leave_the_output(browser, flipout_page):
    browser.open(flipout_page.as_uri())
    before = said(browser, "output-0")
    for key in ("0,0", "0,1", "0,2", "0,3"):
        browser.evaluate(f"document.querySelector('[data-key=\"{key}\"]').focus()")
        enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        browser.call("Input.dispatchKeyEvent", type="keyDown", text="\r", **enter)
        browser.call("Input.dispatchKeyEvent", type="keyUp", **enter)
        assert browser.evaluate("document.activeElement.dataset.key") == key
        if key != "0,3":
            assert said(browser, "output-0") != before
    assert said(browser, "output-0") == before


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("topic", ["flipout", "step"])
def test_pages_fit_and_ask_for_nothing(browser, tmp_path, topic, width):
    path = tmp_path / "page.html"
    write_lesson(explain(topic), path, moving=topic == "flipout")
    browser.open(path.as_uri(), width)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.complaints() == []
    unnamed = browser.evaluate(
        "[...document.querySelectorAll('svg')].filter(s => !s.getAttribute('aria-label')).length"
    )
    assert unnamed == 0


def test_every_array_of_a_step_is_a_picture():
    sheet = explain("step")
    text = page(sheet)
    shown = [name for _, name, array in sheet.arrays if array.size > 1]
    assert text.count('<figure class="cells">') == len(shown) > 20
    assert "<script" not in text


def press(browser, key, code):
    """Press and let go of one key, wherever the focus is."""
    known = {"key": key, "code": key, "windowsVirtualKeyCode": code}
    browser.call("Input.dispatchKeyEvent", type="rawKeyDown", **known)
    browser.call("Input.dispatchKeyEvent", type="keyUp", **known)


def test_every_control_is_reached_and_moved_by_the_keyboard_alone(browser, flipout_page):
    """Tab goes through them in the order of the page, each shows that it has the focus."""
    browser.open(flipout_page.as_uri())
    where = "(e => e.id || e.dataset.key || e.name || e.tagName)(document.activeElement)"
    ring = "getComputedStyle(document.activeElement).outlineStyle"
    order = []
    for _ in range(17):
        press(browser, "Tab", 9)
        order.append(browser.evaluate(where))
        assert browser.evaluate(ring) != "none", order[-1]
        moved = {"sigma": "deviation", "batch": "variance", "mode": "correlation",
                 "draw": "output-0"}.get(order[-1])  # fmt: skip
        if moved:
            before = said(browser, moved)
            press(browser, "ArrowRight", 39)
            assert said(browser, moved) != before, order[-1]
    signs = [f"{row},{i}" for row in range(3) for i in range(4)]
    assert order == ["sigma", "batch", "mode", "draw", *signs, "PRE"]


SEEN = {  # Machado, Oliveira and Fernandes (2009), severity 1, on linear sRGB
    "everybody": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def lab(colour, seen):
    """Return CIE L*a*b* of an 8-bit sRGB colour as somebody sees it."""
    c = np.array(colour) / 255
    c = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    c = np.clip(np.array(SEEN[seen]) @ c, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722],
                       [0.0193, 0.1192, 0.9505]])  # fmt: skip
    f = np.cbrt(to_xyz @ c / [0.9505, 1.0, 1.089])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_two_curves_are_told_apart_by_colour_and_without_it(browser, flipout_page, seen, dark):
    browser.open(flipout_page.as_uri(), dark=dark)
    colours, dashes = zip(*[
        browser.evaluate(f"(s => [s.stroke.match(/\\d+/g).map(Number), s.strokeDasharray])"
                         f"(getComputedStyle(document.querySelector('.curve.{kind}')))")
        for kind in ("flipout", "shared")
    ], strict=True)  # fmt: skip
    one, two = (lab(colour, seen) for colour in colours)
    assert np.linalg.norm(one - two) > 25  # 2.3 is what an eye can just see
    assert dashes[0] != dashes[1]


@pytest.mark.parametrize("seen", SEEN)
def test_below_and_above_zero_are_told_apart(seen):
    low, high = ([int(_colour(v)[k : k + 2], 16) for k in (1, 3, 5)] for v in (-1.0, 1.0))
    assert np.linalg.norm(lab(low, seen) - lab(high, seen)) > 25


@pytest.mark.parametrize(("columns", "said"), [
    (slice(30, 33), "the first 3 columns that are not constant, 30 to 32"),
    (slice(0, 0), "the first 3 x 20"),
    (slice(0, 60), "the first 3 x 20"),
])  # fmt: skip
def test_a_wide_array_is_shown_where_it_is_not_constant(columns, said):
    """The borders of images are blank: the first 20 columns of x would show nothing."""
    x = np.zeros((3, 60))
    x[:, columns] = np.arange(3)[:, None] + 1.0
    picture = _picture("x", x)
    assert said in picture
    darkest = _colour(1.0)
    assert (darkest in picture) == bool(x.any())
