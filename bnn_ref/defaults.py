"""The settings that have a default, once: `train`, `sweep` and the estimators read them here."""

from __future__ import annotations

from typing import Any

SETTINGS: dict[str, Any] = {
    "network": None,
    "layers": [128, 128],
    "activation": "relu",
    "prior": "normal",
    "prior_scale": 1.0,
    "bias": "deterministic",
    "initializer": "tfp",
    "initial_sigma": None,
    "likelihood": None,
    "steps": 6000,
    "epochs": None,
    "batch_size": 128,
    "learning_rate": "cosine",
    "kl_weight": None,
    "temperature": 1.0,
    "kl_warm_up": None,
    "adam": "paper",
    "estimator": "flipout",
    "freeze": None,
    "holdout": None,
    "draws": 50,
    "draws_per_step": 1,
    "seed": 0,
    "split": None,
    "backend": "numba",
    "dtype": "float32",
}
# That `dense_stack` takes by name.
OF_NETWORK = ("prior", "prior_scale", "bias", "initializer", "initial_sigma")
OF_TRAINER = (  # that `Trainer` and `fit` take by name
    "learning_rate",
    "seed",
    "dtype",
    "draws_per_step",
    "kl_weight",
    "temperature",
    "kl_warm_up",
    "adam",
    "estimator",
    "freeze",
)
