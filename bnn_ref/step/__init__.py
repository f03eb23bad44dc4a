"""A step: what goes in and comes out, the checks at its border, Adam's rule."""

from .checks import (
    KINDS,
    check_batch,
    check_inputs,
    check_kind,
    check_kl_weight,
    check_least_rows,
    check_noise,
    check_sample_weight,
    leading_shape,
    refuse_non_finite,
)
from .freezing import frozen_names
from .results import Metrics, Result, State

__all__ = [
    "KINDS",
    "Metrics",
    "Result",
    "State",
    "check_batch",
    "check_inputs",
    "check_kind",
    "check_kl_weight",
    "check_least_rows",
    "check_noise",
    "check_sample_weight",
    "frozen_names",
    "leading_shape",
    "refuse_non_finite",
]
