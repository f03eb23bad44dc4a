"""What the tests of the estimators' short fits share: settings, standardised iris, and a mark."""

import pytest
from sklearn.datasets import load_iris

QUICK = {"hidden_layer_sizes": (10,), "draws": 10, "random_state": 0}
SHORT = pytest.mark.filterwarnings(
    "ignore:training has not settled:sklearn.exceptions.ConvergenceWarning"
)
X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
