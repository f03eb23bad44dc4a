"""What a script may hand over by mistake: one line that names it, and a state that is as it was."""

import numpy as np
import pytest

from bnn_ref import (
    Adam,
    Bernoulli,
    Categorical,
    DenseFlipout,
    Network,
    NonFinite,
    Normal,
    Trainer,
    draw_noise,
    fit,
    loss_and_gradients,
    predict,
)

NETWORK = Network([DenseFlipout(3, 4, "relu"), DenseFlipout(4, 2)], Categorical())
PARAMETERS = NETWORK.init(0)
X, Y = np.ones((5, 3), np.float32), np.array([0, 1, 0, 1, 1])
NOISE = draw_noise(NETWORK, 5, 0)


def step(x=X, y=Y, noise=NOISE, kl_weight=0.1, network=NETWORK, **options):
    return loss_and_gradients(network, PARAMETERS, x, y, noise, kl_weight, **options)


def train(data=(X, Y), network=NETWORK, **options):
    return fit(network, data, **({"steps": 1, "backend": "numpy"} | options))


def foresee(x=X, y=None, **options):
    return predict(NETWORK, PARAMETERS, x, y, **({"draws": 2, "backend": "numpy"} | options))


def with_nan(array, place):
    array = np.array(array, np.float64)
    array[place] = np.nan
    return array


