"""Prediction: draws of the posterior averaged."""

from .predicting import (
    Prediction,
    calibration_bins,
    calibration_error,
    predict,
    reduce_draws,
)

__all__ = [
    "Prediction",
    "calibration_bins",
    "calibration_error",
    "predict",
    "reduce_draws",
]
