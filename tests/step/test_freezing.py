"""Frozen tensors in both back ends: gradients are computed, nothing of them moves."""

import warnings

import needs_numba  # noqa: F401
import numpy as np
import pytest
from command import call
from tolerances import COMPILED_TEN_STEPS, relative

from bnn_ref import Adam, DenseFlipout, Network, Normal, State, Trainer, fit, reference
from bnn_ref.cli.sweep import parse_settings
from bnn_ref.fast import compiled
from bnn_ref.layers import BatchNorm, Dense
from bnn_ref.runs.checkpoints import load_checkpoint, save_checkpoint
from bnn_ref.runs.opened import open_run
from bnn_ref.step import frozen_names
from bnn_ref.sweep import cell_text

LAYERS = [DenseFlipout(4, 5, "tanh", bias="normal"), DenseFlipout(5, 2)]
PLAIN = Network(LAYERS, Normal(0.5, learn_scale=True))
MIXED = Network([LAYERS[0], BatchNorm(), Dense(5, 5, "relu"), LAYERS[1]], PLAIN.likelihood)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 4)), RNG.normal(size=(12, 2))
BOTH = pytest.mark.parametrize("backend", [reference, compiled])
PARTS = ("parameters", "moment_1", "moment_2")


def test_names_are_tensors_or_what_some_begin_with():
    kernel = ("layers.0.kernel_mu", "layers.0.kernel_rho")
    assert frozen_names(PLAIN, "layers.0.kernel") == kernel
    assert frozen_names(PLAIN, ["likelihood", *kernel[::-1]]) == (*kernel, "likelihood.scale_rho")
    assert frozen_names(PLAIN, "layers.0") == tuple(PLAIN.parameter_shapes)[:4]
    assert frozen_names(PLAIN, ()) == ()
    for bad in ("layers.2", "layers.0.kern", "layers.", [""]):
        with pytest.raises(ValueError, match="freeze: expected names of tensors"):
            frozen_names(PLAIN, bad)
    for bad in (3, True, object()):
        with pytest.raises(ValueError, match="freeze: expected names of tensors, or None"):
            Trainer(PLAIN, 12, freeze=bad)


@BOTH
@pytest.mark.parametrize("draws", [1, 2])
@pytest.mark.parametrize("network", [PLAIN, MIXED], ids=["plain", "mixed"])
def test_only_what_is_not_frozen_moves_and_as_it_would(network, draws, backend):
    """One step: a gradient asks for no other tensor's update."""
    freeze = ("layers.0.kernel", "layers.1", "likelihood")
    frozen = frozen_names(network, freeze)
    start = State.start(network.init(1, "float64"))
    free, held = start.copy(), start.copy()
    options = {"seed": 1, "kl_weight": 0.1, "adam": Adam(0.01), "draws": draws}
    backend.train_step(free, X, Y, **options)
    metrics = backend.train_step(held, X, Y, freeze=freeze, **options)
    assert held.step == 1
    assert np.isfinite(metrics.loss)
    for part in PARTS:
        for name, value in getattr(held, part).items():
            wanted = getattr(start if name in frozen else free, part)[name]
            assert np.array_equal(value, wanted), (part, name)
    assert any(not np.array_equal(free.parameters[n], start.parameters[n]) for n in frozen)


def test_both_back_ends_take_the_same_steps():
    states = [State.start(MIXED.init(1, "float64")) for _ in range(2)]
    for _ in range(10):
        for backend, state in zip((reference, compiled), states, strict=True):
            backend.train_step(state, X, Y, seed=1, kl_weight=0.1, adam=Adam(0.01, epsilon=1e-3),
                               freeze="layers.3.kernel_rho")  # fmt: skip
    for part in PARTS:
        exact, found = (getattr(state, part).flat for state in states)
        assert relative(found, exact) <= COMPILED_TEN_STEPS


