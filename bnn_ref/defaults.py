"""The settings that have a default, once: `train`, `sweep` and the estimators read them here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Units of the hidden layers: of rows that are images, and of a table's, whose few hundred rows tell
# little of a second layer: its noise then drowns a fit, or margins outgrow it (docs/tables.md).
OF_IMAGES, OF_TABLES = [128, 128], [50]
SETTINGS: dict[str, Any] = {
    "network": None,
    "layers": None,
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


def hidden_of(shape: tuple[int, ...]) -> list[int]:
    """Return the units of the hidden layers where nobody says.

    Parameters
    ----------
    shape : tuple of int
        Of a row: (I,), or (H, W, C) of an image.
    """
    return OF_TABLES if len(shape) == 1 else OF_IMAGES


def total_steps(settings: Mapping[str, Any], rows: int) -> int:
    """Return the steps in all that the settings ``steps`` or ``epochs`` ask for.

    Parameters
    ----------
    settings : mapping
    rows : int
        Trained on.
    """
    if settings["epochs"] is None:
        return settings["steps"]
    return settings["epochs"] * -(-rows // settings["batch_size"])


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
