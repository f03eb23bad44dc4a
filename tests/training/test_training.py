"""Trainer and fit: the order of rows, the records, and what stops a run."""

import copy
import os
import pickle
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest
from small_training import NETWORK, SETTINGS, X, Y

from bnn_ref import (
    Adam,
    Categorical,
    DenseFlipout,
    Network,
    NonFinite,
    Normal,
    State,
    Trainer,
    draw_noise,
    fit,
    loss_and_gradients,
    reference,
)  # fmt: skip
from bnn_ref.priors import LaplacePrior
from bnn_ref.step.adam import update
from bnn_ref.training.history import History, batch_score


def test_a_step_is_draw_differentiate_adam():
    trainer = Trainer(NETWORK, 10, 1e-2, **SETTINGS)
    p = NETWORK.init(3, "float64")
    m, v = p.zeros_like(), p.zeros_like()
    for t in range(3):
        metrics = trainer.step(X, Y)
        noise = draw_noise(NETWORK, 10, 3, step=t, dtype="float64")
        result = loss_and_gradients(NETWORK, p, X, Y, noise, 1 / 10)
        assert metrics.loss == result.loss
        update(Adam(1e-2), t + 1, p.flat, result.gradients.flat, m.flat, v.flat)
        np.testing.assert_array_equal(trainer.parameters.flat, p.flat)
    assert trainer.state.step == 3


@pytest.mark.parametrize(
    ("network", "settings", "words"),
    [
        (
            NETWORK,
            {"seed": 4, "kl_weight": 1.0},
            "settings: expected none .* found kl_weight, seed",
        ),
        (Network([DenseFlipout(3, 4), DenseFlipout(4, 2)]), {}, "network: expected the trainer's"),
    ],
)
def test_what_a_given_trainer_would_not_read_is_refused(network, settings, words):
    trainer = Trainer(NETWORK, 10, **SETTINGS)
    with pytest.raises(ValueError, match=words):
        fit(network, (X, Y), steps=2, trainer=trainer, **settings)
    assert trainer.state.step == 0


def test_case_2_an_epoch_is_every_row_once_and_its_mean_is_over_rows(monkeypatch):
    seen = []

    def step(state, x, y, *, kl_weight, **rest):
        seen.append((np.asarray(x)[:, 0].tolist(), kl_weight))
        state.step += 1
        nll = [1.0, 1.0, 4.0][(state.step - 1) % 3]
        return reference.Metrics(nll, nll, 0.0, np.zeros(2), np.zeros((len(x), 2)))

    monkeypatch.setattr(reference, "train_step", step)
    x = np.arange(30.0).reshape(10, 3)
    run = fit(NETWORK, (x, Y), epochs=2, batch_size=4, **SETTINGS)
    assert [len(rows) for rows, _ in seen] == [4, 4, 2, 4, 4, 2]
    assert all(weight == 1 / 10 for _, weight in seen)
    for epoch in (seen[:3], seen[3:]):
        assert sorted(v for rows, _ in epoch for v in rows) == x[:, 0].tolist()
    assert [rows for rows, _ in seen[:3]] != [rows for rows, _ in seen[3:]]
    assert [(r["step"], r["epoch"], r["nll"]) for r in run.history.records] == [
        (3, 1, pytest.approx(1.6)), (6, 2, pytest.approx(1.6)),
    ]  # fmt: skip


def test_case_2_the_last_batchs_signs_have_its_rows():
    state = State.start(NETWORK.init(0))
    metrics = reference.train_step(state, X[:2], Y[:2], seed=0, kl_weight=0.1, adam=Adam())
    assert metrics.outputs.shape == (2, 2)


def test_case_21_batch_sizes():
    for bad in (0, -1, 1.5):
        with pytest.raises(ValueError, match="batch_size: expected a whole number, at least 1"):
            fit(NETWORK, (X, Y), epochs=1, batch_size=bad, **SETTINGS)
    run = fit(NETWORK, (X, Y), epochs=3, batch_size=128, **SETTINGS)
    assert run.trainer.state.step == 3


