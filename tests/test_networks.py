"""Networks by name and by a file's description, up to the command line and a run's folder."""

import json

import numpy as np
import pytest
from command import call

from bnn_ref import Categorical, Conv2DFlipout, DenseFlipout, MaxPool2D, Network, Normal
from bnn_ref.networks import from_description, lenet5, read_network
from bnn_ref.sweep.fit import train_cell

SHORT = {"layers": [
    {"type": "Conv2DFlipout", "filters": 2, "kernel_size": 3, "activation": "relu"},
    {"type": "MaxPool2D"},
    {"type": "DenseFlipout", "units": 10},
]}  # fmt: skip


def nested(levels, count=1):
    """Return the descriptions of so many layers inside so many others."""
    layers = [{"type": "Elementwise", "activation": "relu"}] * count
    for _ in range(levels):
        layers = [{"type": "Residual", "add": False, "layers": layers}]
    return layers


def scaled(times):
    """Return the description of a prior scaled so many times."""
    prior = {"loc": 0, "scale": 1}
    for _ in range(times):
        prior = {"type": "scaled", "factor": 1, "prior": prior}
    return prior


def test_what_is_left_out_is_the_default():
    found = from_description(SHORT, (8, 8, 1), Categorical())
    assert found == Network([Conv2DFlipout(2, 3, activation="relu", input_shape=(8, 8, 1)),
                             MaxPool2D(), DenseFlipout(18, 10)], Categorical())  # fmt: skip
    assert from_description(found.to_json(), (8, 8, 1), Normal()) == found


def test_lenet_is_that_of_tfps_example():
    network = Network(lenet5((28, 28, 1), 10, bias="none"))
    shapes = [shape for name, shape in network.parameter_shapes.items() if name.endswith("mu")]
    assert shapes == [(5, 5, 1, 6), (5, 5, 6, 16), (5, 5, 16, 120), (5880, 84), (84, 10)]


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ([], "an object with layers"),
        ({"layers": 3}, "layers: expected a list"),
        ({"layers": [{"type": "Conv3D"}]}, "layer type: expected one of"),
        ({"layers": [{"type": ["MaxPool2D"]}]}, "layer type"),
        ({"layers": [{"type": "MaxPool2D", "size": 2}]}, "an object with keys"),
        ({"layers": [{"type": "Conv2DFlipout", "filters": 2, "kernel_size": 9}]},
         r"layers\[0\]\.kernel_size: expected at most the image \(8, 8\)"),
        ({**SHORT, "inputs": 65}, "inputs: expected 64, as the data have, found 65"),
        ({**SHORT, "likelihood": {"type": "poisson"}}, "likelihood"),
        ({**SHORT, "likelihood": {"type": "categorical", "x": 1}}, "keys .'type'.,"),
        ({"layers": [{"type": "Flatten"}, {"type": "Dropout"}]},
         r"layers\[1\]: layer Dropout: rate: expected such a key, found none"),
        ({"layers": [{"type": "Flatten"}, {"type": "DenseFlipout", "units": "3"}]},
         r"layers\[1\]: units: expected a whole number"),
        ({"layers": [{"type": "BatchNorm", "convention": ["keras"]}]}, "convention: expected one"),
        ({"layers": [{"type": "BatchNorm", "frozen": "no"}]}, "frozen: expected True or False"),
        ({"layers": [{"type": "Dropout", "rate": 0.5, "predicts": 0}]}, "predicts: expected"),
        ({"layers": [{"type": "Residual", "add": "no", "layers": SHORT["layers"]}]}, "add: exp"),
        ({"layers": [{"type": "DenseFlipout", "units": 2, "kernel_prior": [True, 1]}]},
         "kernel_prior.loc: expected a number"),
        ({"layers": [{"type": "DenseFlipout", "units": 10**12}]}, "at most 68,719,476,736 param"),
        ({"layers": [{"type": "MaxPool2D", "pool_size": 10**9, "padding": "same"}]},
         "pool_size: expected a whole number, at least 1 and at most"),
        ({"layers": nested(3)}, r"layers\[0\]\.layers\[0\]\.layers\[0\].*two layers at most"),
        ({"layers": nested(1, 64)}, r"layers\[0\]\.layers\[63\]: expected"),
        ({"layers": [{"type": "DenseFlipout", "units": 2, "kernel_prior": scaled(900)}]},
         "expected descriptions a few levels deep"),
    ],
)  # fmt: skip
def test_what_describes_no_network_is_refused(description, message):
    with pytest.raises(ValueError, match=message):
        from_description(description, (8, 8, 1), Categorical())


@pytest.mark.parametrize("before", [[], [{"type": "BatchNorm"}]])
def test_layers_of_images_inside_a_layer_learn_their_shape(before):
    inside = [{"type": "Conv2DFlipout", "filters": 1, "kernel_size": 3, "padding": "same"}]
    layers = [*before, {"type": "Residual", "layers": inside}, {"type": "MaxPool2D"}]
    found = from_description({"layers": layers}, np.array([8, 8, 1]), Normal())
    assert found.layers[-1].input_shape == (8, 8, 1)
    assert from_description(found.to_json(), (8, 8, 1), Normal()) == found


def test_a_file_fits_the_data_or_is_refused(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(json.dumps(SHORT), encoding="utf-8")
    with pytest.raises(ValueError, match="last layer's outputs: expected 3"):
        read_network(path, (8, 8, 1), 3, Categorical())
    with pytest.raises(ValueError, match="network lenet5: expected data that are images"):
        read_network("lenet5", (64,), 10, Categorical())
    path.write_text(json.dumps({**SHORT, "likelihood": {"type": "normal"}}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"likelihood: expected .*categorical.*, found normal"):
        read_network(path, (8, 8, 1), 10, Categorical())
    path.write_text('{"layers": [%s]}' % ("9" * 5000), encoding="utf-8")
    with pytest.raises(ValueError, match=r"net.json: expected numbers of at most 400 digits"):
        read_network(path, (8, 8, 1), 10, Categorical())
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="JSON"):
        read_network(path, (8, 8, 1), 10, Categorical())


def test_the_command_trains_goes_on_and_sweeps_what_a_file_describes(tmp_path, capsys):
    path, out = tmp_path / "net.json", tmp_path / "run"
    path.write_text(json.dumps(SHORT), encoding="utf-8")
    words = ("train", "--backend", "numpy", "--draws", "2", "--out", out)
    done = call(capsys, *words, "--network", path, "--steps", "2")
    assert done.code == 0, done.err
    assert "layers[0] (8, 8, 1) -> (6, 6, 2) 2 3x3 valid relu" in done.out
    gone_on = call(capsys, *words, "--resume", "--steps", "3")
    assert gone_on.code == 0, gone_on.err
    assert call(capsys, "evaluate", out).code == 0
    refused = call(capsys, *words, "--resume", "--network", "lenet5")
    assert (refused.code, "--network: expected" in refused.err) == (2, True)
    both = call(capsys, "train", "--network", path, "--layers", "3")
    assert (both.code, both.err.count("found both")) == (2, 1)
    cell = {"network": str(path), "steps": 1, "draws": 2, "backend": "numpy"}
    assert np.isfinite(train_cell(cell, 1)["heldout_nats"])
