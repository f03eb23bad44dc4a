"""`FlipoutRegressor`: numbers, a Normal likelihood whose scale is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from ..errors import expected
from ..likelihoods import Normal, PredictedNormal
from .base import Flipout
from .settings import CONSTRAINTS, DEFAULTS, SETTINGS

if TYPE_CHECKING:
    from ..layers import Layer
    from ..priors import Prior
    from ..training.schedules import Cosine

AT_ONCE = 1 << 20  # rows times draws of an interval's block


class FlipoutRegressor(RegressorMixin, MultiOutputMixin, Flipout):
    __doc__ = f"""A Bayesian neural network of Flipout layers with a Normal likelihood.

    Predictions average `draws` whole weight draws from the posterior that was learned. What they
    draw is fixed by `seed_`, so a row's prediction depends on the row alone.

    Parameters
    ----------
    scale : float or "predicted", default 1.0
        The likelihood's standard deviation, in units of the (normalised) target; where it is
        learned, its initial value. "predicted": the network gives every row one of its own.
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

    _parameter_constraints: ClassVar = {
        **CONSTRAINTS,
        "scale": [Interval(Real, 0, None, closed="neither"), StrOptions({"predicted"})],
        "learn_scale": ["boolean"],
        "normalize_y": ["boolean"],
    }

    y_loc_: NDArray[np.float64]
    y_scale_: NDArray[np.float64]

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = DEFAULTS["hidden_layer_sizes"],
        activation: str = DEFAULTS["activation"],
        *,
        layers: Sequence[Layer] | None = DEFAULTS["layers"],
        scale: float | str = 1.0,
        learn_scale: bool = True,
        normalize_y: bool = True,
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
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None
    ) -> FlipoutRegressor:
        """Take one pass over these rows, going on from where training is, and return self.

        Parameters
        ----------
        X : array (N, I)
        y : array (N,) or (N, O)
        sample_weight : array (N,), optional
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any, return_std: bool = False, return_parts: bool = False) -> Any:
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

    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return (low, high) of the central interval of that probability, of y's shape and units.

        Of the predictive mixture: the likelihood's noise and the spread of the draws. Rows are
        taken a block at a time, so that memory does not grow with them.

        Parameters
        ----------
        X : array (N, I)
        coverage : float, 0 < coverage < 1
        """
        rows = self._rows(X)
        at_once = max(128, AT_ONCE // self.draws)
        blocks = [
            self._predict(rows[start : start + at_once], return_draws=True).interval(coverage)
            for start in range(0, len(rows), at_once)
        ]
        return tuple(
            self._shape(np.concatenate(ends) * self.y_scale_ + self.y_loc_)
            for ends in zip(*blocks, strict=True)
        )

    def _shape(self, values):
        return values[:, 0] if self._y_ndim == 1 else values

    def _check(self, X, y, reset):
        return validate_data(self, X, y, reset=reset, ensure_all_finite=False, multi_output=True,
                             y_numeric=True)  # fmt: skip

    def _settle_targets(self, y, weight, classes):
        self._y_ndim = y.ndim
        y = y.reshape(len(y), -1).astype(np.float64)
        self.y_loc_, self.y_scale_ = np.zeros(y.shape[1]), np.ones(y.shape[1])
        if self.normalize_y:
            self.y_loc_, self.y_scale_ = _moments(y, weight)
        if isinstance(self.scale, str) and self.scale == "predicted":
            return PredictedNormal(), 2 * y.shape[1]
        return Normal(self.scale, self.learn_scale), y.shape[1]

    def _encode(self, y):
        y = y.reshape(len(y), -1)
        if y.shape[1] != len(self.y_loc_):
            raise expected("y", f"{len(self.y_loc_)} outputs, as before", y.shape[1])
        return (y - self.y_loc_) / self.y_scale_


def _moments(y, weight):
    """Return weighted mean and standard deviation of each output, 1 for that of a constant one."""
    with np.errstate(over="ignore", invalid="ignore"):
        loc = np.average(y, axis=0, weights=weight)
        scale = np.sqrt(np.average((y - loc) ** 2, axis=0, weights=weight))
        counted = y if weight is None else y[weight > 0]
        furthest = np.max(np.abs(counted - loc), axis=0)
    rounding = 1e-12 * np.max(np.abs(y), axis=0)
    unfit = ~(np.isfinite(scale) & (scale > 0)) & (furthest > rounding)
    if unfit.any():
        found = f"{counted.min():g} to {counted.max():g}"
        raise expected("y", "numbers whose squared deviations a float64 holds", found)
    return loc, np.where((scale <= rounding) | (furthest <= rounding), 1.0, scale)
