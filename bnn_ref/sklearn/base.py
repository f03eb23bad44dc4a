"""What the two estimators share: their settings, training over passes, and prediction."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from ..border import check_size
from ..errors import expected
from ..likelihoods import Categorical
from ..noise import permutation
from ..prediction import predict
from ..stacks import dense_stack
from ..training.trainer import Trainer

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


class Flipout(BaseEstimator):
    """What the two estimators share: training over shuffled passes, and the draws of predictions.

    A row of weight 0 is left out. The others' weights are divided by their mean before they enter
    the nll of a step, and N is their sum, so that a row of weight k counts as k copies of it: both
    objectives are (sum_n w_n nll_n + kl) / sum_n w_n. Arguments as `SETTINGS` describes them.
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
