"""Averaged predictions: worked numbers of the cases, and rows that do not know their neighbours."""

import numpy as np
import pytest
import scipy.stats

from bnn_ref import Bernoulli, Categorical, DenseFlipout, Network, Normal, predict
from bnn_ref.prediction import calibration_bins, calibration_error, reduce_draws

LIKELIHOODS = [Categorical(), Bernoulli(), Normal(0.3), Normal(0.3, learn_scale=True)]
RNG = np.random.default_rng(1)


def network_of(likelihood, bias="normal"):
    layers = [DenseFlipout(6, 40, "tanh", bias=bias), DenseFlipout(40, 3, bias=bias)]
    return Network(layers, likelihood)


def targets(likelihood, rows):
    if isinstance(likelihood, Categorical):
        return RNG.integers(0, 3, rows)
    return (
        RNG.integers(0, 2, (rows, 3))
        if isinstance(likelihood, Bernoulli)
        else RNG.normal(size=(rows, 3))
    )


def test_case_22_probabilities_are_averaged_not_logits():
    p = reduce_draws(Categorical(), [[[8.0, 0.0]], [[0.0, 2.0]]], y=[0])
    assert p.probabilities[0, 0] == pytest.approx(0.5594338, abs=5e-8)
    assert -p.log_prob[0] == pytest.approx(0.5808301, abs=5e-8)
    assert (p.nats, p.accuracy) == (pytest.approx(-0.5808301, abs=5e-8), 1.0)


def test_case_23_uncertainty_by_hand():
    p = reduce_draws(Categorical(), [np.log([[0.3, 0.2, 0.5]]), np.log([[0.1, 0.8, 0.1]])])
    np.testing.assert_allclose(p.aleatoric, [[0.15, 0.16, 0.17]], rtol=1e-12)
    np.testing.assert_allclose(p.epistemic, [[0.01, 0.09, 0.04]], rtol=1e-12)
    assert p.total_entropy[0] == pytest.approx(1.0296530, abs=5e-8)
    assert p.expected_entropy[0] == pytest.approx(0.8343424, abs=5e-8)
    assert p.mutual_information[0] == pytest.approx(0.1953106, abs=5e-8)
    p = reduce_draws(Categorical(), [[[1e4, 0.0]], [[0.0, 1e4]]])
    assert p.mutual_information[0] == pytest.approx(np.log(2), rel=1e-15)


def test_case_24_calibration_error():
    assert calibration_error([0.95, 1.0], [True, False]) == pytest.approx(0.475)
    count, confidence, accuracy = calibration_bins([0.95, 1.0, 0.05], [1, 0, 0])
    assert count.tolist() == [1] + [0] * 8 + [2]
    assert confidence[9] == pytest.approx(0.975)
    assert accuracy[9] == 0.5
    with pytest.raises(ValueError, match="confidence: expected numbers from 0 to 1"):
        calibration_error([1.2], [True])
    with pytest.raises(ValueError, match="confidence: expected at least one row"):
        calibration_error([], [])


def test_regression_is_a_mixture_of_normals():
    z = RNG.normal(size=(30, 5, 2))
    y = RNG.normal(size=(5, 2))
    p = reduce_draws(Normal(0.5), z, y)
    np.testing.assert_allclose(p.mean, z.mean(0), rtol=1e-13)
    np.testing.assert_allclose(p.epistemic, z.var(0), rtol=1e-12)
    np.testing.assert_allclose(p.variance, z.var(0) + 0.25, rtol=1e-12)
    density = np.prod(scipy.stats.norm.pdf(y, z, 0.5), axis=2).mean(0)
    np.testing.assert_allclose(p.log_prob, np.log(density), rtol=1e-12)
    assert p.rmse == pytest.approx(np.sqrt(np.mean((z.mean(0) - y) ** 2)), rel=1e-12)


def test_bernoulli_outputs_are_independent():
    z = RNG.normal(size=(20, 4, 3))
    y = RNG.integers(0, 2, (4, 3))
    q = 1 / (1 + np.exp(-z))
    p = reduce_draws(Bernoulli(), z, y)
    np.testing.assert_allclose(p.probabilities, q.mean(0), rtol=1e-12)
    wanted = np.log(np.prod(np.where(y, q, 1 - q), axis=2).mean(0))
    np.testing.assert_allclose(p.log_prob, wanted, rtol=1e-12)
    entropy = scipy.stats.bernoulli(q).entropy().sum(-1).mean(0)
    np.testing.assert_allclose(p.expected_entropy, entropy, rtol=1e-12)
    assert p.accuracy == np.mean((q.mean(0) > 0.5) == y)
    assert 0 <= p.calibration_error <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["weights", "flipout", "mean"])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_rows_prediction_does_not_depend_on_its_neighbours(likelihood, kind, dtype):
    network = network_of(likelihood, "normal_flipped")
    p = network.init(2, dtype)
    x, y = RNG.normal(size=(300, 6)), targets(likelihood, 300)
    options = {"draws": 3, "seed": 5, "kind": kind, "backend": "numpy"}
    whole = predict(network, p, x, y, **options)
    chunked = predict(network, p, x, y, rows_at_once=128, **options)
    first = predict(network, p, x[:50], y[:50], **options)
    for name in ("probabilities", "mean", "epistemic", "log_prob", "mutual_information"):
        all_rows = getattr(whole, name)
        if all_rows is None:
            assert getattr(chunked, name) is None
            continue
        np.testing.assert_array_equal(getattr(chunked, name), all_rows)
        np.testing.assert_array_equal(getattr(first, name), all_rows[:50])
    if kind != "flipout":  # whole weights: a row may stand anywhere
        turned = predict(network, p, x[::-1], y[::-1], **options)
        np.testing.assert_array_equal(turned.log_prob[::-1], whole.log_prob)


