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
    ],
)  # fmt: skip
def test_what_describes_no_network_is_refused(description, message):
    with pytest.raises(ValueError, match=message):
        from_description(description, (8, 8, 1), Categorical())


def test_a_file_fits_the_data_or_is_refused(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(json.dumps(SHORT), encoding="utf-8")
    with pytest.raises(ValueError, match="last layer's outputs: expected 3"):
        read_network(path, (8, 8, 1), 3, Categorical())
    with pytest.raises(ValueError, match="network lenet5: expected data that are images"):
        read_network("lenet5", (64,), 10, Categorical())
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
