"""What the JSON files of a run hold, key by key: see `bnn_ref.border.schema`."""

from __future__ import annotations

from types import NoneType
from typing import Any

from ..border.schema import Maybe

# How a table or an npz is read, as the options' texts: see `bnn_ref.data.reading`.
READING = ("header", "separator", "decimal", "missing", "missing_rows", "categorical", "drop",
           "index", "arrays")  # fmt: skip
# What the first version did without a setting for it: what its runs are read with.
LATER: dict[str, Any] = {
    "network": None,
    "prior": "normal",
    "prior_scale": 1.0,
    "bias": "deterministic",
    "initializer": "tfp",
    "initial_sigma": None,
    "temperature": 1.0,
    "kl_warm_up": 0.0,
    "adam": "paper",
    "estimator": "flipout",
    "freeze": None,
    "split": None,
    **dict.fromkeys(READING),
}
# Every setting of `bnn-ref train`; Maybe for those of `LATER`.
SETTINGS: dict[str, Any] = {
    "data": str,
    "target": (str, int, NoneType),
    "network": Maybe((str, NoneType)),
    "layers": [int],
    "activation": str,
    "prior": Maybe(str),
    "prior_scale": Maybe(float),
    "bias": Maybe(str),
    "initializer": Maybe(str),
    "initial_sigma": Maybe((float, str, NoneType)),
    "likelihood": (str, NoneType),
    "steps": (int, NoneType),
    "epochs": (int, NoneType),
    "batch_size": int,
    "learning_rate": (float, str),
    "kl_weight": (float, NoneType),
    "temperature": Maybe(float),
    "kl_warm_up": Maybe((float, NoneType)),
    "adam": Maybe(str),
    "estimator": Maybe(str),
    "freeze": Maybe(([str], NoneType)),
    "holdout": (int, NoneType),
    "draws": int,
    "draws_per_step": int,
    "seed": int,
    "split": Maybe((int, NoneType)),
    "backend": {"numba", "numpy"},
    "dtype": {"float32", "float64"},
    **dict.fromkeys(READING, Maybe((str, NoneType))),
}
FREE = ("data", "steps", "epochs", "draws")  # may be given anew when a run goes on
SCORES = ("nats", "accuracy", "rmse", "calibration_error")
RESULT_NAMES = ("loss", "nll", "kl", *(f"{part}_{name}" for name in SCORES
                                       for part in ("heldout", "test")))  # fmt: skip
CONFIG: dict[str, Any] = {
    "format": {"bnn-ref-run"},
    "version": {1, 2},
    "bnn_ref": str,
    "identity": Maybe(str),
    "settings": SETTINGS,
    "data": {
        "source": str,
        "kind": str,
        "holdout": int,
        "seed": int,
        "rows": {"train": int, "validation": int, "test": int},
        "image": ([int], NoneType),
        "checksum": int,
        "encoding": dict,
    },
    "network": {"inputs": int, "layers": list, "likelihood": dict},
}
RECORD: dict[str, Any] = dict.fromkeys(("epoch", "loss", "nll", "kl", "kl_weight"), float) | {
    "step": int,
    ...: (float, str, NoneType),
}
HISTORY: dict[str, Any] = {"records": [RECORD]}
RESULTS: dict[str, Any] = dict.fromkeys(RESULT_NAMES, (float, NoneType)) | {
    "steps": int,
    "draws": int,
    ...: (float, str, NoneType),
}
# The description in a checkpoint: `run` since version 2, `settings` later still.
META: dict[str, Any] = {
    "format": {"bnn-ref-checkpoint"},
    "version": {1, 2},
    "run": Maybe((str, NoneType)),
    "dtype": {"float32", "float64"},
    "inputs": int,
    "layers": [dict],
    "likelihood": dict,
    "environment": {...: (float, str, bool, NoneType)},
    "pending": {...: float},
    "settings": Maybe(
        {
            "num_examples": float,
            "learning_rate": (float, str),
            "draws_per_step": int,
            "kl_weight": (float, str, NoneType),
            "temperature": float,
            "kl_warm_up": float,
            "adam": {
                "learning_rate": float,
                "beta_1": float,
                "beta_2": float,
                "epsilon": float,
                "convention": str,
            },
            "estimator": str,
            "freeze": Maybe([str]),
            "steps": (int, NoneType),
        }
    ),
}
