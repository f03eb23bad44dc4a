"""The page of an explanation: in the browser every number that is moved is the library's."""

import numpy as np
import pytest
from chromium import Page, find_chromium

from bnn_ref import DenseFlipout, LayerNoise, Network, Noise, Normal, loss_and_gradients
from bnn_ref.elementary import softplus_inverse
from bnn_ref.explain import explain
from bnn_ref.report.lesson import lesson, page, write_lesson

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
