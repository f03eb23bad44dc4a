"""Layers, networks and parameters: shapes, initial values, JSON, and what is refused."""

import itertools
import json
import pickle

import numpy as np
import pytest
import scipy.stats

from bnn_ref import Bernoulli, Categorical, DenseFlipout, Network, Normal, NormalPrior, Parameters
from bnn_ref.activations import ACTIVATIONS
from bnn_ref.layers import BIASES, INITIALIZERS, layer_from_json

NETWORK = Network(
    [
        DenseFlipout(5, 4, "relu", bias="normal", kernel_prior=(0.1, 0.5)),
        DenseFlipout(4, 3, "gelu", bias="none", scale_shift=1e-3),
        DenseFlipout(3, 2, bias="normal_flipped", bias_prior=(0, 2)),
    ],
    Normal(0.5, learn_scale=True),
)


def test_one_flat_vector_with_named_views():
    p = NETWORK.init(0, "float64")
    assert list(p) == [
        "layers.0.kernel_mu", "layers.0.kernel_rho", "layers.0.bias_mu", "layers.0.bias_rho",
        "layers.1.kernel_mu", "layers.1.kernel_rho",
        "layers.2.kernel_mu", "layers.2.kernel_rho", "layers.2.bias_mu", "layers.2.bias_rho",
        "likelihood.scale_rho",
    ]  # fmt: skip
    assert p.flat.size == NETWORK.num_parameters == 2 * 20 + 8 + 2 * 12 + 2 * 6 + 4 + 2
    p.flat[...] = np.arange(p.flat.size)
    assert p.layers[0].kernel_rho[0, 0] == 20
    assert p["layers.2.bias_rho"] is p.layers[2].bias_rho
    assert p.layers[1].bias_mu is None
    p.layers[2].bias_mu[...] = -1
    assert np.sum(p.flat == -1) == 2
    assert np.concatenate([array.ravel() for array in p.values()]).tolist() == p.flat.tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scale_shift_is_settled_when_parameters_are_made_and_then_stays(dtype):
    p = NETWORK.init(0, dtype)
    eps = float(np.finfo(dtype).eps)
    assert p.scale_shift == (eps, 1e-3, eps)
    other = "float32" if dtype == "float64" else "float64"
    assert p.astype(other).scale_shift == p.scale_shift
    assert p.copy().scale_shift == p.zeros_like().scale_shift == p.scale_shift
    assert pickle.loads(pickle.dumps(p)).scale_shift == p.scale_shift
    assert NETWORK.to_json(dtype)["layers"][0]["scale_shift"] == eps


def test_initial_values_are_tfps_distributions_from_a_stream_each():
    layer = DenseFlipout(300, 200, bias="normal")
    p = Network([layer, DenseFlipout(200, 200, bias="normal"), DenseFlipout(200, 200)]).init(4)
    for name, array in p.items():
        loc = -3 if name.endswith("rho") else 0
        assert scipy.stats.kstest(array.ravel(), scipy.stats.norm(loc, 0.1).cdf).pvalue > 1e-5, name
    same_shape = [p["layers.1.kernel_mu"], p["layers.2.kernel_mu"], p["layers.1.kernel_rho"] + 3]
    for a in range(3):
        for b in range(a):
            assert not np.allclose(same_shape[a], same_shape[b])
            r = np.corrcoef(same_shape[a].ravel(), same_shape[b].ravel())[0, 1]
            assert abs(r) < 4.5 / 200  # 4.5 standard errors
    np.testing.assert_array_equal(p.flat, Network(p.network.layers).init(4).flat)
    assert not np.array_equal(p.flat, p.network.init(5).flat)


def test_he_initial_values():
    p = Network([DenseFlipout(128, 300, initializer="he")]).init(0, "float64")
    found = p["layers.0.kernel_mu"].ravel()
    assert scipy.stats.kstest(found, scipy.stats.norm(0, np.sqrt(2 / 128)).cdf).pvalue > 1e-5
    assert np.all(p["layers.0.bias_mu"] == 0)


@pytest.mark.parametrize("likelihood", [Categorical(), Bernoulli(), Normal(2.0)])
def test_json_round_trip_is_the_same_network(likelihood):
    network = Network(NETWORK.layers, likelihood)
    description = network.to_json("float64")
    back = Network.from_json(json.loads(json.dumps(description)), 5)
    assert back.to_json("float64") == description
    assert back.parameter_shapes == network.parameter_shapes
    assert back.likelihood == likelihood


