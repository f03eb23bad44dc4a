"""Pictures hold the numbers: each line and band worked out a second way."""

import numpy as np
import pytest

from bnn_ref import (
    Categorical,
    DenseFlipout,
    Network,
    Normal,
    PredictedNormal,
    fit,
    predict,
    reference,
    toys,
)

pytest.importorskip("matplotlib").use("Agg")
sklearn = pytest.importorskip("sklearn")
from matplotlib.transforms import Bbox  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from bnn_ref import plot  # noqa: E402
from bnn_ref.prediction import chance_calibration_error, wilson_interval  # noqa: E402
from bnn_ref.priors import LaplacePrior  # noqa: E402
from bnn_ref.sklearn import FlipoutClassifier, FlipoutRegressor  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:training has not settled")  # a few steps will do


@pytest.fixture(autouse=True)
def _close():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


@pytest.fixture(scope="module")
def line():
    """A network of one input, some steps into training, and its data."""
    x, y = toys.sine(60)
    network = Network([DenseFlipout(1, 8, "tanh"), DenseFlipout(8, 1)], Normal(0.3))
    return fit(network, (x, y[:, None]), steps=30, backend="numpy"), x, y


@pytest.fixture(scope="module")
def regressor():
    x, y = toys.sine(60)
    y = 100 + 20 * y
    return FlipoutRegressor((8,), max_iter=10, random_state=0, backend="numpy").fit(x, y), x, y


@pytest.fixture(scope="module")
def classifier():
    x, y = toys.moons(60)
    labels = np.array(["left", "right"])[y]
    scaled = make_pipeline(
        StandardScaler(), FlipoutClassifier((8,), max_iter=20, random_state=0, backend="numpy")
    )
    return scaled.fit(x, labels), x, labels


def edges(axes, k):
    """Return (place, low, high) of the k-th filled band."""
    points = axes.collections[k].get_paths()[0].vertices
    half = len(points) // 2
    places = np.unique(points[:, 0])
    low = [points[points[:, 0] == place, 1].min() for place in places]
    high = [points[points[:, 0] == place, 1].max() for place in places]
    assert half >= len(places)
    return places, np.array(low), np.array(high)


@pytest.mark.parametrize("hold", [lambda run: run, lambda run: run.trainer])
def test_a_fit_is_drawn_with_the_back_end_it_was_trained_with(hold):
    x, y = toys.sine(20)
    network = Network([DenseFlipout(1, 2, kernel_prior=LaplacePrior())], PredictedNormal())
    run = fit(network, (x, y[:, None]), steps=2, backend="numpy", dtype="float64")
    plot.band(hold(run), x, y, draws=3)
    (first, *_), z = plot.functions(hold(run), x, draws=2).lines, run.parameters
    outputs = reference.draw_outputs(network, z, first.get_xdata()[:, None], 0, 0)
    np.testing.assert_allclose(first.get_ydata(), outputs[:, 0], rtol=1e-12)


def test_band_is_two_deviations_with_and_without_the_noise(regressor):
    model, x, y = regressor
    axes = plot.band(model, x, y, draws=model.draws)
    for k, spread in ((0, 1), (1, 3)):  # total, epistemic
        places, low, high = edges(axes, k)
        parts = model.predict(places[:, None], return_parts=True)
        np.testing.assert_allclose(low, parts[0] - 2 * parts[spread], rtol=1e-6)
        np.testing.assert_allclose(high, parts[0] + 2 * parts[spread], rtol=1e-6)
    mean, std = model.predict(x, return_std=True)
    share = f"({np.mean(np.abs(y - mean) <= 2 * std):.0%} of the data)".replace("(", "(holds ")
    assert any(share in text.get_text() for text in axes.get_legend().get_texts())


def test_functions_are_draws_of_whole_weights(line):
    run, x, y = line
    axes = plot.functions(run, x, y, draws=3, beyond=0)
    for draw, one in enumerate(axes.lines[:3]):
        grid = np.asarray(one.get_xdata())[:, None]
        wanted = reference.draw_outputs(run.network, run.parameters, grid, 0, draw)
        np.testing.assert_allclose(one.get_ydata(), wanted[:, 0], rtol=1e-4, atol=1e-5)
    assert axes.lines[3].get_xdata().tolist() == x[:, 0].tolist()


