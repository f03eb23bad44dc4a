"""What a person writes with each of the other rooms; `test_typing.py` checks and runs it.

What needs an extra stands in a function of its own, which is checked without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import bnn_ref
from bnn_ref import Dense, DenseFlipout, Dropout, Network, Normal, NormalPrior, Residual, toys
from bnn_ref.data import Dataset, Reading, load, make_dataset
from bnn_ref.explain import explain, small_subject
from bnn_ref.layers import Layer, LayerParameters, LayerTrace
from bnn_ref.likelihoods import Bernoulli, Categorical, Likelihood, PredictedNormal
from bnn_ref.noise import IndependentNoise, LocalNoise, Noise, draw_noise, permutation
from bnn_ref.prediction import calibration_error, crps, interval_score, reduce_draws
from bnn_ref.priors import LaplacePrior, MixturePrior, Prior, make_prior
from bnn_ref.runs.checkpoints import load_checkpoint, save_checkpoint
from bnn_ref.sweep import Outcome, grid, table
from bnn_ref.training import Convergence, Cosine
from bnn_ref.verification import (
    Check,
    assert_agrees,
    check_gradients,
    check_implementation,
    check_kl,
    check_layer,
    check_objective,
    check_vector,
    complex_step,
    explain_objective,
    new_question,
)
from bnn_ref.verification.vectors import Vector

rng = np.random.default_rng(0)

# Priors and likelihoods
priors: list[Prior] = [NormalPrior(0.0, 0.5), LaplacePrior(scale=0.3), make_prior((0, 1.0)),
                       MixturePrior(scales=(1.0, 0.1), weights=[0.5, 0.5])]  # fmt: skip
mu: NDArray[np.float64] = rng.normal(size=(3, 2))
divergence: NDArray[Any] = priors[0].kl(mu, np.ones_like(mu))
by_mu, by_sigma = priors[0].kl_gradient(mu, np.ones_like(mu))
words: str = priors[1].describe()
likelihoods: list[Likelihood] = [Normal(0.1), Categorical(), Bernoulli(), PredictedNormal()]
nll, grad_z, own = likelihoods[0].nll_and_gradient(mu, np.zeros((3, 2)))
described: dict[str, Any] = likelihoods[1].to_json()

# Layers and noise
layers: list[Layer] = [Dense(3, 4, "relu"), Dropout(0.1), Residual([DenseFlipout(4, 4)]),
                       DenseFlipout(4, 1, kernel_prior=priors[0])]  # fmt: skip
network = Network(layers, Normal(0.1))
parameters = network.init(dtype="float64")
shapes: dict[str, tuple[int, ...]] = network.parameter_shapes
first: LayerParameters = parameters.layers[0]
noise: Noise = draw_noise(network, 5, 0, dtype="float64")
either: Noise | LocalNoise | IndependentNoise = draw_noise(
    Network([DenseFlipout(3, 1)]), 5, 0, estimator="local"
)
trace: LayerTrace = layers[0].forward(first, noise.layers[0], rng.normal(size=(5, 3)))
order: NDArray[np.intp] = permutation(10, 0, "shuffle")

# Data, training, prediction, checkpoints
x, y = toys.sine(rows=40)
data: Dataset = make_dataset("sine", "npz", {"x_train": x, "y_train": y[:, None]}, task="normal",
                             holdout=8, dtype="float64")  # fmt: skip
inputs: int = data.inputs
reading = Reading(missing=("?",), categorical="all")
dense = Network([DenseFlipout(1, 4, "tanh"), DenseFlipout(4, 1)], Normal(0.2))
run = bnn_ref.fit(dense, data, steps=4, learning_rate=Cosine(1e-2), backend="numpy",
                  batch_size=8)  # fmt: skip
settled: Convergence = run.convergence
found = bnn_ref.predict(dense, run.parameters, x, draws=3, backend="numpy")
mean: NDArray[Any] | None = found.mean
drawn = reduce_draws(Normal(0.2), [np.zeros((40, 1)), np.ones((40, 1))], y[:, None])
error: float = calibration_error([0.2, 0.9], [False, True], bins=5)
scores: float = crps(y, y, np.ones_like(y)) + interval_score(y, y - 1, y + 1, coverage=0.5)


def read(path: str | Path) -> tuple[Dataset, NDArray[Any]]:
    """Return the digits, or a table's rows, and one batch of them."""
    rows = load(path, target="price", reading=reading) if path else load()
    return rows, rows.train.x[:8]