@BOTH
def test_an_update_that_may_not_be_finite_looks_at_what_moves(backend):
    """epsilon 0 and a gradient of 0 in what is frozen: 0 / 0 is of no matter there."""
    network = Network([DenseFlipout(4, 2, bias="none")], Normal())
    state = State.start(network.init(0, "float64"))
    before = state.parameters.flat.copy()
    x = X.copy()
    x[:, 0] = 0  # no gradient of the nll, and none of the KL
    backend.train_step(state, x, Y, seed=0, kl_weight=0.0, adam=Adam(epsilon=0.0),
                       freeze="layers.0")  # fmt: skip
    assert state.step == 1
    assert np.array_equal(state.parameters.flat, before)


def test_a_trainer_and_its_checkpoint(tmp_path):
    trainer = Trainer(PLAIN, 12, 0.01, freeze="layers.1")
    before = trainer.parameters.copy()
    for _ in range(3):
        trainer.step(X, Y)
    moved = {n for n in before if not np.array_equal(before[n], trainer.parameters[n])}
    assert moved == set(before) - set(trainer.freeze)
    save_checkpoint(tmp_path / "a.npz", trainer)
    assert trainer.freeze == tuple(n for n in PLAIN.parameter_shapes if n.startswith("layers.1"))
    again = load_checkpoint(tmp_path / "a.npz").trainer()
    assert again.freeze == trainer.freeze
    again.step(X, Y)
    trainer.step(X, Y)
    assert np.array_equal(again.parameters.flat, trainer.parameters.flat)


def test_fit_freezes():
    found = fit(PLAIN, (X, Y), steps=3, freeze=["layers.0"], backend="numpy")
    first = PLAIN.init(0, "float32")
    for name, value in found.parameters.items():
        assert np.array_equal(value, first[name]) == name.startswith("layers.0."), name


TRAIN = ("train", "--layers", "4", "--draws", 1, "--backend", "numpy", "--steps", 3)


def test_a_run_freezes_records_it_and_goes_on_so(tmp_path, capsys):
    run = tmp_path / "run"
    found = call(capsys, *TRAIN, "--freeze", "layers.0.kernel,layers.1.kernel_rho", "--out", run)
    assert found.code == 0, found.err
    opened = open_run(run)
    assert opened.settings["freeze"] == ["layers.0.kernel", "layers.1.kernel_rho"]
    frozen = ("layers.0.kernel_mu", "layers.0.kernel_rho", "layers.1.kernel_rho")
    assert opened.trainer().freeze == frozen
    assert "--freeze layers.0.kernel,layers.1.kernel_rho" in opened.command
    start = opened.network.init(0, "float32")
    assert call(capsys, "train", "--resume", "--out", run, "--steps", 5).code == 0
    after = dict(open_run(run).parameters.items())
    still = {name for name, value in start.items() if np.array_equal(after[name], value)}
    assert still == set(frozen)
    refused = call(capsys, *TRAIN, "--freeze", "layers.7")
    assert refused.code == 2
    assert "freeze: expected names of tensors" in refused.err
    assert call(capsys, *TRAIN, "--out", tmp_path / "all").code == 0
    assert "--freeze" not in open_run(tmp_path / "all").command


def test_an_estimator_and_a_sweep_freeze():
    FlipoutRegressor = pytest.importorskip("bnn_ref.sklearn", exc_type=ImportError).FlipoutRegressor
    x = np.random.default_rng(0).normal(size=(12, 3))
    model = FlipoutRegressor((4,), max_iter=2, freeze="layers.0", backend="numpy", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, x[:, 0])
    start = model.network_.init(model.seed_, "float32")
    still = {n for n, v in model.state_.parameters.items() if np.array_equal(v, start[n])}
    assert still == {name for name in start if name.startswith("layers.0")}
    found = parse_settings(["freeze=layers.0,layers.0+layers.1,"])
    assert found == {"freeze": [["layers.0"], ["layers.0", "layers.1"], None]}
    assert cell_text(["layers.0", "layers.1"]) == "layers.0+layers.1"
    assert cell_text([128, 64]) == "128x64"
