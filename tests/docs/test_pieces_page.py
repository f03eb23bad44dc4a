"""The programs of docs/pieces.md run, and say what scipy says."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from bnn_ref import Trainer

TEXT = (Path(__file__).parents[2] / "docs" / "pieces.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def names():
    found = {}
    for block in re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/pieces.md", "exec"), found)
    return found


def test_the_network_of_the_page_steps(names):
    network = names["network"]
    rng = np.random.default_rng(0)
    trainer = Trainer(network, 10, backend="numpy")
    assert np.isfinite(trainer.step(rng.normal(size=(10, 8)), rng.normal(size=(10, 1))).loss)


@pytest.mark.parametrize("name", ["counts", "pairs"])
def test_the_two_losses_are_scipys_and_train(names, name):
    network, rng = names[name], np.random.default_rng(1)
    x = rng.normal(size=(30, 3))
    y = rng.poisson(2.0, (30, 2)) if name == "counts" else rng.normal(size=(30, 2))
    z = rng.normal(size=(30, network.outputs))
    losses = network.likelihood.nll_rows(z, y)
    for row in (0, 7):
        if name == "counts":
            exact = -np.sum(scipy.stats.poisson.logpmf(y[row], np.exp(z[row])))
        else:
            lower = np.array([[np.exp(z[row, 2]), 0], [z[row, 3], np.exp(z[row, 4])]])
            covariance = np.linalg.inv(lower @ lower.T)
            exact = -scipy.stats.multivariate_normal(z[row, :2], covariance).logpdf(y[row])
        assert losses[row] == pytest.approx(exact, rel=1e-12)
    network.likelihood.check_gradient(z, y)
    trainer = Trainer(network, 30, 0.02, backend="numpy")
    steps = [trainer.step(x, y).loss for _ in range(60)]
    assert np.mean(steps[-10:]) < np.mean(steps[:10])
