"""`FlipoutClassifier`: class labels, a Categorical likelihood."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import (
    column_or_1d,
    validate_data,
)

from ..errors import expected
from ..likelihoods import Categorical
from .base import SETTINGS, Flipout


class FlipoutClassifier(ClassifierMixin, Flipout):
    __doc__ = f"""A Bayesian neural network of Flipout layers that tells classes.

    Predictions average `draws` whole weight draws from the posterior that was learned. What they
    draw is fixed by `seed_`, so a row's prediction depends on the row alone.

    Parameters
    ----------
    {SETTINGS}
    classes_ : array

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from bnn_ref.sklearn import FlipoutClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), FlipoutClassifier(random_state=0)).fit(x, y)
    >>> model.score(x, y) > 0.95
    True
    """

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Take one pass over these rows, going on from where training is, and return self.

        Parameters
        ----------
        X : array (N, I)
        y : array (N,)
        classes : array, optional
            Every class that will ever come; needed in the first call, unless its rows have all.
        sample_weight : array (N,), optional
        """
        if classes is not None:
            classes = unique_labels(classes)
            if hasattr(self, "state_") and not np.array_equal(classes, self.classes_):
                raise expected("classes", f"those of the first call, {self.classes_}", classes)
        return self._partial_fit(X, y, sample_weight, classes)

    def predict_proba(self, X):
        """Return the probability of each of `classes_`, (N, classes), averaged over draws.

        Parameters
        ----------
        X : array (N, I)
        """
        return self._predict(self._rows(X)).probabilities

    def predict(self, X):
        """Return the most probable class of each row, (N,).

        Parameters
        ----------
        X : array (N, I)
        """
        place = np.argmax(self.predict_proba(X), axis=1)
        return self.classes_[place]

    def predict_uncertainty(self, X):
        """Return (total entropy, mutual information) of each row, both (N,), in nats.

        The mutual information is the epistemic part: what knowing the weights would tell.

        Parameters
        ----------
        X : array (N, I)
        """
        prediction = self._predict(self._rows(X))
        return prediction.total_entropy, prediction.mutual_information

    def _check(self, X, y, reset):
        X, y = validate_data(self, X, y, reset=reset)
        check_classification_targets(y)
        return X, column_or_1d(y, warn=True)

    def _settle_targets(self, y, weight):
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(f"y: expected at least 2 classes, found 1 class, {self.classes_[0]!r}")
        return Categorical(), len(self.classes_)

    def _encode(self, y):
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise expected("y", f"classes among {self.classes_}", unknown[0])
        return np.searchsorted(self.classes_, y)