def keep(path: Path) -> int:
    """Return the step of a checkpoint that was written and read."""
    save_checkpoint(path, run.trainer, run.history)
    return load_checkpoint(path, dense).state.step


# Verification and the checkers
question: Vector = new_question([2, 3, 1], likelihood=Normal(0.5), rows=4)
result = bnn_ref.loss_and_gradients(question.network, question.parameters(), question.x,
                                    question.y, question.noise(), question.kl_weight)  # fmt: skip
checked: Check = check_vector(question.answer(result, "typical uses"))
verdict: bool = checked.agrees
assert_agrees(question, nll=result.nll, kl=result.kl, partial=True)


def answer(asked: Vector) -> Mapping[str, ArrayLike]:
    """Return what an implementation of one's own answers to a question."""
    step = bnn_ref.loss_and_gradients(asked.network, asked.parameters(), asked.x, asked.y,
                                      asked.noise(), asked.kl_weight)  # fmt: skip
    return {"outputs": step.outputs, "nll": step.nll}


report = check_implementation(answer, [question], partial=True)
wrong: tuple[Check, ...] = report.wrong


def square(arrays: dict[str, NDArray[Any]]) -> Any:
    """Return a loss whose gradient is 2 w."""
    return np.sum(arrays["w"] ** 2)


gradients: dict[str, NDArray[Any]] = complex_step(square, {"w": mu})
judged: bool = check_gradients(square, {"w": mu}, {"w": 2 * mu}).agrees
form: str = check_kl(lambda: float(np.sum(divergence)), mu, np.ones_like(mu), (0.0, 0.5)).form
objective: str = explain_objective(1000, 10, 50, kl="mean").key


def hold_against(model: Any, kernel: NDArray[Any], rows: NDArray[Any]) -> tuple[str, bool]:
    """Return what a layer's noise is, and whether a loss has the KL once, divided by N."""
    layer = check_layer(model, kernel, np.abs(kernel), rows, draws=200)
    loss = check_objective(model.loss, model, rows, rows[:, 0], num_examples=100, num_weights=6,
                           kl=1.0)  # fmt: skip
    return layer.kind, loss.agrees


# Explanations and sweeps
sheet = explain("kl", small_subject())
text: str = sheet.text()
cells: list[dict[str, Any]] = grid({"seed": [0, 1], "layers": [[8], [16]]})
columns, rows = table([Outcome(cells[0], {"nats": -0.1}, None, 0.5)])


def estimate() -> NDArray[Any]:
    """Return what the estimators predict (the extra `sklearn`)."""
    from bnn_ref.sklearn import FlipoutClassifier, FlipoutRegressor

    regressor = FlipoutRegressor((8,), max_iter=2, learn_scale=False, random_state=0,
                                 backend="numpy").fit(x, y)  # fmt: skip
    low, high = regressor.predict_interval(x, coverage=0.5)
    classifier = FlipoutClassifier(max_iter=2, backend="numpy").fit(x, y > 0)
    total, epistemic = classifier.predict_uncertainty(x)
    losses: list[float] = regressor.loss_curve_
    return np.concatenate([high - low, total - epistemic, losses])


def draw_pictures(folder: Path) -> None:
    """Save what `plot` draws (the extra `plot`)."""
    from bnn_ref import plot

    axes = plot.band(run, x, y, draws=3)
    axes.set_title(f"{run.trainer.state.step} steps")
    plot.learning(run.history, ax=plot.functions(run, x, draws=2))
    plot.posterior(run).savefig(folder / "posterior.png")


def write_report(folder: Path) -> list[str]:
    """Write a run's report and its figures (the extra `plot`)."""
    from bnn_ref.report import make_report, save_plots, write_page
    from bnn_ref.runs.opened import open_run

    page = make_report(open_run(folder), draws=5)
    write_page(page, folder / "report.html")
    return save_plots(page, folder)
