"""Every piece in every room: files, vectors, commands, sheets, estimators, figures and reports."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from command import call
from explained import disagreeing

from bnn_ref import (
    BatchNorm,
    Categorical,
    Conv2D,
    Conv2DFlipout,
    Dense,
    DenseFlipout,
    Dropout,
    Elementwise,
    LayerNorm,
    Network,
    Residual,
    State,
)
from bnn_ref.exchange import posterior_mean
from bnn_ref.explain import explain, small_subject
from bnn_ref.networks import from_description
from bnn_ref.noise import draw_noise
from bnn_ref.reference import loss_and_gradients
from bnn_ref.runs.checkpoints import load_checkpoint
from bnn_ref.verification.vectors import Vector, make_question, read, results_of, write
from bnn_ref.verification.vectors.checking import check_vector

ROWS = 40
PIECES = {
    "Dense": [Dense(4, 6, "relu")],
    "Dense with a prior": [Dense(4, 6, "relu", kernel_prior=(0, 1))],
    "a frozen Dense": [Dense(4, 6, "relu", frozen=True)],
    "Conv2D": [Conv2D(2, 2, padding="same", activation="selu", input_shape=(2, 2, 1))],
    "convolutions in Residual": [
        Conv2DFlipout(2, 2, padding="same", input_shape=(2, 2, 1)),
        Residual([Conv2D(2, 2, padding="same"), BatchNorm(), Elementwise("relu")]),
    ],
    "Dropout": [Dropout(0.2, shape=4)],
    "LayerNorm": [LayerNorm(shape=4)],
    "BatchNorm, frozen": [BatchNorm(frozen=True, shape=4)],
    "BatchNorm": [BatchNorm(shape=4), Dense(4, 5), BatchNorm(convention="pytorch")],
    "Elementwise": [Elementwise("leaky_relu(0.1)", 4)],
    "Residual in Residual": [
        Dense(4, 5), Residual([LayerNorm(), Residual([DenseFlipout(5, 5, "tanh"), BatchNorm()]),
                               Dropout(0.1)]),
    ],
}  # fmt: skip


def network(piece, outputs=2):
    """Return a network that begins with the piece and ends in Flipout layers."""
    pieces = PIECES[piece]
    return Network([*pieces, DenseFlipout(Network(pieces).outputs, 5, "tanh", bias="normal"),
                    DenseFlipout(5, outputs)], Categorical())  # fmt: skip


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 4))
    return x, (x[:, 0] > x[:, 1]).astype(int)


@pytest.fixture(params=PIECES)
def piece(request):
    return request.param


@pytest.fixture
def described(piece, tmp_path):
    """The network's description as a file that leaves out what a person would."""
    whole = network(piece).to_json()
    layers = [spare(one) for one in whole["layers"]]
    path = tmp_path / "network.json"
    path.write_text(json.dumps({"layers": layers}))
    return path


def spare(layer):
    """Return a description without shapes, and without the defaults of priors."""
    left_out = {"shape", "input_shape", "bias_prior", "kernel_prior", "scale_shift", "initializer"}
    kept = {name: value for name, value in layer.items() if name not in left_out}
    if "layers" in kept:
        kept["layers"] = [spare(one) for one in kept["layers"]]
    return kept


@pytest.fixture
def table(tmp_path):
    """The data as a text table."""
    x, y = data()
    path = tmp_path / "t.csv"
    np.savetxt(path, np.c_[x, y], "%.4f,%.4f,%.4f,%.4f,%d", header="a,b,c,d,y", comments="")
    return path


@pytest.fixture
def images(tmp_path):
    """The data as an npz of images."""
    x, y = data()
    path = tmp_path / "t.npz"
    np.savez(path, x_train=x.reshape(-1, 2, 2, 1), y_train=y)
    return path


def test_a_description_without_shapes_is_the_network(piece, described):
    shape = (2, 2, 1) if "onv" in piece else (4,)
    found = from_description(json.loads(described.read_text()), shape, Categorical())
    shapes = network(piece).parameter_shapes
    assert found.parameter_shapes == shapes
    assert Network.from_json(found.to_json()) == found


