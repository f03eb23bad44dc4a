"""`FlipoutClassifier`: class labels (Categorical), or several labels a row (Bernoulli)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d, validate_data

from ..errors import expected
from ..likelihoods import Bernoulli, Categorical
from .base import Flipout
from .settings import CONSTRAINTS, DEFAULTS, SETTINGS

if TYPE_CHECKING:
    from ..layers import Layer
    from ..priors import Prior
    from ..training.schedules import Cosine


class FlipoutClassifier(ClassifierMixin, Flipout):
    __doc__ = f"""A Bayesian neural network of Flipout layers that tells classes.

    Predictions average `draws` whole weight draws from the posterior that was learned. What they
    draw is fixed by `seed_`, so a row's prediction depends on the row alone. With a 0/1 target of
    several columns every column is a label of its own.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        What rows of each class weigh, as in scikit-learn; it multiplies `sample_weight`.
    {SETTINGS}
    classes_ : array
        The classes, also those whose rows all weigh 0; of several labels their places.

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

    _parameter_constraints: ClassVar = {**CONSTRAINTS, "class_weight": [dict, str, None]}

    classes_: NDArray[Any]

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = DEFAULTS["hidden_layer_sizes"],
        activation: str = DEFAULTS["activation"],
        *,
        layers: Sequence[Layer] | None = DEFAULTS["layers"],
        class_weight: dict[Any, float] | str | None = None,
        prior: str | Prior | tuple[float, float] = DEFAULTS["prior"],
        prior_scale: float = DEFAULTS["prior_scale"],
        bias: str = DEFAULTS["bias"],
        initializer: str = DEFAULTS["initializer"],
        initial_sigma: float | str | None = DEFAULTS["initial_sigma"],
        learning_rate: float | str | Cosine | Callable[[int], float] = DEFAULTS["learning_rate"],
        batch_size: int = DEFAULTS["batch_size"],
        max_iter: int | None = DEFAULTS["max_iter"],
        draws: int = DEFAULTS["draws"],
        draws_per_step: int = DEFAULTS["draws_per_step"],
        kl_weight: float | Callable[[int], float] | None = DEFAULTS["kl_weight"],
        temperature: float | str = DEFAULTS["temperature"],
        kl_warm_up: float | None = DEFAULTS["kl_warm_up"],
        estimator: str = DEFAULTS["estimator"],
        freeze: str | Sequence[str] | None = DEFAULTS["freeze"],
        num_examples: float | None = DEFAULTS["num_examples"],
        early_stopping: bool = DEFAULTS["early_stopping"],
        validation_fraction: float = DEFAULTS["validation_fraction"],
        n_iter_no_change: int = DEFAULTS["n_iter_no_change"],
        tol: float = DEFAULTS["tol"],
        warm_start: bool = DEFAULTS["warm_start"],
        random_state: int | np.random.RandomState | None = DEFAULTS["random_state"],
        backend: str | ModuleType = DEFAULTS["backend"],
        dtype: DTypeLike = DEFAULTS["dtype"],
        threads: int | None = DEFAULTS["threads"],
    ) -> None:
        self._keep(locals())

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> FlipoutClassifier:
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

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each of `classes_`, (N, classes), averaged over draws.

        Parameters
        ----------
        X : array (N, I)
        """
        return self._predict(self._rows(X)).probabilities

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithm of `predict_proba`, nats; -inf where that is 0.

        Parameters
        ----------
        X : array (N, I)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row, (N,); of several labels 0 or 1, (N, labels).

        Parameters
        ----------
        X : array (N, I)
        """
        classes = self._predict(self._rows(X)).classes
        return classes if self._is_multilabel else self.classes_[classes]

    def predict_uncertainty(self, X: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return (total entropy, mutual information) of each row, both (N,), in nats.

        The mutual information is the epistemic part: what knowing the weights would tell.

        Parameters
        ----------
        X : array (N, I)
        """
        prediction = self._predict(self._rows(X))
        return prediction.total_entropy, prediction.mutual_information

    @property
    def _is_multilabel(self):
        return self.network_.likelihood == Bernoulli()

    def _check(self, X, y, reset):
        several = np.asarray(y).ndim == 2 and type_of_target(y) == "multilabel-indicator"
        X, y = validate_data(self, X, y, reset=reset, ensure_all_finite=False, multi_output=several)
        check_classification_targets(y)
        return X, y if several else column_or_1d(y, warn=True)

    def _weights(self, y, weight):
        if self.class_weight is None:
            return weight
        weights = compute_sample_weight(self.class_weight, y)
        bad = ~(np.isfinite(weights) & (weights >= 0))
        if np.any(bad):  # such rows would be left out, as those of weight 0 are
            raise expected("class_weight", "finite numbers, at least 0", float(weights[bad][0]))
        return weights if weight is None else weights * weight

    def _strata(self, y):
        if y.ndim == 2 or np.min(np.unique(y, return_counts=True)[1]) < 2:
            return None
        return y

    def _settle_targets(self, y, weight, classes):
        if y.ndim == 2:
            self.classes_ = np.arange(y.shape[1])
            return Bernoulli(), y.shape[1]
        self.classes_ = np.unique(y if classes is None else classes)
        weighted = self.classes_ if classes is not None else np.unique(
            y if weight is None else y[weight > 0])  # fmt: skip
        if len(weighted) < 2:
            raise expected("y", "at least 2 classes", f"1 class, {weighted[0]}")
        return Categorical(), len(self.classes_)

    def _encode(self, y):
        several = self._is_multilabel
        if several != (y.ndim == 2) or (several and y.shape[1] != len(self.classes_)):
            raise expected("y", f"{len(self.classes_)} labels a row, as before" if several else
                           "one class a row, as before", f"shape {y.shape}")  # fmt: skip
        if several:
            return y
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise expected("y", f"classes among {self.classes_}", unknown[0])
        return np.searchsorted(self.classes_, y)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
