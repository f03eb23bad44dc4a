"""Training: one step at a time, or over shuffled epochs."""

from .convergence import Convergence, convergence, drift
from .fitting import Fit, fit
from .guards import posterior_summary, prior_line
from .history import History
from .schedules import Cosine, kl_share
from .trainer import Trainer

__all__ = [
    "Convergence",
    "Cosine",
    "Fit",
    "History",
    "Trainer",
    "convergence",
    "drift",
    "fit",
    "kl_share",
    "posterior_summary",
    "prior_line",
]