BAD = {
    # shapes
    "x of rank 1": (lambda: step(np.ones(3)), "x: expected rank 2"),
    "x too wide": (lambda: step(np.ones((5, 4))), "x: expected last dimension 3"),
    "y too short": (lambda: step(y=Y[:4]), r"y: expected shape \(5,\).*found \(4,\)"),
    "y a column": (lambda: step(y=Y[:, None]), r"y: expected shape \(5,\).*found \(5, 1\)"),
    "y one-hot": (lambda: step(y=np.eye(2)[Y]), r"y: expected shape \(5,\).*found \(5, 2\)"),
    "noise of another batch": (
        lambda: step(noise=draw_noise(NETWORK, 4, 0)),
        r"noise\[0\].sign_input: expected \(5, 3\), found \(4, 3\)",
    ),
    "noise of another network": (
        lambda: step(noise=draw_noise(Network([DenseFlipout(3, 2)]), 5, 0)),
        "noise: expected 2 layers, found 1",
    ),
    "weights of another batch": (lambda: step(sample_weight=np.ones(4)), "sample_weight: expected"),
    "layers that do not fit": (
        lambda: Network([DenseFlipout(3, 4), DenseFlipout(5, 2)]),
        r"layers\[1\].inputs: expected 4",
    ),
    "fit, rows differ": (lambda: train((X, Y[:3])), "y: expected 5 rows"),
    "predict, too wide": (lambda: foresee(np.ones((2, 9))), "x: expected last dimension 3"),
    # dtypes
    "x of text": (lambda: step(np.full((5, 3), "a")), "x: expected numbers, found dtype <U1"),
    "x of complex numbers": (lambda: step(X * 1j), "x: expected numbers, found dtype complex"),
    "y of text": (lambda: step(y=np.array(list("abcde"))), "y: expected numbers, found dtype <U1"),
    "noise of another dtype": (
        lambda: step(noise=draw_noise(NETWORK, 5, 0, dtype="float64")),
        r"noise\[0\].kernel_eps: expected dtype float32, found float64",
    ),
    "float16": (lambda: NETWORK.init(0, "float16"), "dtype: expected float32 or float64"),
    "dtype of text": (lambda: NETWORK.init(0, "double-ish"), "dtype: expected float32"),
    # values
    "label too large": (lambda: step(y=[0, 1, 2, 0, 0]), "found 2 in row 2"),
    "label below 0": (lambda: step(y=[0, 1, 0, -1, 0]), "found -1 in row 3"),
    "label of 3.5": (lambda: step(y=[0, 3.5, 0, 0, 0]), "found 3.5 in row 1"),
    "label NaN": (lambda: step(y=with_nan(Y, 4)), "found nan in row 4"),
    "negative weight": (lambda: step(sample_weight=[1, 1, -1, 1, 1]), "found -1.0 in row 2"),
    "KL weight NaN": (
        lambda: Trainer(NETWORK, 5, kl_weight=np.nan, backend="numpy"),
        "kl_weight: ",
    ),
    "KL weight of text": (
        lambda: Trainer(NETWORK, 5, kl_weight="1", backend="numpy"),
        "kl_weight: ",
    ),
    "0/1 targets of 2": (
        lambda: step(y=np.full((5, 2), 2.0), network=Network(NETWORK.layers, Bernoulli())),
        "y: expected .*found 2.0 in row 0",
    ),
    "infinite target": (
        lambda: step(y=np.full((5, 2), np.inf), network=Network(NETWORK.layers, Normal())),
        "y: expected finite numbers, found inf in row 0",
    ),
    # nothing
    "a loss of no rows": (
        lambda: step(X[:0], Y[:0], draw_noise(NETWORK, 0, 0)),
        r"x: expected at least one row \(a loss of nothing",
    ),
    "fit to no rows": (lambda: train((X[:0], Y[:0])), "x: expected at least one row"),
    "a network of no layers": (lambda: Network([]), "layers: expected at least one layer"),
    "nats of no rows": (lambda: foresee(X[:0], Y[:0]).nats, "at least one row for a score"),
    "nats without targets": (lambda: foresee().nats, "expected targets y for a score"),
    "neither steps nor epochs": (
        lambda: train(steps=None),
        "expected one of the two, found neither",
    ),
    # sizes
    "no inputs": (lambda: DenseFlipout(0, 3), "inputs: expected a whole number, at least 1"),
    "outputs of -1": (lambda: DenseFlipout(3, -1), "outputs: expected a whole number, at least 1"),
    "outputs of 2.5": (lambda: DenseFlipout(3, 2.5), "outputs: expected a whole number"),
    "True inputs": (lambda: DenseFlipout(True, 3), "inputs: expected a whole number"),
    "batch of 0": (lambda: train(batch_size=0), "batch_size: expected a whole number, at least 1"),
    "batch of -1": (lambda: train(batch_size=-1), "batch_size: expected a whole number"),
    "steps of -1": (lambda: train(steps=-1), "steps: expected a whole number, at least 0"),
    "no draws": (lambda: foresee(draws=0), "draws: expected a whole number, at least 1"),
    "N of 0": (lambda: Trainer(NETWORK, 0, backend="numpy"), "num_examples: expected"),
    "rows of -1": (lambda: draw_noise(NETWORK, -1, 0), "rows: expected a whole number"),
    "seed of -1": (lambda: draw_noise(NETWORK, 1, -1), "seed: expected a whole number, at least 0"),
    "seed of 2**64": (lambda: draw_noise(NETWORK, 1, 2**64), r"seed: expected .* below 2\*\*64"),
    "step of 2**32": (lambda: draw_noise(NETWORK, 1, 0, step=2**32), r"step: .* below 2\*\*32"),
    "learning rate -1": (lambda: Adam(-1), "learning_rate: expected a finite number above 0"),
    "beta of 1": (lambda: Adam(beta_1=1), "beta_1: expected"),
    "scale of 0": (lambda: Normal(0), "likelihood.scale: expected a finite standard deviation"),
    "prior scale of -1": (lambda: DenseFlipout(3, 2, kernel_prior=(0, -1)), "kernel_prior.scale: "),
    "shift of -1": (lambda: DenseFlipout(3, 2, scale_shift=-1), "scale_shift: expected"),
    "initial sigma beyond float32": (
        lambda: Network([DenseFlipout(3, 2, initial_sigma=1e39)]).init(0),
        r"initial layers.0.kernel_rho: expected numbers finite in float32, found 1e\+39",
    ),
    "inputs beyond float32": (
        lambda: step(np.where(np.arange(15).reshape(5, 3) == 7, 1e39, 1.0)),
        r"x: expected numbers finite in float32, found 1e\+39 in row 2, column 1",
    ),
    # unknown names
    "activation": (lambda: DenseFlipout(3, 2, "swish"), "activation: expected one of"),
    "bias": (lambda: DenseFlipout(3, 2, bias="yes"), "bias: expected one of none, deterministic"),
    "bias prior of no posterior": (
        lambda: DenseFlipout(3, 2, bias="none", bias_prior=(0, 1)),
        "bias_prior: expected None",
    ),
    "likelihood": (
        lambda: Network(NETWORK.layers, "categorical"),
        "likelihood: expected an instance",
    ),
    "back end": (lambda: foresee(backend="cuda"), "backend: expected 'numba', 'numpy' or a module"),
    "estimator": (lambda: draw_noise(NETWORK, 1, 0, estimator="radial"), "estimator: expected"),
    "convention": (lambda: Adam(convention="torch"), "adam: expected one of paper"),
    "kind of draw": (lambda: foresee(kind="map"), "kind: expected one of weights, flipout, mean"),
    "data": (lambda: train("digits"), r"data: expected a pair \(x, y\) or a data set, found str"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_line_that_names_it(name):
    call, message = BAD[name]
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


STEPS = {
    "NaN in x": lambda t: t.step(with_nan(X, (2, 1)), Y),
    "infinite x": lambda t: t.step(np.where(X > 0, np.inf, X), Y),
    "bad label": lambda t: t.step(X, [0, 1, 0, 9, 0]),
    "other width": lambda t: t.step(np.ones((5, 2)), Y),
    "NaN weight": lambda t: t.step(X, Y, sample_weight=np.full(5, np.nan)),
    "x beyond float32": lambda t: t.step(np.full((5, 3), 1e39), Y),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_refused_step_changes_nothing(name):
    trainer = Trainer(NETWORK, 5, backend="numpy")
    trainer.step(X, Y)
    before = trainer.state.copy()
    with np.errstate(all="ignore"), pytest.raises((ValueError, NonFinite)):
        STEPS[name](trainer)
    assert trainer.state.step == before.step == 1
    for tensor in ("parameters", "moment_1", "moment_2"):
        assert (
            getattr(trainer.state, tensor).flat.tobytes() == getattr(before, tensor).flat.tobytes()
        )
    assert np.isfinite(trainer.step(X, Y).loss)
