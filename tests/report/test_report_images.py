"""The report's pictures of a network of images: kernels, and feature maps with their deviation."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from bnn_ref import Categorical, Conv2DFlipout, DenseFlipout, Flatten, MaxPool2D, Network
from bnn_ref.layers import Conv2D
from bnn_ref.plot.theme import PRINT
from bnn_ref.reference import draw_outputs
from bnn_ref.report import images, report
from bnn_ref.report.figure import to_svg


def evidence(first=None, outputs=3, channels=2):
    """What the figures ask of a run, of a network that nobody trained."""
    shape = (6, 5, channels)
    first = first or Conv2DFlipout(9, 3, activation="relu", input_shape=shape, initial_sigma=0.3)
    network = Network([first, MaxPool2D(2, 1), Conv2DFlipout(2, 2), Flatten(),
                       DenseFlipout(4, outputs)], Categorical())  # fmt: skip
    parameters = network.init(3, "float64")
    x = np.random.default_rng(0).normal(size=(4, network.inputs))
    opened = SimpleNamespace(network=network, parameters=parameters)
    entropies = SimpleNamespace(total_entropy=np.array([0.5, 0.1, 0.9, 0.4]))
    return SimpleNamespace(opened=opened, x=x, draws=5, seed=7, prediction=entropies,
                           part="held-out")  # fmt: skip


def test_the_maps_are_those_that_the_prediction_goes_through():
    """From the last map on, the layers left give the draws of `predict` itself."""
    found, row = evidence(), 2
    assert images.image_layers(found) == [0, 1, 2]
    maps = images.feature_maps(found, row, [0, 2])
    assert [m.shape for m in maps.values()] == [(5, 4, 3, 9), (5, 2, 1, 2)]
    network, p = found.opened.network, found.opened.parameters
    for draw in range(5):
        dense = draw_outputs(network, p, found.x[row : row + 1], 7, draw, first_row=row)
        head = Network(network.layers[:3], Categorical())
        own = {name: p[name] for name in head.parameter_shapes}
        whole = draw_outputs(head, head.parameters(own, "float64"), found.x[row : row + 1], 7, draw)
        np.testing.assert_array_equal(maps[2][draw].ravel(), whole[0])
        assert dense.shape == (1, 3)
    assert np.all(maps[0].std(axis=0).max(axis=(0, 1)) > 0)  # every filter's draws differ


def test_the_surest_and_the_least_sure_row_are_shown():
    kernels, sure, unsure = images.plots(evidence())
    assert [plot.name for plot in (kernels, sure, unsure)] == [
        "images-kernels", "images-maps-surest", "images-maps-least-sure"
    ]  # fmt: skip
    assert "held-out row 1;" in sure.alt
    assert "held-out row 2;" in unsure.alt
    assert "8 of 9 filters." in kernels.caption
    for plot in (kernels, sure, unsure):
        figure = plot.draw(PRINT)
        assert isinstance(figure, Figure)
        pictures = [axes.images[0] for axes in figure.axes]
        assert len(pictures) == (4 if plot is kernels else 7)  # mu, sigma; two strips a layer
        if plot is kernels:  # red and blue meet at 0
            assert pictures[0].norm.vmin == -pictures[0].norm.vmax


def test_the_filters_most_sure_of_themselves_come_first():
    found = evidence(channels=1)
    kernel = found.opened.parameters.layers[0]
    kernel.kernel_mu[...] = 0.01
    kernel.kernel_mu[..., 6] = -5.0
    plot = images.plots(found)[0]
    picture = plot.draw(PRINT).axes[0].images[0].get_array()
    np.testing.assert_allclose(picture[:, :3], -5.0)


def test_without_images_nothing_is_shown_and_without_a_posterior_no_kernel():
    dense = evidence()
    dense.opened.network = Network([DenseFlipout(60, 3)], Categorical())
    assert images.plots(dense) == []
    plain = images.plots(evidence(Conv2D(9, 3, input_shape=(6, 5, 2))))
    assert "9 by" not in plain[0].alt
    found = evidence()
    del found.prediction.total_entropy  # numbers have none
    assert [plot.name for plot in images.plots(found)][1:] == ["images-maps-first"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a run of a convolution on the digits, two steps long."""
    from bnn_ref.cli import main

    folder = tmp_path_factory.mktemp("images")
    layers = [{"type": "Conv2DFlipout", "filters": 2, "kernel_size": 3, "strides": 2},
              {"type": "MaxPool2D"}, {"type": "DenseFlipout", "units": 10}]  # fmt: skip
    (folder / "net.json").write_text(json.dumps({"layers": layers}))
    assert main(["train", "--backend", "numpy", "--network", str(folder / "net.json"), "--steps",
                 "2", "--draws", "2", "--out", str(folder / "run")]) == 0  # fmt: skip
    assert main(["report", str(folder / "run"), "-o", str(folder / "page.html")]) == 0
    return (folder / "page.html").read_text()


def test_a_section_of_its_own_holds_them():
    section = report._images(evidence())
    assert (section.anchor, len(section.plots)) == ("images", 3)
    assert "<image" in to_svg(section.plots[1])


@pytest.mark.slow  # the section alone stands for it
def test_the_page_has_its_section(page):
    assert '<section id="images">' in page
    assert '<figure id="images-maps-surest">' in page