@pytest.mark.parametrize(
    "rate",
    [
        {"learning_rate": 1e-3},
        {"learning_rate": "cosine:0.02:0.1:0.3", "kl_warm_up": 0.5, "temperature": 0.3},
        {"learning_rate": lambda step: 0.01 / (1 + step), "kl_weight": lambda step: step / 90},
    ],
    ids=["constant", "cosine", "functions"],
)
@pytest.mark.parametrize("cut", [1, 5, 6, 7])
def test_a_run_in_two_parts_is_the_run_in_one(cut, rate):
    options = {"batch_size": 4, "validation": (X[:3], Y[:3]), "report_every": 2}
    settings = {**SETTINGS, **rate}
    whole = fit(NETWORK, (X, Y), steps=9, **options, **settings)
    first = fit(NETWORK, (X, Y), steps=9, on_record=None, **options, **settings,
                trainer=None, history=History())  # fmt: skip
    part = fit(NETWORK, (X, Y), steps=9, **{**options, "report_every": 1}, **settings,
               on_record=lambda trainer, record: trainer.state.step == cut)  # fmt: skip
    state = part.trainer.state.copy()
    assert state.step == cut
    trainer = Trainer(NETWORK, 10, state=state, steps=9, **settings)
    rest = fit(NETWORK, (X, Y), steps=9, trainer=trainer, **options)
    assert first.history.records == whole.history.records
    np.testing.assert_array_equal(rest.parameters.flat, whole.parameters.flat)
    np.testing.assert_array_equal(
        rest.trainer.state.moment_2.flat, whole.trainer.state.moment_2.flat
    )
    assert (
        rest.history.records[-1]["validation_nats"] == whole.history.records[-1]["validation_nats"]
    )


def test_validation_rows_are_not_counted_in_n():
    seen = []
    fit(NETWORK, (X, Y), steps=1, validation=(X[:3], Y[:3]), **SETTINGS,
        on_record=lambda trainer, record: seen.append((trainer.num_examples, record)))  # fmt: skip
    assert seen[0][0] == 10
    assert seen[0][1]["kl_weight"] == 1 / 10
    assert {"validation_nats", "validation_accuracy", "accuracy"} <= set(seen[0][1])


def test_sample_weights_make_n_their_sum():
    run = fit(NETWORK, (X, Y), steps=2, sample_weight=np.full(10, 2.5), **SETTINGS)
    assert run.trainer.num_examples == 25


def test_annealing_is_a_function_of_the_step():
    weights = []
    fit(NETWORK, (X, Y), steps=4, batch_size=5, report_every=1, **SETTINGS,
        kl_weight=lambda step: step / 100,
        on_record=lambda t, record: weights.append(record["kl_weight"]))  # fmt: skip
    assert weights == [0.0, 0.01, 0.02, 0.03]


def test_learning_happens():
    x = np.random.default_rng(1).normal(size=(400, 3))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    network = Network([DenseFlipout(3, 32, "relu"), DenseFlipout(32, 2)], Categorical())
    run = fit(network, (x, y), steps=800, batch_size=64, learning_rate=0.01, **SETTINGS)
    first, last = run.history.records[0], run.history.records[-1]
    assert last["loss"] < first["loss"]
    assert last["accuracy"] > 0.9


@pytest.mark.parametrize("adam", ["paper", "keras", Adam(0.5, beta_1=0.5)])
def test_adam_by_name_or_by_settings(adam):
    trainer = Trainer(NETWORK, 10, 1e-2, adam=adam, **SETTINGS)
    wanted = adam if isinstance(adam, Adam) else Adam(1e-2, convention=adam)
    assert trainer.adam == wanted


def test_a_callback_that_returns_true_stops():
    run = fit(NETWORK, (X, Y), steps=50, report_every=5, **SETTINGS,
              on_record=lambda trainer, record: record["step"] >= 10)  # fmt: skip
    assert (run.stopped, run.trainer.state.step) == ("callback", 10)


