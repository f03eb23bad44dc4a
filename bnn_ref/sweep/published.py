"""Published figures on the UCI sets: RMSE and test log-likelihood, mean and standard error.

Each source's own protocol: Hernández-Lobato and Adams' splits for the first three, 20 of them; the
last reports negative log-likelihoods alone, on splits of its own.
"""

from __future__ import annotations

from typing import Any

SOURCES = {
    "VI": "Graves (2011), as run by Hernández-Lobato and Adams (2015) and printed by Gal and "
    "Ghahramani (2016), table 1",
    "PBP": "Hernández-Lobato and Adams (2015), as printed by Gal and Ghahramani (2016), table 1",
    "dropout": "Gal and Ghahramani (2016), table 1; its spreads are standard deviations, here "
    "divided by sqrt(20) as in the authors' correction",
    "mean-field VI": "google/uncertainty-baselines, baselines/uci/README.md, 'Variational "
    "Inference' (log-likelihood only, splits of its own)",
    "deep ensembles": "Lakshminarayanan, Pritzel and Blundell (2017), table 1 (log-likelihood)",
}

# method: set: (RMSE, its standard error, log-likelihood, its standard error)
PUBLISHED: dict[str, Any] = {
    "VI": {
        "boston": (4.32, 0.29, -2.90, 0.07),
        "concrete": (7.19, 0.12, -3.39, 0.02),
        "energy": (2.65, 0.08, -2.39, 0.03),
        "power": (4.33, 0.04, -2.89, 0.01),
        "wine": (0.65, 0.01, -0.98, 0.01),
        "yacht": (6.89, 0.67, -3.43, 0.16),
    },
    "PBP": {
        "boston": (3.01, 0.18, -2.57, 0.09),
        "concrete": (5.67, 0.09, -3.16, 0.02),
        "energy": (1.80, 0.05, -2.04, 0.02),
        "power": (4.12, 0.03, -2.84, 0.01),
        "wine": (0.64, 0.01, -0.97, 0.01),
        "yacht": (1.02, 0.05, -1.63, 0.02),
    },
    "dropout": {
        "boston": (2.97, 0.19, -2.46, 0.06),
        "concrete": (5.23, 0.12, -3.04, 0.02),
        "energy": (1.66, 0.04, -1.99, 0.02),
        "power": (4.02, 0.04, -2.80, 0.01),
        "wine": (0.62, 0.01, -0.93, 0.01),
        "yacht": (1.11, 0.09, -1.55, 0.03),
    },
    "mean-field VI": {
        "boston": (None, None, -3.12, None),
        "concrete": (None, None, -3.22, None),
        "energy": (None, None, -0.93, None),
        "power": (None, None, -2.85, None),
        "wine": (None, None, -1.00, None),
        "yacht": (None, None, -2.01, None),
    },
    "deep ensembles": {
        "boston": (None, None, -2.41, None),
        "concrete": (None, None, -3.06, None),
        "energy": (None, None, -1.38, None),
        "power": (None, None, -2.79, None),
        "wine": (None, None, -0.94, None),
        "yacht": (None, None, -1.18, None),
    },
}
