"""A likelihood of one's own. Oracles: the built-in ones, scipy, the complex step."""

import json

import needs_numba  # noqa: F401
import numpy as np
import pytest
from tolerances import COMPILED_FLOAT64, relative

from bnn_ref import Custom, DenseFlipout, Network, Normal, Trainer, fit, predict
from bnn_ref.runs.checkpoints import load_checkpoint, save_checkpoint


def squares(outputs, targets):
    """The Normal likelihood of scale 1, less its constant."""
    away = outputs - targets
    return 0.5 * np.sum(away * away, axis=1), away


def absolute(outputs, targets):
    """No function of complex numbers, so that differences check it."""
    away = outputs - targets
    return np.sum(np.abs(away), axis=1), np.sign(away.real)


def network(likelihood):
    return Network([DenseFlipout(3, 8, "tanh"), DenseFlipout(8, 2)], likelihood)


def data(rows=20):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 3)), rng.normal(size=(rows, 2))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_it_trains_as_the_likelihood_that_it_is(backend):
    x, y = data()
    weight = np.linspace(0, 2, 20)
    found = []
    for likelihood in (Normal(), Custom(squares)):
        trainer = Trainer(network(likelihood), 20, dtype="float64", backend=backend)
        metrics = [trainer.step(x, y, weight) for _ in range(5)]
        found.append((trainer.parameters.flat, metrics[-1].nll))
    (ours, nll), (theirs, custom) = found
    assert relative(theirs, ours) <= COMPILED_FLOAT64
    constant = np.log(2 * np.pi) * weight.mean()
    assert custom == pytest.approx(nll - constant, rel=1e-12)


def test_a_function_of_reals_alone_is_checked_by_differences():
    x, y = data()
    Trainer(network(Custom(absolute)), 20, dtype="float64", backend="numpy").step(x, y)


@pytest.mark.parametrize("of", [squares, absolute])
def test_a_wrong_gradient_is_named_at_the_first_step(of):
    x, y = data()

    def wrong(outputs, targets):
        losses, gradient = of(outputs, targets)
        gradient = gradient.copy()
        gradient[7, 1] *= 1.001
        return losses, gradient

    trainer = Trainer(network(Custom(wrong)), 20, dtype="float64", backend="numpy")
    before = trainer.parameters.flat.copy()
    with pytest.raises(ValueError, match=r"wrong: gradient\[7, 1\]: expected .*, by the losses"):
        trainer.step(x, y)
    assert np.array_equal(before, trainer.parameters.flat)
    Trainer(network(Custom(wrong, check=False)), 20, backend="numpy").step(x, y)


def test_shapes_are_checked_at_every_step():
    x, y = data()
    calls = []

    def shrinks(outputs, targets):
        calls.append(len(outputs))
        losses, gradient = squares(outputs, targets)
        return (losses, gradient) if len(outputs) == 20 else (losses.mean(), gradient)

    trainer = Trainer(network(Custom(shrinks)), 20, backend="numpy")
    trainer.step(x, y)
    with pytest.raises(ValueError, match=r"shrinks: losses: expected shape \(5\), found \(\)"):
        trainer.step(x[:5], y[:5])
    with pytest.raises(TypeError, match="expected .losses, gradient., found ndarray"):
        Custom(lambda z, t: z).losses(np.ones((2, 2)), np.ones(2))
    with pytest.raises(TypeError, match="function: expected a callable"):
        Custom(3)


def test_it_is_fitted_predicted_with_and_stored_by_name(tmp_path):
    x, y = data()
    net = network(Custom(squares, name="mine"))
    result = fit(net, (x, y), steps=30, backend="numpy", batch_size=10)
    assert "mean_loss" in result.history.records[-1]
    found = predict(net, result.parameters, x, y, draws=3, backend="numpy")
    assert found.mean.shape == (20, 2)
    assert "3 draws" in repr(found)
    back = Network.from_json(json.loads(json.dumps(net.to_json())))
    assert back == net
    with pytest.raises(ValueError, match="likelihood: expected the function mine itself"):
        Trainer(back, 20, backend="numpy").step(x, y)
    trainer = Trainer(net, 20, backend="numpy")
    trainer.step(x, y)
    save_checkpoint(tmp_path / "c.npz", trainer)
    loaded = load_checkpoint(tmp_path / "c.npz", network=net)
    again = Trainer(loaded.network, 20, backend="numpy", state=loaded.state)
    assert again.step(x, y).loss == trainer.step(x, y).loss
