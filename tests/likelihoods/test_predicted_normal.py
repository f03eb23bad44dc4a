"""A scale that the network predicts: SciPy, the complex step, and a case with a known truth."""

import json

import numpy as np
import pytest
import scipy.stats
from tolerances import COMPLEX_STEP, SAME_FLOAT64, relative

from bnn_ref import (
    DenseFlipout,
    Network,
    PredictedNormal,
    Trainer,
    draw_noise,
    fit,
    loss_and_gradients,
    predict,
)
from bnn_ref.elementary import softplus

RNG = np.random.default_rng(8)
Z, Y = RNG.normal(size=(9, 6)) * 2, RNG.normal(size=(9, 3))


def test_values_against_scipy():
    found = PredictedNormal(floor=0.01).nll_rows(Z, Y)
    scale = 0.01 + softplus(Z[:, 3:])
    wanted = -scipy.stats.norm.logpdf(Y, Z[:, :3], scale).sum(1)
    np.testing.assert_allclose(found, wanted, rtol=SAME_FLOAT64)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_gradients_against_the_complex_step(beta):
    """With beta each target's nll is weighted by s^(2 beta), which is held fixed."""
    likelihood = PredictedNormal(beta=beta)
    weight = RNG.uniform(0, 2, 9)
    nll, grad, own = likelihood.nll_and_gradient(Z, Y, weight)
    assert own == {}
    assert nll == pytest.approx(np.mean(weight * likelihood.nll_rows(Z, Y)), rel=1e-14)
    fixed = likelihood.parts(Z)[1] ** (2 * beta)
    step = np.empty_like(Z)
    for row, column in np.ndindex(Z.shape):
        z, d = Z + 0j, column % 3
        z[row, column] += 1e-30j
        alone = PredictedNormal().nll_rows(z[:, [d, d + 3]], Y[:, [d]])[row].imag / 1e-30
        step[row, column] = alone * fixed[row, d] * weight[row] / 9
    assert relative(grad, step) <= COMPLEX_STEP


def test_both_ends_are_stable():
    z = np.array([[0.0, -1000.0], [0.0, 1000.0]], "float32")
    with np.errstate(all="raise", under="ignore"):
        nll, grad, _ = PredictedNormal().nll_and_gradient(z, np.array([[1e-3], [5.0]]))
    assert np.isfinite(nll)
    assert np.all(np.isfinite(grad))


def test_the_whole_step_and_json():
    network = Network([DenseFlipout(3, 5, "tanh"), DenseFlipout(5, 4)], PredictedNormal(0.01))
    assert Network.from_json(json.loads(json.dumps(network.to_json()))) == network
    x, y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))
    p, noise = network.init(0, "float64"), draw_noise(network, 6, 0, dtype="float64")
    gradients = loss_and_gradients(network, p, x, y, noise, 0.1).gradients
    wide = p.astype("complex128")
    for name in p:
        step = np.empty_like(p[name])
        for place in np.ndindex(step.shape):
            wide[name][place] += 1e-30j
            step[place] = loss_and_gradients(network, wide, x, y, noise, 0.1).loss.imag / 1e-30
            wide[name][place] = p[name][place]
        assert relative(gradients[name], step) <= COMPLEX_STEP, name


def test_draws_are_reduced_by_the_law_of_total_variance():
    network = Network([DenseFlipout(3, 5, "tanh"), DenseFlipout(5, 2)], PredictedNormal())
    x, y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 1))
    p = network.init(0, "float64")
    found = predict(network, p, x, y, draws=4, backend="numpy", return_draws=True)
    assert found.samples.shape == (4, 6, 1)
    np.testing.assert_allclose(found.variance, found.aleatoric + found.epistemic, rtol=1e-14)
    np.testing.assert_allclose(found.samples.mean(0), found.mean, rtol=1e-6)
    assert np.ptp(found.aleatoric) > 0
    low, high = found.interval(0.9)
    assert np.all(low < high)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PredictedNormal(floor=-1),
         "likelihood.floor: expected a finite number, at least 0, found -1"),
        (lambda: PredictedNormal(beta=2), "likelihood.beta: expected a number from 0 to 1"),
        (lambda: PredictedNormal(beta="a"),
         "likelihood.beta: expected a number from 0 to 1, found 'a'"),
        (lambda: Network([DenseFlipout(3, 3)], PredictedNormal()),
         "outputs of the last layer: expected an even number"),
        (lambda: PredictedNormal().check_targets(np.zeros((2, 2)), (2,), 2), "y: expected shape"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def heteroscedastic(rows, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-4, 4, (rows, 1))
    return x, x * np.sin(x) + (0.1 + 0.4 * np.abs(x)) * rng.normal(size=(rows, 1))


@pytest.mark.slow
def test_a_scale_that_grows_with_x_is_found():
    """y = x sin x + (.1 + .4 |x|) noise, 500 rows: the scale within 35 % over 80 % of the range."""
    x, y = heteroscedastic(500, 0)
    network = Network([DenseFlipout(1, 50, "tanh"), DenseFlipout(50, 2)], PredictedNormal())
    trained = fit(network, (x, y), steps=6000, batch_size=128, learning_rate=0.01, seed=1,
                  backend="numpy", progress=False)  # fmt: skip
    grid = np.linspace(-4, 4, 201)[:, None]
    found = np.sqrt(predict(network, trained.parameters, grid, backend="numpy").aleatoric)
    ratio = found / (0.1 + 0.4 * np.abs(grid))
    assert np.mean(np.abs(ratio - 1) < 0.35) >= 0.8
    new, target = heteroscedastic(5000, 1)
    p = predict(network, trained.parameters, new, target, backend="numpy", return_draws=True)
    assert 0.86 <= p.coverage(0.9) <= 0.94


def test_a_few_steps_lower_the_loss():
    x, y = heteroscedastic(60, 0)
    network = Network([DenseFlipout(1, 8, "tanh"), DenseFlipout(8, 2)], PredictedNormal(beta=0.5))
    trainer = Trainer(network, 60, learning_rate=0.02, backend="numpy")
    losses = [trainer.step(x, y).loss for _ in range(150)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10])


@pytest.mark.filterwarnings("ignore:training has not settled")
def test_the_estimator_predicts_a_scale_for_every_row():
    sklearn = pytest.importorskip("bnn_ref.sklearn", exc_type=ImportError)
    x, y = heteroscedastic(200, 0)
    model = sklearn.FlipoutRegressor(scale="predicted", max_iter=60, random_state=0,
                                     backend="numpy").fit(x, y[:, 0])  # fmt: skip
    _, _, aleatoric, _ = model.predict(np.array([[0.0], [4.0]]), return_parts=True)
    assert aleatoric.shape == (2,)
    assert aleatoric[1] > aleatoric[0] > 0