def test_boundary_shows_probability_and_mutual_information(classifier):
    model, x, labels = classifier
    figure = plot.boundary(model, x, labels, draws=model[-1].draws)
    shown = [axes.collections[0] for axes in figure.axes[:2]]
    across = shown[0].get_coordinates()
    centre = (across[:-1, :-1] + across[1:, 1:]) / 2
    rows = centre.reshape(-1, 2)
    wanted = model.predict_proba(rows)[:, 1]
    np.testing.assert_allclose(shown[0].get_array().ravel(), wanted, atol=1e-5)
    told = model[-1].predict_uncertainty(model[:-1].transform(rows))[1]
    np.testing.assert_allclose(shown[1].get_array().ravel(), told, atol=1e-5)
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["class left", "class right"]


def test_reliability_counts_every_row_and_names_both_errors(classifier):
    model, x, labels = classifier
    axes = plot.reliability(model, x, labels, draws=50, bins=5)
    counts = [int(text.get_text()) for text in axes.texts if text.get_text().isdigit()]
    assert sum(counts) == len(x)
    p = model.predict_proba(x)
    confidence, right = p.max(axis=1), model.predict(x) == labels
    gaps = 0.0
    for k in range(5):
        inside = (confidence >= k / 5) & ((confidence < (k + 1) / 5) | (k == 4))
        if inside.any():
            gaps += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert f"calibration error {gaps:.4f}, by chance alone" in axes.texts[-1].get_text()
    axes.figure.draw_without_rendering()
    bars = [Bbox(axes.transData.transform(bar)) for bar in axes.collections[0].get_segments()]
    for text in axes.texts[:-1]:
        assert not text.get_window_extent().count_overlaps(bars), text


def test_the_error_by_chance_alone():
    assert chance_calibration_error(np.ones(50)) == 0
    assert chance_calibration_error(np.array([0.75])) == pytest.approx(
        0.375, abs=0.05
    )  # .75*.25 + .25*.75
    low, high = wilson_interval(np.array([0.5]), np.array([10]))
    assert (low[0], high[0]) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_posterior_and_learning(line):
    run, _, _ = line
    assert len(plot.posterior(run).axes) == 3
    axes = plot.learning(run)
    loss, nll, kl = (np.asarray(one.get_ydata()) for one in axes.lines)
    np.testing.assert_allclose(nll + kl, loss, rtol=1e-6)
    np.testing.assert_array_equal(loss, [record["loss"] for record in run.history.records])
    last = [record["kl_weight"] * record["kl"] for record in run.history.records]
    np.testing.assert_allclose(kl, last, rtol=1e-4)  # records of one step each


def test_the_parts_of_the_loss_add_up_where_a_record_is_of_many_steps():
    x, y = toys.sine(60)
    network = Network([DenseFlipout(1, 8, "tanh"), DenseFlipout(8, 1)], Normal(0.3))
    run = fit(network, (x, y[:, None]), steps=30, report_every=10, backend="numpy")
    loss, nll, kl = (np.asarray(one.get_ydata()) for one in plot.learning(run).lines)
    np.testing.assert_allclose(nll + kl, loss, rtol=1e-12)


def test_first_layer_as_pictures():
    network = Network([DenseFlipout(6, 5), DenseFlipout(5, 2)], Categorical())
    parameters = network.init(0)
    figure = plot.posterior((network, parameters), image=(2, 3))
    means, sigmas = (axes.images[0].get_array() for axes in figure.axes[-4:] if axes.images)
    assert means.shape == sigmas.shape == (2, 5 * 3 + 4)
    unit = means[:, :3].ravel()
    assert any(np.allclose(unit, column) for column in parameters["layers.0.kernel_mu"].T)
    with pytest.raises(ValueError, match=r"image: expected a shape of 6 pixels, found \(3, 3\)"):
        plot.posterior((network, parameters), image=(3, 3))


def test_what_cannot_be_drawn_is_refused_by_name(line, classifier):
    run, x, y = line
    model, rows, labels = classifier
    with pytest.raises(ValueError, match="model: expected one that predicts classes"):
        plot.reliability(run, x, y)
    with pytest.raises(ValueError, match="x: expected one input to draw a curve over, found 2"):
        plot.band(model, rows, labels)
    with pytest.raises(ValueError, match="x: expected two inputs"):
        plot.boundary(model, x)
    with pytest.raises(ValueError, match="model: expected a fitted estimator.*found dict"):
        plot.band({}, x)
    with pytest.raises(ValueError, match="run: expected a Fit or a History with records"):
        plot.learning(model)


def test_a_person_s_own_axes_and_a_pair(line):
    from matplotlib.figure import Figure

    run, x, y = line
    mine = Figure().subplots()
    assert plot.band((run.network, run.parameters), x, y, ax=mine) is mine
    found = predict(run.network, run.parameters, x, draws=200, backend="numpy")
    assert mine.get_ylim()[1] > (found.mean + 2 * np.sqrt(found.variance)).max()