def test_case_92_json_and_back_is_an_equal_network():
    likelihoods = [Categorical(), Bernoulli(), Normal(0.3), Normal(0.3, learn_scale=True)]
    for activation, bias, shift, initializer, likelihood in itertools.product(
        ACTIVATIONS, BIASES, [None, 0.0, 0.01], INITIALIZERS, likelihoods
    ):
        bias_prior = (0.1, 2.0) if bias.startswith("normal") else None
        options = {"bias": bias, "bias_prior": bias_prior, "initializer": initializer}
        layers = [DenseFlipout(5, 3, activation, (0.5, 0.25), scale_shift=shift, **options),
                  DenseFlipout(3, 2)]  # fmt: skip
        network = Network(layers, likelihood)
        assert Network.from_json(json.loads(json.dumps(network.to_json()))) == network


def test_json_for_vectors_has_no_key_that_version_1_does_not_know():
    layer = Network([DenseFlipout(3, 2, initializer="he")]).to_json("float32")["layers"][0]
    assert set(layer) == {"type", "units", "activation", "scale_shift", "kernel_prior", "bias",
                          "bias_prior"}  # fmt: skip
    assert layer["scale_shift"] == float(np.finfo("float32").eps)


def test_repr_shows_layers_and_sizes():
    text = repr(NETWORK)
    assert "layers[0] 5 -> 4 relu, kernel prior N(0.1, 0.5), bias normal prior N(0, 1)" in text
    assert "90 parameters" in text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DenseFlipout(0, 3), "inputs: expected a whole number, at least 1, found 0"),
        (lambda: DenseFlipout(3, -1), "outputs: expected a whole number, at least 1, found -1"),
        (lambda: DenseFlipout(3.0, 2), "inputs: expected a whole number, at least 1, found 3.0"),
        (lambda: DenseFlipout(3, True), "outputs: expected a whole number"),
        (lambda: DenseFlipout(3, 2, "ReLU"), "activation: expected one of linear"),
        (lambda: DenseFlipout(3, 2, bias=True), "bias: expected one of none, deterministic"),
        (lambda: DenseFlipout(3, 2, bias="none", bias_prior=(0, 1)),
         "bias_prior: expected None for bias"),
        (lambda: DenseFlipout(3, 2, kernel_prior=(0, -2)), "kernel_prior.scale: expected"),
        (lambda: DenseFlipout(3, 2, scale_shift=-1e-9), "scale_shift: expected a finite number"),
        (lambda: DenseFlipout(3, 2, scale_shift="eps"), "scale_shift: expected a finite number"),
        (lambda: DenseFlipout(3, 2, initializer="lecun"), "initializer: expected one of tfp, he"),
        (lambda: Network([]), "layers: expected at least one layer, found none"),
        (lambda: Network([DenseFlipout(3, 2), DenseFlipout(3, 2)]),
         "layers\\[1\\].inputs: expected 2, the outputs of layers\\[0\\], found 3"),
        (lambda: Network([DenseFlipout(3, 2), "dense"]), "layers\\[1\\]: expected a layer"),
        (lambda: Network([DenseFlipout(3, 2)], Categorical), "likelihood: expected an instance"),
        (lambda: NETWORK.init(0, "float16"), "dtype: expected float32 or float64, found float16"),
        (lambda: NETWORK.init(0, "int32"), "dtype: expected float32 or float64, found int32"),
        (lambda: NETWORK.init(0, ">f4"), "dtype: expected float32 or float64, found >f4"),
        (lambda: NETWORK.init(-1), "seed: expected a whole number, at least 0"),
        (lambda: Parameters(NETWORK, np.zeros(3)), r"flat: expected shape \(90,\), found \(3,\)"),
        (lambda: NETWORK.parameters({"layers.0.kernel_mu": 0}), "parameters: expected the names"),
        (lambda: NETWORK.parameters({**NETWORK.init(), "layers.0.bias_mu": np.ones(3)}),
         r"layers.0.bias_mu: expected shape \(4,\), found \(3,\)"),
        (lambda: NETWORK.parameters({**NETWORK.init(), "layers.0.bias_mu": np.full(4, np.nan)}),
         "layers.0.bias_mu: expected finite values"),
        (lambda: Network.from_json({"layers": 3}, 5), "layers: expected a list of objects"),
        (lambda: layer_from_json({"type": "DenseFlipout"}, 3), "layer: expected an object"),
        (lambda: layer_from_json({**NETWORK.layers[0].to_json("f4"), "type": "Nonsense"}, 5),
         "layer type: expected one of .*DenseFlipout.*, found 'Nonsense'"),
        (lambda: layer_from_json({**NETWORK.layers[0].to_json("f4"), "units": 0}, 5), "units"),
        (lambda: layer_from_json({**NETWORK.layers[0].to_json("f4"), "scale_shift": True}, 5),
         "scale_shift: expected a number"),
    ],
)  # fmt: skip
def test_what_is_no_network_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_copy_shares_nothing_and_priors_are_tuples():
    p = NETWORK.init(0)
    q = p.copy()
    q.flat[...] = 0
    assert p.flat.any()
    assert NETWORK.layers[0].kernel_prior == NormalPrior(0.1, 0.5)
