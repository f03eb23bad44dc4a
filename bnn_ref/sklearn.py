"""scikit-learn's way in: `FlipoutClassifier` and `FlipoutRegressor` over `Trainer` and `predict`.

Inputs are taken as they are: scale them in a pipeline of your own
(``make_pipeline(StandardScaler(), FlipoutClassifier())``).
"""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from .errors import expected
from .layers import check_size
from .likelihoods import Categorical, Normal
from .noise import permutation
from .prediction import predict
from .stacks import dense_stack
from .trainer import Trainer

SETTINGS = """hidden_layer_sizes : sequence of int, default (50,)
        Units of the hidden layers; () for a linear model.
    activation : str, default "relu"
        Of the hidden layers, as `DenseFlipout` takes it.
    prior_scale : float, default 1.0
        Standard deviation of the weights' prior N(0, prior_scale).
    bias, initializer : str, default "deterministic" and "tfp"
        As `DenseFlipout` takes them.
    learning_rate : float, default 0.01
        Of Adam.
    batch_size : int, default 128
    max_iter : int, default 200
        Passes over the rows.
    draws : int, default 50
        Weight draws that a prediction averages.
    draws_per_step : int, default 1
        Noise draws that a training step averages.
    kl_weight : float or function of the step, optional
        The factor on the KL; by default 1/N.
    num_examples : float, optional
        N. By default the sum of the rows' weights (1 each without any) that `fit` trains on, or
        that all calls of `partial_fit` were given: give it where the same rows come again.
    early_stopping : bool, default False
        Hold rows out, score them at the posterior mean after every pass, stop where the score has
        not risen by `tol` for `n_iter_no_change` passes, and keep the parameters of the best.
    validation_fraction : float, default 0.1
    n_iter_no_change : int, default 10
    tol : float, default 1e-4
        Nats.
    warm_start : bool, default False
        `fit` goes on from where the last one ended, for `max_iter` more passes.
    random_state : int, RandomState or None
        Settles `seed_`, from which come initial values, order, noise, held-out rows, and the
        weights that predictions draw.
    backend : "numba" (default), "numpy" or a module
    dtype : "float32" (default) or "float64"
    threads : int, default 1
        Of the numba back end. One by default, so that a search over many fits may run one on each
        core.

    Attributes
    ----------
    n_iter_ : int
        Passes over the rows so far.
    loss_curve_ : list of float
        The loss of each pass: nll + kl / N in nats, the mean over its rows.
    loss_ : float
        The last of these.
    validation_scores_ : list of float
        Mean log-probability (nats) of the held-out rows after each pass, with early stopping.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.
    network_ : Network
    state_ : State
        Parameters, Adam's moments, steps taken.
    seed_ : int
    num_rows_, num_examples_ : int and float
        How many rows were trained on, and the sum of their weights."""


