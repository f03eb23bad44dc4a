"""What the two estimators share: their settings, training over passes, and prediction."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..border import check_size, refuse_rows
from ..border.frames import check_columns
from ..defaults import OF_NETWORK
from ..errors import ObjectiveWarning, expected
from ..layers import chain
from ..network import Network
from ..noise import draw_noise
from ..prediction import predict
from ..reference import kl as kl_of
from ..stacks import dense_stack
from ..training import Cosine, convergence, drift, prior_line
from ..training.examples import refuse_small_batches
from ..training.guards import warn_of_few_examples
from ..training.schedules import parse_rate, rise_of
from ..training.trainer import Trainer
from .passes import Patience, Rows, best_temperature, hold_out, take_pass
from .settings import CAN_CHANGE, CONSTRAINTS, LEAST_PASSES, LEAST_STEPS, TEMPERATURES

if TYPE_CHECKING:
    from ..step.results import State
    from ..training.convergence import Convergence

FIXED = ("hidden_layer_sizes", "activation", "layers", *OF_NETWORK, "dtype", "scale", "learn_scale",
         "normalize_y")  # fmt: skip


Estimator = TypeVar("Estimator", bound="Flipout")


class Flipout(BaseEstimator):
    """What the two estimators share: training over shuffled passes, and the draws of predictions.

    A row of weight 0 is left out. The others' weights are divided by their mean before they enter
    the nll of a step, and N is their sum, so that a row of weight k counts as k copies of it: both
    objectives are (sum_n w_n nll_n + temperature * kl) / sum_n w_n. Arguments as
    `bnn_ref.sklearn.settings.SETTINGS` describes them.
    """

    _parameter_constraints: ClassVar = CONSTRAINTS

    temperature_: float
    temperature_scores_: dict[float, float]
    num_rows_: int
    num_examples_: float
    seed_: int
    n_iter_: int
    loss_: float
    loss_curve_: list[float]
    validation_scores_: list[float]
    convergence_: Convergence
    network_: Network
    state_: State

    def _keep(self, given):
        """Set every parameter of the constructor as it was given, as scikit-learn wants it.

        Parameters
        ----------
        given : dict
            Of the constructor's local names.
        """
        for name in self._get_param_names():
            setattr(self, name, given[name])

    def fit(self: Estimator, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Estimator:
        """Train over the rows and return self.

        Parameters
        ----------
        X : array (N, I)
        y : array (N,), or (N, O) where there are several outputs
        sample_weight : array (N,), optional
            At least 0; a row of weight k counts as k copies of it.
        """
        self._check_settings()
        again = self.warm_start and hasattr(self, "state_")
        if again:
            self._refuse_changes()
        rows = self._take(X, y, sample_weight, first=not again)
        warn_of_few_examples(rows.total, len(rows.x), self.num_examples is not None)
        temperature = self.temperature
        if temperature == "held-out":
            temperature = self._choose_temperature(rows)
        self.temperature_ = float(temperature)
        held_out = None
        if self.early_stopping:
            rows, held_out = self._parted(rows, "early_stopping")
        self.num_rows_, self.num_examples_ = 0, 0
        stopped = self._train(rows, held_out)
        self._say(stopped)
        return self

    def _partial_fit(self, X, y, sample_weight, classes=None):
        self._check_settings()
        for name, value in (("early_stopping", True), ("temperature", "held-out")):
            if getattr(self, name) == value:
                raise ValueError(f"partial_fit does not support {name}={value!r}")
        first = not hasattr(self, "state_")
        rows = self._take(X, y, sample_weight, first, classes)
        self.temperature_ = float(self.temperature)
        if first:
            self.num_rows_, self.num_examples_ = 0, 0
        self._train(rows, passes=1)
        return self

    def _check_settings(self):
        """Refuse settings by their own names, before any work."""
        self._validate_params()
        for size in np.atleast_1d(np.asarray(self.hidden_layer_sizes, object)).ravel():
            check_size(size, "hidden_layer_sizes")
        parse_rate(self.learning_rate)

    def _settled(self):
        """Return the settings that a warm start may not change, as they are now."""
        return {
            name: tuple(np.atleast_1d(value).tolist()) if name == "hidden_layer_sizes" else value
            for name, value in self.get_params(deep=False).items()
            if name in FIXED
        }

    def _refuse_changes(self):
        for name, value in self._settled().items():
            if value != self._fitted_settings[name]:
                found = f"{value!r} (between fits of a warm start can change: {CAN_CHANGE})"
                raise expected(name, f"{self._fitted_settings[name]!r}, as in the first fit", found)

    def _take(self, X, y, sample_weight, first, classes=None):
        """Return the checked `Rows` of weight above 0; the first call settles the network."""
        check_columns(X, "X")
        check_columns(y, "y", numbers=False)
        X, y = self._check(X, y, reset=first)
        self._refuse_not_finite(X)
        weight = self._weights(y, None if sample_weight is None else _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True))  # fmt: skip
        if weight is not None and not np.any(weight > 0):
            raise expected("sample_weight", "at least one weight above 0", "none")
        if first:
            self._start(y, weight, classes)
        rows = Rows(X, self._encode(y), weight)
        return rows if weight is None or np.all(weight > 0) else rows.part(weight > 0)

    def _weights(self, y, weight):
        return weight

    def _start(self, y, weight, classes):
        """Settle everything that the first call of `fit` or `partial_fit` settles."""
        for name in ("state_", "network_", "validation_scores_", "temperature_scores_"):
            if hasattr(self, name):
                delattr(self, name)
        self.seed_ = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        self.n_iter_, self.loss_curve_ = 0, []
        self._fitted_settings = self._settled()
        likelihood, outputs = self._settle_targets(y, weight, classes)
        if self.layers is not None:
            self.network_ = self._network_of_layers(outputs, likelihood)
            return
        self.network_ = dense_stack(
            self.n_features_in_,
            self.hidden_layer_sizes,
            outputs,
            likelihood,
            self.activation,
            **{name: getattr(self, name) for name in OF_NETWORK},
        )

    def _network_of_layers(self, outputs, likelihood):
        """Return the network of the layers that were given, behind so many features."""
        layers = chain(self.layers, (self.n_features_in_,))
        if layers[-1].outputs != outputs:
            raise expected(f"layers[{len(layers) - 1}].outputs", f"{outputs}, as the likelihood of "
                           "these targets needs", layers[-1].outputs)  # fmt: skip
        return Network(layers, likelihood)

    def _parted(self, rows, why):
        """Return the `Rows` to train on, and those held out."""
        return hold_out(rows, self.validation_fraction, self.seed_, self._strata(rows.y), why)

    def _strata(self, y):
        return None

    def _passes(self, rows):
        """Return how many passes to take over so many rows."""
        if self.max_iter is not None:
            return self.max_iter
        return max(LEAST_PASSES, -(-LEAST_STEPS // -(-len(rows.x) // self.batch_size)))

    def _trainer(self, rows, temperature, steps, num_examples, state):
        """Return the `Trainer`; steps None: no length is known, and the rate is constant."""
        rate = parse_rate(self.learning_rate)
        rise = self.kl_warm_up
        if rise is None:
            rise = rise_of(rate, self.network_)
        if steps is None:
            rate, rise = (rate.peak if isinstance(rate, Cosine) else rate), 0.0
        return Trainer(
            self.network_,
            num_examples if self.num_examples is None else self.num_examples,
            rate,
            self.seed_,
            self.backend,
            self.dtype,
            draws_per_step=self.draws_per_step,
            kl_weight=self.kl_weight,
            temperature=temperature,
            kl_warm_up=rise,
            estimator=self.estimator,
            freeze=self.freeze,
            threads=self.threads,
            state=state,
            steps=steps,
        )

    def _train(self, rows, held_out=None, passes=None):
        """Go on training; return whether early stopping ended it."""
        self.num_rows_ += len(rows.x)
        self.num_examples_ += rows.total
        rows = rows.divided(self.num_examples_ / self.num_rows_)
        state, steps = getattr(self, "state_", None), None
        if passes is None:
            passes = self._passes(rows)
            steps = passes * -(-len(rows.x) // self.batch_size)
            steps += state.step if state is not None else 0
        refuse_small_batches(self.network_, len(rows.x), self.batch_size)
        trainer = self._trainer(rows, self.temperature_, steps, self.num_examples_, state)
        patience, drifts = Patience(self.n_iter_no_change, self.tol), []
        if held_out is not None and state is not None:  # of a warm start: what it begins from
            patience.see(self._score(held_out), trainer.parameters.flat)
        for number in range(passes):
            self.loss_ = take_pass(trainer, rows, self.batch_size, self.n_iter_)
            self.state_ = trainer.state
            self.n_iter_ += 1
            self.loss_curve_.append(self.loss_)
            if number % max(1, passes // 60) == 0 or number == passes - 1:
                drifts.append(drift(trainer.state, trainer.adam))
            if held_out is not None:
                score = self._score(held_out)
                self.validation_scores_ = [*getattr(self, "validation_scores_", []), score]
                patience.see(score, trainer.parameters.flat)
                if patience.is_over:
                    break
        constant = trainer.is_constant and not trainer.kl_warm_up
        losses = self.loss_curve_[-passes:]
        self.convergence_ = convergence(drifts, losses, is_constant=constant and len(drifts) > 1)
        if patience.parameters is not None:
            self.state_.parameters.flat[...] = patience.parameters
        return patience.is_over

    def _score(self, held_out):
        """Return the weighted mean log-probability of held-out rows at the posterior mean."""
        prediction = self._predict(held_out.x, held_out.y, draws=1, kind="mean")
        return float(np.average(prediction.log_prob, weights=held_out.weight))

    def _choose_temperature(self, rows):
        """Return the temperature whose averaged predictions of held-out rows are best."""
        if self.kl_weight is not None:
            raise expected("temperature", "a number where kl_weight is given", "'held-out'")
        kept, held = self._parted(rows, "temperature='held-out'")
        total = kept.total
        kept = kept.divided(total / len(kept.x))
        passes = self._passes(kept)
        steps = passes * -(-len(kept.x) // self.batch_size)
        log_probs = {}
        for temperature in TEMPERATURES:
            trainer = self._trainer(kept, temperature, steps, total, None)
            for number in range(passes):
                take_pass(trainer, kept, self.batch_size, number)
            prediction = self._predict(held.x, held.y, parameters=trainer.parameters)
            log_probs[temperature] = prediction.log_prob
        self.temperature_scores_ = {
            temperature: float(np.average(log_prob, weights=held.weight))
            for temperature, log_prob in log_probs.items()
        }
        return best_temperature(log_probs, held.weight)

    def _say(self, stopped):
        """Warn where training has not settled, or the posterior is still the prior."""
        if not stopped and not self.convergence_.settled:
            line = self.convergence_.line.replace("the number of steps (or passes)", "max_iter")
            warnings.warn(line, ConvergenceWarning, stacklevel=3)
        parameters = self.state_.parameters
        draw = draw_noise(self.network_, 1, self.seed_, dtype=parameters.dtype)  # of a mixture's KL
        kl = float(kl_of(self.network_, parameters, draw).sum())
        line = prior_line(parameters, kl)
        if line is not None:
            warnings.warn(line, ObjectiveWarning, stacklevel=3)

    def _predict(self, X, y=None, parameters=None, **options):
        """Return the `Prediction` for validated rows."""
        options = {"draws": self.draws, "seed": self.seed_, "backend": self.backend,
                   "threads": self.threads, **options}  # fmt: skip
        parameters = self.state_.parameters if parameters is None else parameters
        return predict(self.network_, parameters, X, y, **options)

    def _rows(self, X):
        check_is_fitted(self, "state_")
        check_columns(X, "X")
        X = validate_data(self, X, reset=False, ensure_all_finite=False)
        self._refuse_not_finite(X)
        return X

    def _refuse_not_finite(self, X):
        """Refuse what is not finite in the model's dtype, naming row and column."""
        try:
            refuse_rows(X, "X", np.dtype(self.dtype), range(len(X)))
        except ValueError as error:
            raise ValueError(f"Input X contains NaN or inf in {self.dtype}: {error}") from None
