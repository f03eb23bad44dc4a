"""Training: one step at a time, or over shuffled epochs."""

from .fitting import Fit, fit
from .history import History
from .trainer import Trainer

__all__ = ["Fit", "History", "Trainer", "fit"]
