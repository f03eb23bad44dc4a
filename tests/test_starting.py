"""Deviations read and set; where they start; starting from a trained network."""

import json

import numpy as np
import pytest
from tolerances import SAME_FLOAT64

from bnn_ref import (
    Categorical,
    Dense,
    DenseFlipout,
    Dropout,
    Network,
    Normal,
    Residual,
    kl,
)
from bnn_ref.priors import LearnedNormalPrior, MixturePrior
from bnn_ref.starting import init_from

NETWORK = Network([DenseFlipout(3, 4, "relu", (0, 0.5), "normal", (0, 2)), DenseFlipout(4, 2)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigma_is_read_and_set(dtype):
    p = NETWORK.init(0, dtype)
    wanted = np.exp(np.random.default_rng(0).uniform(np.log(0.1), np.log(50), (3, 4)))
    p.set_sigma("layers.0.kernel", wanted)
    found = p.sigma("layers.0.kernel")
    assert found.dtype == dtype
    # half a unit of rho (below 2.3 here), and softplus's own rounding
    np.testing.assert_array_max_ulp(found, wanted.astype(dtype), maxulp=3)
    whole = wanted > 1
    np.testing.assert_array_max_ulp(found[whole], wanted.astype(dtype)[whole], maxulp=1)
    for moved in (np.nextafter(p["layers.0.kernel_rho"], way) for way in (-np.inf, np.inf)):
        p["layers.0.kernel_rho"][...], kept = moved, p["layers.0.kernel_rho"].copy()
        other = np.abs(p.sigma("layers.0.kernel") - wanted)
        assert np.all(other >= np.abs(found - wanted))  # no neighbour of rho is nearer
        p["layers.0.kernel_rho"][...] = kept
    p.set_sigma("layers.0.bias", 1e-5)  # rho near -11.5: half its last place is 6 of sigma
    np.testing.assert_allclose(p.sigma("layers.0.bias"), 1e-5, rtol=12 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    ("tensor", "value", "words"),
    [
        ("layers.1.bias", 1.0, "tensor: expected one of layers.0.kernel, layers.0.bias, layers.1"),
        ("layers.0.kernel", 1e-9, r"sigma of layers.0.kernel: expected numbers above scale_shift"),
        ("layers.0.kernel", np.nan, "sigma of layers.0.kernel: expected finite numbers"),
        ("layers.0.kernel", np.ones((2, 2)), r"kernel: expected a number, or what .*\(2, 2\)"),
        ("layers.0.kernel", [], r"kernel: expected a number, or what .*\(0,\)"),
        ("layers.0.kernel", 1e39, "sigma of layers.0.kernel: expected numbers finite in float32"),
    ],
)
def test_a_sigma_that_cannot_be_is_refused(tensor, value, words):
    p = NETWORK.init(0)
    before = p.flat.copy()
    with pytest.raises(ValueError, match=words):
        p.set_sigma(tensor, value)
    np.testing.assert_array_equal(p.flat, before)


def test_initial_sigma_as_a_number_and_as_the_priors():
    layer = DenseFlipout(3, 4, "relu", (0, 0.5), "normal", (0, 2), initial_sigma=0.02)
    p = Network([layer]).init(1, "float64")
    np.testing.assert_allclose(p.sigma("layers.0.kernel"), 0.02, rtol=SAME_FLOAT64)
    network = Network([DenseFlipout(3, 4, "relu", (0, 0.5), "normal", (0, 2),
                                    initial_sigma="prior")])  # fmt: skip
    p = network.init(1, "float64")
    np.testing.assert_allclose(p.sigma("layers.0.kernel"), 0.5, rtol=SAME_FLOAT64)
    np.testing.assert_allclose(p.sigma("layers.0.bias"), 2, rtol=SAME_FLOAT64)
    np.testing.assert_array_equal(p["layers.0.kernel_mu"],
                                  NETWORK.init(1, "float64")["layers.0.kernel_mu"])  # fmt: skip
    assert Network.from_json(json.loads(json.dumps(network.to_json()))) == network


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"initial_sigma": "big"}, "initial_sigma: expected a number or \"prior\", found 'big'"),
        ({"initial_sigma": True}, 'initial_sigma: expected a number or "prior", found True'),
        ({"initial_sigma": 0}, "initial_sigma: expected a finite number above 0"),
        ({"initial_sigma": "prior", "kernel_prior": MixturePrior()}, "kernel_prior: expected one"),
    ],
)
def test_an_initial_sigma_that_is_none_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        DenseFlipout(3, 4, **options)
    with pytest.raises(ValueError, match="initial_sigma: expected a number above scale_shift"):
        Network([DenseFlipout(3, 4, initial_sigma=1e-9)]).init()