def test_checkpoints_come_first_every_so_often_and_last():
    steps = []
    fit(NETWORK, (X, Y), steps=7, checkpoint_every=3, **SETTINGS,
        on_checkpoint=lambda trainer, history: steps.append(trainer.state.step))  # fmt: skip
    assert steps == [0, 3, 6, 7]


@pytest.fixture
def own_handler():
    """Python's own handler of Ctrl-C, also where these tests run in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_after_the_step_and_keeps_it(own_handler):
    steps = []

    def interrupt(trainer, record):
        if record["step"] == 3:
            os.kill(os.getpid(), signal.SIGINT)

    run = fit(NETWORK, (X, Y), steps=50, report_every=1, on_record=interrupt, **SETTINGS,
              on_checkpoint=lambda trainer, history: steps.append(trainer.state.step))  # fmt: skip
    assert (run.stopped, run.trainer.state.step, steps) == ("interrupted", 3, [0, 3])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("through", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_of_a_trainer_goes_on_by_itself(backend, through):
    network = Network([DenseFlipout(300, 200, "relu"), DenseFlipout(200, 2)])
    x, y = np.random.default_rng(0).normal(size=(64, 300)).astype(np.float32), np.arange(64) % 2
    trainer = Trainer(network, 64, backend=backend, threads=2)
    trainer.step(x, y)
    other, before = through(trainer), trainer.parameters.flat.copy()
    other.step(x, y)
    assert (trainer.state.step, other.state.step) == (1, 2)
    np.testing.assert_array_equal(trainer.parameters.flat, before)
    trainer.step(x, y)
    np.testing.assert_array_equal(trainer.parameters.flat, other.parameters.flat)
    assert other.backend is trainer.backend


def test_fit_works_outside_the_main_thread():
    found = []
    thread = threading.Thread(
        target=lambda: found.append(fit(NETWORK, (X, Y), steps=3, **SETTINGS).trainer.state.step)
    )
    thread.start()
    thread.join()
    assert found == [3]


def test_a_value_that_is_not_finite_keeps_the_last_good_state():
    saved = []
    with pytest.raises(NonFinite) as error:
        fit(NETWORK, (X, Y), steps=50, batch_size=2, **SETTINGS,
            learning_rate=lambda step: 1e-3 if step < 20 else 1e300,
            on_checkpoint=lambda trainer, history: saved.append(trainer.state.step))  # fmt: skip
    assert saved[-1] == error.value.step - 1 == error.value.fit.trainer.state.step >= 20
    assert np.all(np.isfinite(error.value.fit.parameters.flat))


def test_a_state_of_another_network_is_refused_though_its_shapes_fit():
    other = [replace(one, activation="tanh") for one in NETWORK.layers]
    for layers in (other, [replace(one, kernel_prior=(0, 2)) for one in NETWORK.layers]):
        state = State.start(Network(layers, NETWORK.likelihood).init(0, "float64"))
        with pytest.raises(ValueError, match="state: expected parameters of this network"):
            Trainer(NETWORK, 10, state=state, **SETTINGS)
    again = Network(NETWORK.layers, NETWORK.likelihood).init(0, "float64")
    assert Trainer(NETWORK, 10, state=State.start(again), **SETTINGS).state.step == 0


def test_an_underflow_is_no_fault_whatever_numpys_error_state():
    network = Network([DenseFlipout(3, 2, kernel_prior=LaplacePrior())])
    with np.errstate(all="raise"):
        trainer = Trainer(network, 10, backend="numpy", dtype="float32")
        trainer.parameters["layers.0.kernel_mu"][...] = 3.0  # exp(-(3 / sigma)^2 / 2) is 0
        assert np.isfinite(trainer.step(X, Y).loss)


def test_scores_of_a_batch():
    z = np.array([[2.0, 1.0], [0.0, 3.0]])
    assert batch_score(Categorical(), z, [0, 0]) == 1
    assert batch_score(Normal(), z, np.zeros((2, 2))) == pytest.approx((5 + 9) / 2)
    network = Network([DenseFlipout(3, 1)], Normal(0.5))
    run = fit(network, (X, X[:, :1]), steps=3, report_every=1, **SETTINGS)
    assert "rmse" in run.history.records[0]