class _Flipout(BaseEstimator):
    """What the two estimators share: training over shuffled passes, and the draws of predictions.

    A row of weight 0 is left out. The others' weights are divided by their mean before they enter
    the nll of a step, and N is their sum, so that a row of weight k counts as k copies of it: both
    objectives are (sum_n w_n nll_n + kl) / sum_n w_n.
    """

    def __init__(
        self,
        hidden_layer_sizes=(50,),
        activation="relu",
        *,
        prior_scale=1.0,
        bias="deterministic",
        initializer="tfp",
        learning_rate=0.01,
        batch_size=128,
        max_iter=200,
        draws=50,
        draws_per_step=1,
        kl_weight=None,
        num_examples=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        random_state=None,
        backend="numba",
        dtype="float32",
        threads=1,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.prior_scale = prior_scale
        self.bias = bias
        self.initializer = initializer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.draws = draws
        self.draws_per_step = draws_per_step
        self.kl_weight = kl_weight
        self.num_examples = num_examples
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.backend = backend
        self.dtype = dtype
        self.threads = threads

    def fit(self, X, y, sample_weight=None):
        """Train for `max_iter` passes over the rows and return self.

        Parameters
        ----------
        X : array (N, I)
        y : array (N,), for the regressor also (N, O)
        sample_weight : array (N,), optional
            At least 0; a row of weight k counts as k copies of it.
        """
        passes = check_size(self.max_iter, "max_iter")
        again = self.warm_start and hasattr(self, "state_")
        X, y = self._check(X, y, reset=not again)
        X, y, weight = self._positive(X, y, sample_weight)
        if not again:
            self._start(y, weight)
        y = self._encode(y)
        held_out = None
        if self.early_stopping:
            X, y, weight, held_out = self._hold_out(X, y, weight)
        self.num_rows_, self.num_examples_ = 0, 0
        self._train(X, y, weight, passes, held_out)
        return self

    def _partial_fit(self, X, y, sample_weight, classes=None):
        first = not hasattr(self, "state_")
        X, y = self._check(X, y, reset=first)
        X, y, weight = self._positive(X, y, sample_weight)
        if first:
            self._start(y if classes is None else classes, weight)
            self.num_rows_, self.num_examples_ = 0, 0
        self._train(X, self._encode(y), weight, passes=1)
        return self

    def _positive(self, X, y, weight):
        """Return rows, targets and weights without the rows of weight 0."""
        if weight is None:
            return X, y, None
        weight = _check_sample_weight(weight, X, dtype=np.float64, ensure_non_negative=True)
        kept = weight > 0
        if not np.any(kept):
            raise expected("sample_weight", "at least one weight above 0", "none")
        return (X, y, weight) if np.all(kept) else (X[kept], y[kept], weight[kept])

    def _start(self, y, weight):
        """Settle everything that the first call of `fit` or `partial_fit` settles."""
        for name in ("state_", "network_", "validation_scores_"):
            if hasattr(self, name):
                delattr(self, name)
        self.seed_ = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        self.n_iter_, self.loss_curve_ = 0, []
        likelihood, outputs = self._settle_targets(y, weight)
        self.network_ = dense_stack(
            self.n_features_in_,
            self.hidden_layer_sizes,
            outputs,
            likelihood,
            self.activation,
            prior_scale=self.prior_scale,
            bias=self.bias,
            initializer=self.initializer,
        )

    def _hold_out(self, X, y, weight):
        """Return rows, targets and weights to train on, and the held-out (rows, targets)."""
        index, held = train_test_split(
            np.arange(len(X)),
            test_size=self.validation_fraction,
            random_state=self.seed_,
            stratify=y if self.network_.likelihood == Categorical() else None,
        )
        return X[index], y[index], None if weight is None else weight[index], (X[held], y[held])

    def _train(self, X, y, weight, passes, held_out=None):
        """Take that many passes over the rows, in the order that `bnn_ref.fit` takes."""
        self.num_rows_ += len(X)
        self.num_examples_ += len(X) if weight is None else float(np.sum(weight))
        mean_weight = self.num_examples_ / self.num_rows_
        if mean_weight != 1:
            weight = (np.ones(len(X)) if weight is None else weight) / mean_weight
        trainer = Trainer(
            self.network_,
            self.num_examples_ if self.num_examples is None else self.num_examples,
            self.learning_rate,
            self.seed_,
            self.backend,
            self.dtype,
            draws_per_step=self.draws_per_step,
            kl_weight=self.kl_weight,
            threads=self.threads,
            state=getattr(self, "state_", None),
        )
        batch_size = check_size(self.batch_size, "batch_size")
        best, best_parameters, waited = -np.inf, None, 0
        for _ in range(passes):
            order = permutation(len(X), self.seed_, "shuffle", step=self.n_iter_)
            total = 0.0
            for start in range(0, len(X), batch_size):
                index = order[start : start + batch_size]
                part = None if weight is None else weight[index]
                total += len(index) * trainer.step(X[index], y[index], part).loss
            self.state_ = trainer.state
            self.n_iter_ += 1
            self.loss_ = float(total / len(X))
            self.loss_curve_.append(self.loss_)
            if held_out is None:
                continue
            score = self._predict(*held_out, draws=1, kind="mean").nats
            self.validation_scores_ = [*getattr(self, "validation_scores_", []), score]
            waited = 0 if score > best + self.tol else waited + 1
            if score > best:
                best, best_parameters = score, trainer.parameters.flat.copy()
            if waited >= self.n_iter_no_change:
                break
        if best_parameters is not None:
            self.state_.parameters.flat[...] = best_parameters

    def _predict(self, X, y=None, **options):
        """Return the `Prediction` for validated rows."""
        options = {"draws": self.draws, "seed": self.seed_, "backend": self.backend,
                   "threads": self.threads, **options}  # fmt: skip
        return predict(self.network_, self.state_.parameters, X, y, **options)

    def _rows(self, X):
        check_is_fitted(self, "state_")
        return validate_data(self, X, reset=False)


class FlipoutClassifier(ClassifierMixin, _Flipout):
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


class FlipoutRegressor(RegressorMixin, MultiOutputMixin, _Flipout):
    __doc__ = f"""A Bayesian neural network of Flipout layers with a Normal likelihood.

    Predictions average `draws` whole weight draws from the posterior that was learned. What they
    draw is fixed by `seed_`, so a row's prediction depends on the row alone.

    Parameters
    ----------
    scale : float, default 1.0
        The likelihood's standard deviation, in units of the (normalised) target; where it is
        learned, its initial value.
    learn_scale : bool, default True
        Learn one standard deviation per output.
    normalize_y : bool, default True
        Train on (y - mean) / standard deviation of the training targets (of the first call of
        `partial_fit`); predictions are in the units of y.
    {SETTINGS}
    y_loc_, y_scale_ : array (O,)
        What targets were normalised by.

    Examples
    --------
    >>> import numpy as np
    >>> from bnn_ref.sklearn import FlipoutRegressor
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> model = FlipoutRegressor(random_state=0).fit(x, 100 * np.sin(3 * x[:, 0]))
    >>> mean, std = model.predict(x, return_std=True)
    >>> bool(np.abs(mean - 100 * np.sin(3 * x[:, 0])).mean() < 10)
    True
    """

    def __init__(
        self,
        hidden_layer_sizes=(50,),
        activation="relu",
        *,
        scale=1.0,
        learn_scale=True,
        normalize_y=True,
        prior_scale=1.0,
        bias="deterministic",
        initializer="tfp",
        learning_rate=0.01,
        batch_size=128,
        max_iter=200,
        draws=50,
        draws_per_step=1,
        kl_weight=None,
        num_examples=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        random_state=None,
        backend="numba",
        dtype="float32",
        threads=1,
    ):
        super().__init__(
            hidden_layer_sizes,
            activation,
            prior_scale=prior_scale,
            bias=bias,
            initializer=initializer,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_iter=max_iter,
            draws=draws,
            draws_per_step=draws_per_step,
            kl_weight=kl_weight,
            num_examples=num_examples,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            warm_start=warm_start,
            random_state=random_state,
            backend=backend,
            dtype=dtype,
            threads=threads,
        )
        self.scale = scale
        self.learn_scale = learn_scale
        self.normalize_y = normalize_y

    def partial_fit(self, X, y, sample_weight=None):
        """Take one pass over these rows, going on from where training is, and return self.

        Parameters
        ----------
        X : array (N, I)
        y : array (N,) or (N, O)
        sample_weight : array (N,), optional
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X, return_std=False, return_parts=False):
        """Return the predictive mean, and on request its standard deviations.

        Parameters
        ----------
        X : array (N, I)
        return_std : bool
            Return (mean, std).
        return_parts : bool
            Return (mean, std, aleatoric, epistemic), standard deviations with
            std**2 = aleatoric**2 + epistemic**2: the likelihood's own, and that of the mean over
            weight draws.

        Returns
        -------
        array of y's shape and units, or a tuple of them
        """
        prediction = self._predict(self._rows(X))
        mean = self._shape(prediction.mean * self.y_scale_ + self.y_loc_)
        if not (return_std or return_parts):
            return mean
        variances = [prediction.variance, prediction.aleatoric, prediction.epistemic]
        parts = [self._shape(np.sqrt(v) * self.y_scale_) for v in variances]
        return (mean, *parts) if return_parts else (mean, parts[0])

    def _shape(self, values):
        return values[:, 0] if self._y_ndim == 1 else values

    def _check(self, X, y, reset):
        X, y = validate_data(self, X, y, reset=reset, multi_output=True, y_numeric=True)
        return X, y

    def _settle_targets(self, y, weight):
        self._y_ndim = y.ndim
        y = y.reshape(len(y), -1).astype(np.float64)
        self.y_loc_, self.y_scale_ = np.zeros(y.shape[1]), np.ones(y.shape[1])
        if self.normalize_y:
            self.y_loc_ = np.average(y, axis=0, weights=weight)
            scale = np.sqrt(np.average((y - self.y_loc_) ** 2, axis=0, weights=weight))
            constant = scale <= 1e-12 * np.max(np.abs(y), axis=0)
            self.y_scale_ = np.where(constant, 1.0, scale)
        return Normal(self.scale, self.learn_scale), y.shape[1]

    def _encode(self, y):
        y = y.reshape(len(y), -1)
        if y.shape[1] != len(self.y_loc_):
            raise expected("y", f"{len(self.y_loc_)} outputs, as before", y.shape[1])
        return (y - self.y_loc_) / self.y_scale_
