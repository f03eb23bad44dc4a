"""Prediction: draws of the posterior averaged, intervals, scores."""

from .calibration import (
    calibration_bins,
    calibration_error,
    chance_calibration_error,
    classwise_calibration_error,
    rms_calibration_error,
    wilson_interval,
)
from .intervals import mixture_quantile
from .predicting import predict, reduce_draws
from .prediction import Prediction
from .scores import coverage, crps, crps_mixture, interval_score, pinball

__all__ = [
    "Prediction",
    "calibration_bins",
    "calibration_error",
    "chance_calibration_error",
    "classwise_calibration_error",
    "coverage",
    "crps",
    "crps_mixture",
    "interval_score",
    "mixture_quantile",
    "pinball",
    "predict",
    "reduce_draws",
    "rms_calibration_error",
    "wilson_interval",
]
