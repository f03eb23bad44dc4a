"""What a person writes, as a type checker reads it; `test_typing.py` checks and runs it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import bnn_ref
from bnn_ref import Adam, DenseFlipout, Network, Normal, State, Trainer, draw_noise, fit, predict

rng = np.random.default_rng(0)
x: NDArray[np.float64] = rng.normal(size=(40, 3))
y: NDArray[np.float64] = np.sin(x[:, :1])

layers = [DenseFlipout(3, 8, "tanh", kernel_prior=(0.0, 0.5)), DenseFlipout(8, 1, bias="normal")]
network = Network(layers, Normal(0.1))
sizes: tuple[int, int, int] = (network.inputs, network.outputs, network.num_parameters)
parameters: bnn_ref.Parameters = network.init(seed=1, dtype="float64")
kernel: NDArray[Any] = parameters["layers.0.kernel_mu"]
names: list[str] = [name for name, array in parameters.items() if array.ndim == 2]
again: Network = Network.from_json(network.to_json())
filled = network.parameters(dict(parameters.items()))

noise = draw_noise(network, len(x), 7, dtype=np.float64)
outputs: NDArray[Any] = bnn_ref.forward(network, parameters, x, noise)
step = bnn_ref.loss_and_gradients(network, parameters, x, y, noise, 1 / 40)
slope: NDArray[Any] = step.gradients["layers.1.kernel_rho"]
terms: float = step.nll + step.kl / 40 - step.loss
per_layer: NDArray[np.float64] = bnn_ref.kl(network, parameters)
parts = [part.squared_mean for part in bnn_ref.kl_parts(network, parameters)]

trainer = Trainer(network, 40, 1e-2, backend="numpy", adam=Adam(1e-2, convention="keras"))
metrics = trainer.step(x, y)
state: State = trainer.state.copy()
taken: int = state.step


def stop(trainer: Trainer, record: dict[str, Any]) -> bool:
    """Return whether training may end."""
    return bool(record["loss"] < 0)


run = fit(network, (x, y), steps=3, backend="numpy", on_record=stop)
losses: list[float] = [record["loss"] for record in run.history.records]
found = predict(network, run.parameters, x, y, draws=4, return_draws=True, backend="numpy")
score: float = found.nats + found.rmse
low, high = found.interval(0.9)
width: NDArray[Any] = high - low