@pytest.mark.parametrize("estimator", ["flipout", "shared", "local"])
def test_a_vector_is_written_read_and_agrees_and_a_fault_does_not(piece, estimator, tmp_path):
    if estimator == "local" and "convolutions" in piece:
        pytest.skip("a convolution has no local noise")
    net, (x, y) = network(piece), data()
    p = net.init(0, "float64")
    noise = draw_noise(net, ROWS, 1, dtype="float64", estimator=estimator)
    asked = make_question(net, p, x, y, noise, 0.1)
    results = results_of(loss_and_gradients(net, p, x, y, noise, 0.1))
    write(tmp_path / "v.npz", Vector(asked.meta, asked.arrays, results))
    vector = read(tmp_path / "v.npz")
    assert vector.meta["estimator"] == estimator
    assert check_vector(vector).agrees
    name = next(one for one in results if one.startswith("grad.layers.0") or "grad.x" in one)
    wrong = {**results, name: results[name] * 1.001}
    assert not check_vector(Vector(asked.meta, asked.arrays, wrong)).agrees


def test_the_sheets_agree_and_move_what_a_step_moves(piece, volume):
    net, (x, y) = network(piece), data()
    state = State.start(net.init(0, "float64"))
    subject = replace(small_subject(), network=net, state=state, x=x, y=y, small=False)
    if "prior" in piece:
        with pytest.raises(ValueError, match=r"layers\[0\].kernel_prior: expected N\(m, s\) of"):
            explain("kl", subject)
        return
    for topic in volume(("kl", "adam", "step"), ("kl", "adam", "step", "elbo")):
        assert disagreeing(explain(topic, subject)) == [], topic
    result = loss_and_gradients(net, state.parameters, x, y, subject.noise(), subject.kl_weight)
    after = subject.state_after(result)
    for name in net.fixed:
        moved = not np.array_equal(after.parameters[name], state.parameters[name])
        assert moved == ("running" in name and "frozen" not in piece), name
    assert subject.shown_tensor not in net.fixed


def test_the_commands(piece, described, table, images, tmp_path, capsys, volume):
    """Train from a file; go on, evaluate, predict and report without it."""
    if piece not in volume(("convolutions in Residual", "Residual in Residual"), PIECES):
        pytest.skip("slow: runs with --slow")
    source = images if "onv" in piece else table
    target = () if source is images else ("--target", "y", "--likelihood", "categorical")
    words = ("--network", described, "--data", source, *target, "--backend", "numpy", "--draws", 3,
             "--batch-size", 10, "--holdout", 8)  # fmt: skip
    run = tmp_path / "run"
    trained = call(capsys, "train", *words, "--steps", 4, "--checkpoint-every", 2, "--out", run)
    assert trained.code == 0, trained.err
    described.unlink()
    assert call(capsys, "train", "--resume", "--steps", 6, "--out", run).code == 0
    for kind in ("weights", "flipout", "mean"):
        assert call(capsys, "evaluate", run, "--kind", kind).code == 0
    rows = tmp_path / ("rows.npz" if source is images else "rows.csv")
    x = data()[0][:3]
    if source is images:
        np.savez(rows, x=x.reshape(-1, 2, 2, 1))
    else:
        np.savetxt(rows, x, "%.4f", ",", header="a,b,c,d", comments="")
    found = call(capsys, "predict", run, rows, "-o", tmp_path / "found.csv")
    assert found.code == 0, found.err
    assert len((tmp_path / "found.csv").read_text().splitlines()) == 4
    pytest.importorskip("matplotlib")
    from bnn_ref.report import make_report
    from bnn_ref.report.evidence import gather
    from bnn_ref.report.summary import run_section
    from bnn_ref.runs.opened import open_run

    section = run_section(gather(open_run(run), draws=2))
    assert "does not describe this network any more" in section.text
    for layer in network(piece).layers:
        assert f"<td>{layer.type}</td>" in section.html
    if volume(False, True):
        make_report(open_run(run), draws=2)


