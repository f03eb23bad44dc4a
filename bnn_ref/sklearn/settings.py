"""The settings that the two estimators share: their documentation and what each may be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from .. import defaults
from ..noise import ESTIMATORS
from ..priors import Prior
from ..training import Cosine

LEAST_STEPS, LEAST_PASSES = defaults.SETTINGS["steps"], 20
# Those of a run where they have the same name. Of what they have besides: a search over many fits
# runs one on each core.
DEFAULTS: dict[str, Any] = defaults.SETTINGS | {
    "hidden_layer_sizes": tuple(defaults.OF_TABLES),
    "layers": None,
    "max_iter": None,
    "num_examples": None,
    "early_stopping": False,
    "validation_fraction": 0.1,
    "n_iter_no_change": 10,
    "tol": 1e-4,
    "warm_start": False,
    "random_state": None,
    "threads": 1,
}
TEMPERATURES = (1.0, 0.3, 0.1, 0.03)  # that "held-out" chooses among
CAN_CHANGE = (
    "learning_rate, batch_size, max_iter, draws, draws_per_step, kl_weight, temperature, "
    "kl_warm_up, estimator, freeze, num_examples, early stopping's settings, class_weight, "
    "backend, threads"
)

CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [str],
    "layers": [list, tuple, None],
    "prior": [str, tuple, Prior],
    "prior_scale": [Interval(Real, 0, None, closed="neither")],
    "bias": [str],
    "initializer": [str],
    "initial_sigma": [Interval(Real, 0, None, closed="neither"), StrOptions({"prior"}), None],
    "learning_rate": [Interval(Real, 0, None, closed="neither"), str, Cosine, callable],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left"), None],
    "draws": [Interval(Integral, 1, None, closed="left")],
    "draws_per_step": [Interval(Integral, 1, None, closed="left")],
    "kl_weight": [Interval(Real, 0, None, closed="left"), callable, None],
    "temperature": [Interval(Real, 0, None, closed="left"), StrOptions({"held-out"})],
    "kl_warm_up": [Interval(Real, 0, 1, closed="both"), None],
    "estimator": [StrOptions(set(ESTIMATORS))],
    "freeze": [str, "array-like", None],
    "num_examples": [Interval(Real, 0, None, closed="neither"), None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "backend": "no_validation",
    "dtype": [StrOptions({"float32", "float64"}), type],
    "threads": [Interval(Integral, 1, None, closed="left"), None],
}

SETTINGS = f"""hidden_layer_sizes : sequence of int, default (50,)
        Units of the hidden layers; () for a linear model.
    activation : str, default "relu"
        Of the hidden layers, as `DenseFlipout` takes it.
    layers : list of Layer, optional
        The whole network, first layer to last, in place of hidden_layer_sizes and of the settings
        of their layers: any of `bnn_ref`'s, the last with as many outputs as the likelihood needs.
    prior : str or Prior, default "normal"
        Of the kernels' weights: its name with options behind it ("laplace", "mixture:scales=1/.1",
        see docs/priors.md), or as `DenseFlipout` takes it.
    prior_scale : float, default 1.0
        The scale of a named prior, of N(0, prior_scale) the standard deviation.
    bias, initializer : str, default "deterministic" and "tfp"
        As `DenseFlipout` takes them.
    initial_sigma : float or "prior", optional
        Where every weight's sigma starts instead of where the initializer has it.
    learning_rate : float, "cosine", `Cosine` or function of the step, default "cosine"
        Of Adam, see `bnn_ref.Trainer`. `partial_fit` knows no length and stays at a cosine's peak.
    batch_size : int, default 128
    max_iter : int, optional
        Passes over the rows; by default as many as {LEAST_STEPS:,} steps take, at least
        {LEAST_PASSES}: with few rows a pass is a single step.
    draws : int, default 50
        Weight draws that a prediction averages.
    draws_per_step : int, default 1
        Noise draws that a training step averages.
    kl_weight : float or function of the step, optional
        The factor on the KL; by default temperature / N.
    temperature : float or "held-out", default 1.0
        The KL's weight as a multiple of 1/N. At 1 the posterior is Bayes'; below it is a cold
        posterior, which serves accuracy where rows are many and clean, and hurts log-likelihood
        and coverage where they are few and noisy. "held-out" trains at each of
        {", ".join(f"{t:g}" for t in TEMPERATURES)} without a share of the rows
        (`validation_fraction`), takes the one whose predictions are best on them (1 unless another
        is better by more than a standard error of the difference), and trains on all rows.
    kl_warm_up : float, optional
        The share of the steps in which the KL's weight rises from 0 to its value; by default half
        where the learning rate is a cosine and the noise scale is learned or predicted or there is
        more than one hidden layer, else 0. It lets the fit come before the KL: without it the scale
        may stay at the targets' deviation, with a flat line as the mean.
    estimator : {{{", ".join(f'"{name}"' for name in ESTIMATORS)}}}, default "flipout"
        Of a step's noise, as `bnn_ref.Trainer` takes it.
    freeze : str or sequence of str, optional
        Tensors that stay as they start, or, with `warm_start`, as they are: "layers.0.kernel_mu",
        or what some begin with ("layers.0").
    num_examples : float, optional
        N. By default the sum of the rows' weights (1 each without any) that `fit` trains on, or
        that all calls of `partial_fit` were given: give it where the same rows come again, or
        where weights are relative (boosting).
    early_stopping : bool, default False
        Hold rows out, score them (by their weights) at the posterior mean after every pass, stop
        where the score has not risen by `tol` for `n_iter_no_change` passes, and keep the
        parameters of the best; with `warm_start` the best of all fits.
    validation_fraction : float, default 0.1
        Of early stopping and of the held-out temperature.
    n_iter_no_change : int, default 10
    tol : float, default 1e-4
        Nats.
    warm_start : bool, default False
        `fit` goes on from where the last one ended, for `max_iter` more passes. Between fits can
        change: {CAN_CHANGE}.
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
        The loss of each pass in nats: the mean over its rows of nll + kl_weight * kl.
    loss_ : float
        The last of these.
    convergence_ : Convergence
        Whether training has settled, and a line; a `ConvergenceWarning` says so where it has not.
    temperature_ : float
        Of the KL, chosen or given.
    temperature_scores_ : dict of float to float
        Of "held-out": temperature to mean log-probability (nats) of the held-out rows.
    validation_scores_ : list of float
        Mean log-probability (nats) at the posterior mean of the held-out rows after each pass,
        with early stopping.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.
    network_ : Network
    state_ : State
        Parameters, Adam's moments, steps taken.
    seed_ : int
    num_rows_, num_examples_ : int and float
        How many rows were trained on, and the sum of their weights."""
