"""scikit-learn's way in: `FlipoutClassifier` and `FlipoutRegressor` over `Trainer` and `predict`.

Inputs are taken as they are: scale them in a pipeline of your own
(``make_pipeline(StandardScaler(), FlipoutClassifier())``).
"""

from ..errors import missing

try:
    import sklearn  # noqa: F401
except ImportError:
    raise missing("bnn_ref.sklearn", "scikit-learn", "sklearn") from None

from .classifier import FlipoutClassifier
from .regressor import FlipoutRegressor

__all__ = ["FlipoutClassifier", "FlipoutRegressor"]