@pytest.mark.parametrize("piece", ["Residual in Residual"], indirect=True)
def test_a_sweeps_cell_is_of_the_files_content_and_its_command_is_taken(
    described, table, tmp_path, capsys
):
    from bnn_ref.runs.opened import train_command
    from bnn_ref.sweep.fit import DEFAULTS, identity_of, train_cell

    cell = {"network": str(described), "likelihood": "categorical", "steps": 3, "backend": "numpy"}
    scores = train_cell(cell, 1, source=table, target="y")
    assert scores["steps"] == 3
    before = identity_of(cell, {})
    assert identity_of({"network": "lenet5"}, {}) == identity_of({}, {}) == {}
    described.write_text(described.read_text() + " ")
    assert identity_of(cell, {}) != before
    with pytest.raises(ValueError, match="setting prior: expected none beside network"):
        train_cell({**cell, "prior": "laplace"}, 1, source=table, target="y")
    whole = {"data": table, "target": "y", **DEFAULTS, **cell}
    words = train_command(whole).split()[1:-1]
    called = call(capsys, *words, tmp_path / "run")
    assert called.code == 0, called.err
    for option in ("--layers", "--prior", "--activation"):
        called = call(capsys, *words, tmp_path / "other", option, "8")
        assert (called.code, called.out) == (2, "")
        assert f"--network and {option}: expected one of the two" in called.err


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_estimator_fits_predicts_and_is_cloned(piece, volume):
    if piece not in volume(("convolutions in Residual", "BatchNorm, frozen"), PIECES):
        pytest.skip("slow: runs with --slow")
    pytest.importorskip("sklearn")
    from sklearn.base import clone

    from bnn_ref.sklearn import FlipoutClassifier

    x, y = data()
    model = FlipoutClassifier(layers=network(piece).layers, max_iter=2, batch_size=20,
                              backend="numpy", random_state=0)  # fmt: skip
    found = model.fit(x, y).predict_proba(x)
    assert np.array_equal(clone(model).fit(x, y).predict_proba(x), found)
    p = model.state_.parameters
    means = [name for name in p if not name.endswith("_rho")]
    assert len(posterior_mean(model.network_, p)) == len(means)


@pytest.mark.parametrize("piece", ["Dense"], indirect=True)
def test_a_files_own_likelihood_is_kept_and_another_is_refused(described, table, tmp_path, capsys):
    whole = json.loads(described.read_text())
    whole["layers"][-1]["units"] = 1
    described.write_text(json.dumps({**whole, "likelihood": {"type": "normal", "scale": 0.5}}))
    words = ("train", "--network", described, "--data", table, "--target", "a", "--backend",
             "numpy", "--steps", 2, "--draws", 2, "--out", tmp_path / "run")  # fmt: skip
    called = call(capsys, *words, "--likelihood", "normal")
    assert (called.code, called.out) == (2, "")
    assert "--likelihood: expected Normal(" in called.err
    assert call(capsys, *words).code == 0
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["settings"]
    assert (settings["likelihood"], settings["kl_warm_up"]) == (None, 0)
    assert call(capsys, "evaluate", tmp_path / "run").code == 0
    resumed = call(capsys, "train", "--resume", "--steps", 4, "--out", tmp_path / "run")
    assert resumed.code == 0, resumed.err


DIES = """
import os, signal, sys
from bnn_ref.cli import main
from bnn_ref.training.trainer import Trainer

step = Trainer.step

def step_or_die(self, *arguments, **named):
    if self.state.step == 27:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *arguments, **named)

Trainer.step = step_or_die
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.slow)])
@pytest.mark.parametrize("piece", ["Residual in Residual"], indirect=True)
def test_killed_and_resumed_is_the_run_that_was_not(described, table, backend, tmp_path, capsys):
    """Batch normalisation inside two others: its running statistics too, to the bit."""
    words = ["train", "--network", str(described), "--data", str(table), "--target", "y",
             "--likelihood", "categorical", "--backend", backend, "--draws", "2", "--steps", "40",
             "--batch-size", "10", "--checkpoint-every", "10", "--out"]  # fmt: skip
    one, other = tmp_path / "one", tmp_path / "other"
    done = subprocess.run([sys.executable, "-c", DIES, *words, str(one)], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert load_checkpoint(one / "checkpoint.npz").state.step == 20
    assert call(capsys, "train", "--resume", "--out", one).code == 0
    assert call(capsys, *words, other).code == 0
    found, whole = (load_checkpoint(run / "checkpoint.npz").state for run in (one, other))
    for name in ("parameters", "moment_1", "moment_2"):
        assert np.array_equal(getattr(found, name).flat, getattr(whole, name).flat), name
    running = [name for name in found.parameters if "running" in name]
    start = found.parameters.network.init(0)
    assert running
    assert not any(np.array_equal(found.parameters[name], start[name]) for name in running)
