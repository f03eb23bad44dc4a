"""Scores and columns in the units of the data."""

import json

import numpy as np
import pytest

from bnn_ref import Bernoulli, Categorical, DenseFlipout, Network, Normal, predict
from bnn_ref.data import Encoding, Examples
from bnn_ref.runs.evaluation import one_line_json, prediction_columns, score, write_columns

X = np.random.default_rng(5).normal(size=(9, 2))
OPTIONS = {"draws": 4, "backend": "numpy"}


def test_scores_of_scaled_targets_are_those_of_the_targets():
    """A network of scaled targets scores as the one whose outputs are in units would."""
    network = Network([DenseFlipout(2, 1, bias="none", scale_shift=0.0)], Normal(0.5))
    parameters = network.init(1, "float64")
    y = X[:, :1] * 300 + 1000
    loc, scale = y.mean(0), y.std(0)
    encoding = Encoding("normal", 2, y_loc=loc.tolist(), y_scale=scale.tolist())
    rows = encoding.encode_x(X, "float64")
    found = score(network, parameters, Examples(rows, encoding.encode_y(y)), encoding, **OPTIONS)
    # The same network with outputs in units: mean * scale + loc, likelihood scale * scale.
    scaled = predict(network, parameters, rows, **OPTIONS)
    mean = scaled.mean * scale + loc
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((mean - y) ** 2)), rel=1e-12)
    assert found["accuracy"] is found["calibration_error"] is None
    z = (y - loc) / scale
    wanted = predict(network, parameters, rows, z, **OPTIONS).log_prob - np.log(scale)
    assert found["nats"] == pytest.approx(wanted.mean(), rel=1e-12)


def test_nothing_to_score():
    network = Network([DenseFlipout(2, 1)], Normal())
    found = score(network, network.init(0), None, Encoding("normal", 2))
    assert set(found.values()) == {None}


@pytest.mark.parametrize(
    ("task", "likelihood", "outputs", "classes", "names"),
    [
        ("categorical", Categorical(), 3, None, ["class", "probability_0", "probability_2"]),
        ("categorical", Categorical(), 2, ["no", "yes"], ["class", "probability_yes"]),
        ("bernoulli", Bernoulli(), 1, ["no", "yes"], ["class", "probability"]),
        ("bernoulli", Bernoulli(), 2, None, ["class_0", "probability_1"]),
        ("normal", Normal(), 1, None, ["mean", "scale", "aleatoric_scale", "epistemic_scale"]),
        ("normal", Normal(), 2, None, ["mean_0", "scale_1"]),
    ],
)
def test_columns_are_named_and_survive_the_file(
    tmp_path, task, likelihood, outputs, classes, names
):
    network = Network([DenseFlipout(2, outputs)], likelihood)
    prediction = predict(network, network.init(0), X, **OPTIONS)
    columns = prediction_columns(prediction, Encoding(task, 2, classes=classes))
    assert set(names) <= set(columns)
    write_columns(tmp_path / "p.csv", columns)
    head, *lines = (tmp_path / "p.csv").read_text().splitlines()
    assert head.split(",") == list(columns)
    for name, cells in zip(
        columns, zip(*(line.split(",") for line in lines), strict=True), strict=True
    ):
        plain = columns[name].tolist()
        assert [type(plain[0])(cell) for cell in cells] == plain  # every digit
    write_columns(tmp_path / "p.npz", columns)
    with np.load(tmp_path / "p.npz") as arrays:
        for name, column in columns.items():
            np.testing.assert_array_equal(arrays[name], column)
    if classes:
        assert set(columns["class"].tolist()) <= set(classes)


def test_json_on_one_line_has_no_nan():
    text = one_line_json({"a": float("nan"), "b": 1.5, "c": None, "d": -np.inf})
    assert "\n" not in text
    assert json.loads(text) == {"a": None, "b": 1.5, "c": None, "d": None}