def test_means_and_deviations_are_mopeds():
    kernel = np.array([[0.5, 0.0], [-2.0, 1.0]])
    network = Network([DenseFlipout(2, 2, scale_shift=0.0)], Normal())
    same, p = init_from(network, [(kernel, np.array([1.0, -1.0]))], delta=0.1, dtype="float64")
    assert same is network
    np.testing.assert_array_equal(p["layers.0.kernel_mu"], kernel)
    np.testing.assert_array_equal(p["layers.0.bias_mu"], [1, -1])
    assert p["layers.0.kernel_rho"][0, 0] == pytest.approx(-2.9706, abs=5e-5)
    np.testing.assert_allclose(p.sigma("layers.0.kernel"), [[0.05, 1e-3], [0.2, 0.1]], rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_prior_that_is_the_initial_posterior_has_kl_0(dtype):
    weights = [(np.random.default_rng(k).normal(size=(i, o)), None) for k, (i, o) in
               enumerate([(3, 4), (4, 2)])]  # fmt: skip
    network, p = init_from(NETWORK, weights, centred=True, dtype=dtype)
    np.testing.assert_array_equal(kl(network, p), 0)
    assert network != NETWORK


@pytest.mark.parametrize("centred", [False, True])
def test_layers_inside_a_layer_take_theirs_and_others_are_passed_over(centred):
    inner = Residual([DenseFlipout(3, 3, "relu", bias="normal"), Dense(3, 3)])
    network = Network([inner, Dropout(0.1), DenseFlipout(3, 2)])
    kernels = [np.full((3, 3), 2.0), np.eye(3), np.full((3, 2), -0.5)]
    trained = [(kernel, np.arange(kernel.shape[1])) for kernel in kernels]
    other, p = init_from(network, trained, centred=centred, dtype="float64")
    for name, (kernel, bias) in zip(
        ["layers.0.layers.0", "layers.0.layers.1", "layers.2"], trained, strict=True
    ):
        np.testing.assert_array_equal(p[f"{name}.kernel_mu"], kernel)
        np.testing.assert_array_equal(p[f"{name}.bias_mu"], bias)
    np.testing.assert_allclose(p.sigma("layers.0.layers.0.kernel"), 0.2, rtol=1e-13)
    assert (np.sum(kl(other, p)) == 0) == centred
    assert (other == network) == (not centred)


def test_centring_replaces_a_prior_that_is_learned():
    network = Network([DenseFlipout(3, 2, kernel_prior=LearnedNormalPrior())])
    network, p = init_from(network, [np.ones((3, 2))], centred=True)
    assert kl(network, p) == 0
    assert "layers.0.kernel_prior_rho" not in p


def test_from_scikit_learn_the_mean_predicts_the_same():
    neural = pytest.importorskip("sklearn.neural_network")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    mlp = neural.MLPClassifier((4,), max_iter=300, random_state=0, solver="lbfgs").fit(x, y)
    network = Network([DenseFlipout(3, 4, "relu"), DenseFlipout(4, 3)], Categorical())
    _, p = init_from(network, mlp, dtype="float64")
    from bnn_ref import predict

    found = predict(network, p, x, kind="mean", backend="numpy")
    np.testing.assert_allclose(found.probabilities, mlp.predict_proba(x), atol=1e-10)


@pytest.mark.parametrize(
    ("trained", "options", "words"),
    [
        ([np.ones((3, 4))], {}, "trained: expected 2 layers, found 1"),
        ([np.ones((3, 5)), np.ones((4, 2))], {}, r"layers.0.kernel: expected shape \(3, 4\)"),
        ([np.ones((3, 4)), np.ones((4, 2))], {"delta": 0}, "delta: expected a finite number above"),
        ([np.ones((3, 4)), np.full((4, 2), np.nan)], {}, "layers.1.kernel: expected finite"),
        ([np.full((3, 4), 1e39), np.ones((4, 2))], {}, "layers.0.kernel: expected .*float32"),
        (None, {}, "trained: expected a scikit-learn MLP, .* found NoneType"),
        ([(np.ones((3, 4)), None, None), np.ones((4, 2))], {}, r"trained\[0\]: expected an array"),
    ],
)
def test_what_does_not_fit_is_refused(trained, options, words):
    with pytest.raises(ValueError, match=words):
        init_from(NETWORK, trained, **options)
