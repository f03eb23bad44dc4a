"""Prediction: draws of the posterior averaged."""

from .predicting import (
    Prediction,
    binary_entropy,
    calibration_bins,
    calibration_error,
    entropy,
    predict,
    reduce_draws,
)

__all__ = [
    "Prediction",
    "binary_entropy",
    "calibration_bins",
    "calibration_error",
    "entropy",
    "predict",
    "reduce_draws",
]
