"""scikit-learn's MLP at the posterior mean predicts what the network does there."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from bnn_ref import (
    BatchNorm,
    Bernoulli,
    Categorical,
    Dense,
    DenseFlipout,
    Network,
    Normal,
    predict,
)
from bnn_ref.exchange import to_sklearn

X = np.random.default_rng(0).normal(size=(11, 4))


@pytest.mark.parametrize(("outputs", "likelihood"),
                         [(2, Categorical()), (3, Categorical()), (1, Bernoulli()),
                          (3, Bernoulli()), (2, Normal())])  # fmt: skip
def test_it_predicts_the_same(outputs, likelihood):
    network = Network([DenseFlipout(4, 5, "tanh", bias="none"), Dense(5, 6, "tanh"),
                       DenseFlipout(6, outputs)], likelihood)  # fmt: skip
    parameters = network.init(3, "float64")
    model = to_sklearn(network, parameters)
    found = predict(network, parameters, X, kind="mean", backend="numpy")
    if likelihood.type == "normal":
        np.testing.assert_allclose(model.predict(X), found.mean, rtol=1e-12)
        return
    theirs = model.predict_proba(X)
    ours = found.probabilities
    if likelihood.type == "bernoulli" and outputs == 1:
        ours = np.concatenate([1 - ours, ours], axis=1)
    np.testing.assert_allclose(theirs, ours, rtol=1e-12)
    classes = found.classes.ravel() if outputs == 1 else found.classes
    assert np.array_equal(model.predict(X), classes)


def test_what_an_mlp_cannot_be_is_refused():
    for network, message in (
        (Network([DenseFlipout(4, 5), BatchNorm(), Dense(5, 2)]), r"layers\[1\]: expected a dense"),
        (Network([DenseFlipout(4, 5, "gelu"), Dense(5, 2)]), "activation: expected one of linear"),
        (Network([DenseFlipout(4, 5, "relu"), Dense(5, 2, "relu")]), "a linear last one"),
    ):
        with pytest.raises(ValueError, match=message):
            to_sklearn(network, network.init(0))
