"""What the two estimators share: their settings, training over passes, and prediction."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..border import check_size, refuse_rows
from ..errors import ObjectiveWarning, expected
from ..noise import permutation
from ..prediction import predict
from ..reference import kl as kl_of
from ..stacks import dense_stack
from ..training import Cosine, convergence, drift, prior_line
from ..training.guards import warn_of_few_examples
from ..training.schedules import parse_rate, rise_of
from ..training.trainer import Trainer
from .settings import CAN_CHANGE, CONSTRAINTS, LEAST_PASSES, LEAST_STEPS, TEMPERATURES

if TYPE_CHECKING:
    from ..network import Network
    from ..step.results import State
    from ..training.convergence import Convergence

FIXED = ("hidden_layer_sizes", "activation", "prior_scale", "bias", "initializer", "dtype",
         "scale", "learn_scale", "normalize_y")  # fmt: skip


Estimator = TypeVar("Estimator", bound="Flipout")


class Rows(NamedTuple):
    """Rows to train on or to score.

    Attributes
    ----------
    x, y : array
        Checked and encoded.
    weight : array or None
        None: 1 each.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    weight: NDArray[Any] | None

    def part(self, index: Any) -> Rows:
        """Return the rows of that index."""
        return Rows(*(None if one is None else one[index] for one in self))


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

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (50,),
        activation: str = "relu",
        *,
        prior_scale: float = 1.0,
        bias: str = "deterministic",
        initializer: str = "tfp",
        learning_rate: float | str | Cosine | Callable[[int], float] = "cosine",
        batch_size: int = 128,
        max_iter: int | None = None,
        draws: int = 50,
        draws_per_step: int = 1,
        kl_weight: float | Callable[[int], float] | None = None,
        temperature: float | str = 1.0,
        kl_warm_up: float | None = None,
        num_examples: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        backend: str | ModuleType = "numba",
        dtype: DTypeLike = "float32",
        threads: int | None = 1,
    ) -> None:
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
        self.temperature = temperature
        self.kl_warm_up = kl_warm_up
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
        total = len(rows.x) if rows.weight is None else float(rows.weight.sum())
        warn_of_few_examples(total, len(rows.x), self.num_examples is not None)
        temperature = self.temperature
        if temperature == "held-out":
            temperature = self._choose_temperature(rows)
        self.temperature_ = float(temperature)
        held_out = None
        if self.early_stopping:
            rows, held_out = self._hold_out(rows, "early_stopping")
        self.num_rows_, self.num_examples_ = 0, 0
        stopped = self._train(rows, held_out)
        self._say(stopped)
        return self

    def _partial_fit(self, X, y, sample_weight, classes=None):
        self._check_settings()
        for name, value in (("early_stopping", True), ("temperature", "held-out")):
            if getattr(self, name) is value or getattr(self, name) == value:
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
            name: tuple(np.atleast_1d(value)) if name == "hidden_layer_sizes" else value
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

    def _hold_out(self, rows, why):
        """Return the `Rows` to train on, and those held out, drawn by the seed."""
        count = len(rows.x)
        strata = self._strata(rows.y)
        groups = 1 if strata is None else len(np.unique(strata))
        held = max(int(np.ceil(self.validation_fraction * count)), groups)
        if held < 2 or count - held < max(2, groups):
            wanted = f"rows enough to hold {self.validation_fraction:g} of them out"
            raise expected(why, wanted, f"{count} rows")
        index, held = train_test_split(
            np.arange(count), test_size=held, random_state=self.seed_, stratify=strata
        )
        return rows.part(index), rows.part(held)

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
            rise = rise_of(rate, self.network_.likelihood)
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
            threads=self.threads,
            state=state,
            steps=steps,
        )

    def _train(self, rows, held_out=None, passes=None):
        """Go on training; return whether early stopping ended it."""
        self.num_rows_ += len(rows.x)
        self.num_examples_ += len(rows.x) if rows.weight is None else float(np.sum(rows.weight))
        mean_weight = self.num_examples_ / self.num_rows_
        if mean_weight != 1:
            weight = np.ones(len(rows.x)) if rows.weight is None else rows.weight
            rows = rows._replace(weight=weight / mean_weight)
        state, steps = getattr(self, "state_", None), None
        if passes is None:
            passes = self._passes(rows)
            steps = passes * -(-len(rows.x) // self.batch_size)
            steps += state.step if state is not None else 0
        trainer = self._trainer(rows, self.temperature_, steps, self.num_examples_, state)
        best, best_parameters, waited, drifts = -np.inf, None, 0, []
        if held_out is not None and state is not None:  # of a warm start: what it begins from
            best, best_parameters = self._score(held_out), trainer.parameters.flat.copy()
        for one in range(passes):
            self.loss_ = take_pass(trainer, rows, self.batch_size, self.n_iter_)
            self.state_ = trainer.state
            self.n_iter_ += 1
            self.loss_curve_.append(self.loss_)
            if one % max(1, passes // 60) == 0 or one == passes - 1:
                drifts.append(drift(trainer.state, trainer.adam))
            if held_out is None:
                continue
            score = self._score(held_out)
            self.validation_scores_ = [*getattr(self, "validation_scores_", []), score]
            waited = 0 if score > best + self.tol else waited + 1
            if score > best:
                best, best_parameters = score, trainer.parameters.flat.copy()
            if waited >= self.n_iter_no_change:
                break
        constant = trainer.is_constant and not trainer.kl_warm_up
        losses = self.loss_curve_[-passes:]
        self.convergence_ = convergence(drifts, losses, is_constant=constant and len(drifts) > 1)
        if best_parameters is not None:
            self.state_.parameters.flat[...] = best_parameters
        return held_out is not None and waited >= self.n_iter_no_change

    def _score(self, held_out):
        """Return the weighted mean log-probability of held-out rows at the posterior mean."""
        found = self._predict(held_out.x, held_out.y, draws=1, kind="mean")
        return float(np.average(found.log_prob, weights=held_out.weight))

    def _choose_temperature(self, rows):
        """Return the temperature whose averaged predictions of held-out rows are best."""
        if self.kl_weight is not None:
            raise expected("temperature", "a number where kl_weight is given", "'held-out'")
        kept, held = self._hold_out(rows, "temperature='held-out'")
        total = len(kept.x) if kept.weight is None else float(kept.weight.sum())
        if kept.weight is not None:
            kept = kept._replace(weight=kept.weight * (len(kept.x) / total))
        passes = self._passes(kept)
        steps = passes * -(-len(kept.x) // self.batch_size)
        found = {}
        for temperature in TEMPERATURES:
            trainer = self._trainer(kept, temperature, steps, total, None)
            for one in range(passes):
                take_pass(trainer, kept, self.batch_size, one)
            found[temperature] = self._predict(
                held.x, held.y, parameters=trainer.parameters
            ).log_prob
        self.temperature_scores_ = {
            t: float(np.average(one, weights=held.weight)) for t, one in found.items()
        }
        return pick(found, held.weight)

    def _say(self, stopped):
        """Warn where training has not settled, or the posterior is still the prior."""
        if not stopped and not self.convergence_.settled:
            line = self.convergence_.line.replace("the number of steps (or passes)", "max_iter")
            warnings.warn(line, ConvergenceWarning, stacklevel=3)
        kl = float(kl_of(self.network_, self.state_.parameters).sum())
        line = prior_line(self.state_.parameters, kl)
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
        X = validate_data(self, X, reset=False, ensure_all_finite=False)
        self._refuse_not_finite(X)
        return X

    def _refuse_not_finite(self, X):
        """Refuse what is not finite in the model's dtype, naming row and column."""
        try:
            refuse_rows(X, "X", np.dtype(self.dtype), range(len(X)))
        except ValueError as error:
            raise ValueError(f"Input X contains NaN or inf in {self.dtype}: {error}") from None


def pick(found: Mapping[float, NDArray[Any]], weight: NDArray[Any] | None = None) -> float:
    """Return the temperature that is best by more than a standard error of its gain over 1, or 1.

    Parameters
    ----------
    found : dict of float to array (N,)
        Temperature, 1.0 among them, to the log-probability of each held-out row.
    weight : array (N,), optional
    """
    best = max(found, key=lambda t: np.average(found[t], weights=weight))
    gain = found[best] - found[1.0]
    share = np.ones(len(gain)) if weight is None else weight
    share = share / share.sum()
    mean = np.sum(share * gain)
    return best if mean > np.sqrt(np.sum(share**2 * (gain - mean) ** 2)) else 1.0


def take_pass(trainer: Trainer, rows: Rows, batch_size: int, number: int) -> float:
    """Take one pass over the rows, in the order that `bnn_ref.fit` takes, and return its loss.

    Parameters
    ----------
    trainer : Trainer
    rows : Rows
    batch_size : int
    number : int
        Of the pass, from 0.
    """
    order = permutation(len(rows.x), trainer.seed, "shuffle", step=number)
    total = 0.0
    for start in range(0, len(order), batch_size):
        batch = rows.part(order[start : start + batch_size])
        total += len(batch.x) * trainer.step(*batch).loss
    return float(total / len(order))