@pytest.mark.parametrize("bias", ["none", "deterministic", "normal", "normal_flipped"])
def test_whole_weights_and_flipout_draws_have_the_same_distribution(bias, volume):
    """Per row: mean and variance of 4,000 draws of one layer, each within 5 standard errors.

    Quickly of 400 draws.
    """
    draws = volume(400, 4000)
    network = Network([DenseFlipout(3, 2, bias=bias)], Normal())
    p = network.init(1, "float64")
    x = RNG.normal(size=(4, 3))
    mean = x @ p.layers[0].kernel_mu + (0 if bias == "none" else p.layers[0].bias_mu)
    sigma = np.log1p(np.exp(p.layers[0].kernel_rho))
    variance = x**2 @ sigma**2
    if bias.startswith("normal"):
        variance = variance + np.log1p(np.exp(p.layers[0].bias_rho)) ** 2
    for kind in ("weights", "flipout"):
        found = predict(network, p, x, draws=draws, kind=kind, backend="numpy")
        assert np.all(np.abs(found.mean - mean) < 5 * np.sqrt(variance / draws))
        assert np.all(np.abs(found.epistemic / variance - 1) < 5 * np.sqrt(2 / draws))


def test_the_mean_mode_is_the_posterior_mean_without_noise():
    network = network_of(Categorical(), "deterministic")
    p = network.init(0, "float64")
    x = RNG.normal(size=(5, 6))
    h = np.tanh(x @ p.layers[0].kernel_mu + p.layers[0].bias_mu)
    z = h @ p.layers[1].kernel_mu + p.layers[1].bias_mu
    found = predict(network, p, x, kind="mean", backend="numpy")
    q = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_allclose(found.probabilities, q, rtol=1e-12)
    assert found.draws == 1
    assert np.all(found.epistemic == 0)


def test_draws_are_a_function_of_seed_and_number():
    network = network_of(Categorical())
    p, x = network.init(0), RNG.normal(size=(5, 6))
    a, b, c = (predict(network, p, x, seed=s, draws=7, backend="numpy") for s in (0, 0, 1))
    np.testing.assert_array_equal(a.probabilities, b.probabilities)
    assert not np.array_equal(a.probabilities, c.probabilities)


def test_rows_may_be_anything_with_a_shape_and_slices(tmp_path):
    network = network_of(Categorical())
    p, x = network.init(0), RNG.normal(size=(300, 6))
    np.save(tmp_path / "x.npy", x)
    wanted = predict(network, p, x, draws=2, backend="numpy").probabilities
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = predict(network, p, mapped, draws=2, backend="numpy", rows_at_once=128)
    np.testing.assert_array_equal(found.probabilities, wanted)
    assert predict(network, p, x[:0], draws=2, backend="numpy").probabilities.shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"draws": 0}, "draws: expected a whole number, at least 1, found 0"),
        ({"kind": "dropout"}, "kind: expected one of weights, flipout, mean"),
        ({"x": np.zeros((4, 5))}, "x: expected last dimension 6"),
        ({"x": np.zeros(6)}, "x: expected rank 2 or more"),
        ({"y": [0, 1]}, r"y: expected shape \(4,\)"),
        ({"y": [0, 1, 2, 3]}, "found 3 in row 3"),
        ({"seed": -1}, "seed: expected"),
        ({"rows_at_once": 0}, "rows_at_once: expected"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    network = network_of(Categorical())
    arguments = {"x": np.zeros((4, 6)), "y": None, "draws": 2, "backend": "numpy", **change}
    with pytest.raises(ValueError, match=message):
        predict(network, network.init(0), arguments.pop("x"), arguments.pop("y"), **arguments)


def test_a_score_without_targets_or_rows_is_refused():
    network = network_of(Categorical())
    found = predict(network, network.init(0), np.zeros((4, 6)), draws=2, backend="numpy")
    with pytest.raises(ValueError, match="expected targets y for a score"):
        found.nats  # noqa: B018
    found = predict(network, network.init(0), np.zeros((0, 6)), [], draws=2, backend="numpy")
    with pytest.raises(ValueError, match="expected at least one row for a score"):
        found.accuracy  # noqa: B018


def test_rounding_leaves_no_mutual_information_below_0():
    """Equal draws have none: the two entropies then differ by rounding, up and down."""
    z = np.random.default_rng(0).normal(size=(200, 3))
    p = reduce_draws(Categorical(), [z, z, z])
    assert np.min(p.total_entropy - p.expected_entropy) < 0
    assert np.min(p.mutual_information) == 0
