"""A whole network given to an estimator, in place of hidden layer sizes."""

import numpy as np
import pytest
from sklearn.base import clone

from bnn_ref import BatchNorm, Dense, DenseFlipout, Dropout, Elementwise, Residual
from bnn_ref.sklearn import FlipoutClassifier, FlipoutRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
BLOCK = Residual([Dense(8, 8, "tanh"), Dropout(0.1)])
TRUNK = [Dense(4, 8), BatchNorm(), Elementwise("relu"), BLOCK]
SETTINGS = {"max_iter": 60, "batch_size": 20, "backend": "numpy", "random_state": 0}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_trunk_of_pieces_learns_and_clones():
    model = FlipoutRegressor(layers=[*TRUNK, DenseFlipout(8, 1)], learning_rate=0.02, **SETTINGS)
    y = X[:, 0] - X[:, 1] ** 2
    model.fit(X, y)
    assert [layer.type for layer in model.network_.layers] == [
        "Dense", "BatchNorm", "Elementwise", "Residual", "DenseFlipout"]  # fmt: skip
    assert model.score(X, y) > 0.7
    other = clone(model).fit(X, y)
    assert np.array_equal(other.predict(X), model.predict(X))
    labels = FlipoutClassifier(layers=(*TRUNK, DenseFlipout(8, 3)), **SETTINGS)
    assert labels.fit(X, RNG.integers(0, 3, 60)).predict_proba(X).shape == (60, 3)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_layers_that_do_not_fit_are_refused_by_name():
    y = RNG.integers(0, 3, 60)
    with pytest.raises(ValueError, match=r"layers\[4\].outputs: expected 3, as the likelihood"):
        FlipoutClassifier(layers=[*TRUNK, DenseFlipout(8, 2)], **SETTINGS).fit(X, y)
    with pytest.raises(ValueError, match=r"layers\[0\].inputs: expected 4"):
        FlipoutClassifier(layers=[DenseFlipout(5, 3)], **SETTINGS).fit(X, y)
    model = FlipoutClassifier(layers=[DenseFlipout(4, 3)], warm_start=True, **SETTINGS).fit(X, y)
    with pytest.raises(ValueError, match="layers: expected"):
        model.set_params(layers=[DenseFlipout(4, 3, bias="none")]).fit(X, y)


def test_rows_that_leave_a_batch_of_one_are_refused_before_the_first_step():
    model = FlipoutRegressor(layers=[*TRUNK, Dense(8, 1)], **{**SETTINGS, "batch_size": 59})
    with pytest.raises(ValueError, match="batch_size: expected one that leaves no batch of fewer"):
        model.fit(X, X[:, 0])
    assert not hasattr(model, "state_")
