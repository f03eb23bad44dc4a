"""What the figures are drawn from: a run's predictions for rows it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..prediction import Prediction, predict
from ..reference import draw_outputs
from ..runs.evaluation import score_parts
from ..runs.opened import OpenedRun

if TYPE_CHECKING:
    from ..likelihoods import Targets
    from ..parameters import Parameters

MOST_ROWS = 10_000  # of the part that is shown
SWEEP_ROWS = 1_000  # where a whole curve of predictions is made: no more work than the page's own
SWEEP_DRAWS = 20


@dataclass(frozen=True)
class Evidence:
    """A run and its predictions.

    Attributes
    ----------
    opened : OpenedRun
    part : str
        Whose rows are shown: "held-out", "test", or "training" where there are no others.
    x : Rows (N, I)
    y : array
    prediction : Prediction
        Of those rows, with the run's own draws and seed.
    """

    opened: OpenedRun
    part: str
    x: Any
    y: NDArray[Any]
    prediction: Prediction

    @property
    def are_numbers(self) -> bool:
        """Whether predictions are means with a band, not probabilities."""
        return self.prediction.probabilities is None

    @property
    def targets(self) -> Targets:
        """What the targets are."""
        return self.opened.network.likelihood.targets

    @property
    def metric(self) -> str:
        """ "accuracy" or "rmse"."""
        return self.opened.network.likelihood.metric

    @property
    def image(self) -> tuple[int, ...] | None:
        """(height, width) where a row is an image, else None."""
        return self.opened.dataset.image

    @property
    def draws(self) -> int:
        """S, the draws of a prediction."""
        return self.prediction.draws

    @property
    def seed(self) -> int:
        """The run's seed, of every draw here."""
        return self.opened.settings["seed"]

    def class_name(self, k: int) -> str:
        """Return the name of a class as text."""
        names = self.opened.dataset.encoding.classes
        return str(k if names is None else names[k])

    def predict(
        self,
        x: Any,
        y: ArrayLike | None = None,
        *,
        draws: int = SWEEP_DRAWS,
        parameters: Parameters | None = None,
        kind: str = "weights",
    ) -> Prediction:
        """Return the `Prediction` of other rows, or with other parameters."""
        return predict(
            self.opened.network,
            self.opened.parameters if parameters is None else parameters,
            x,
            y,
            draws=1 if kind == "mean" else draws,
            seed=self.seed,
            kind=kind,
            backend=self.opened.settings["backend"],
        )

    def outputs(self, x: Any) -> NDArray[np.float64]:
        """Return every draw of the outputs, (S, N, O): what the averages are averages of."""
        x = np.asarray(x)
        return np.stack([
            draw_outputs(self.opened.network, self.opened.parameters, x, self.seed, draw)
            for draw in range(self.draws)
        ]).astype(np.float64)  # fmt: skip

    @cached_property
    def sweep(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """(x, y) of the first `SWEEP_ROWS` rows, for curves of many predictions."""
        return np.asarray(self.x[:SWEEP_ROWS]), self.y[:SWEEP_ROWS]

    @cached_property
    def scores(self) -> dict[str, Any]:
        """Held-out and test scores, as the run recorded them or computed now."""
        opened = self.opened
        now = {"steps": opened.checkpoint.state.step, "draws": self.draws}
        recorded = opened.results
        if recorded and now.items() <= recorded.items():
            return recorded
        return now | score_parts(
            opened.network, opened.parameters, opened.dataset, draws=self.draws, seed=self.seed,
            backend=opened.settings["backend"],
        )  # fmt: skip

    def score(self, prediction: Prediction) -> float:
        """Return accuracy, or the RMSE in the target's own units, of a prediction with targets."""
        if self.metric == "accuracy":
            return prediction.accuracy
        wrong = self.opened.dataset.encoding.decode_scale(prediction.mean - prediction.targets)
        return float(np.sqrt(np.mean(wrong * wrong)))


def gather(opened: OpenedRun, draws: int | None = None) -> Evidence:
    """Return the `Evidence` of a run.

    Parameters
    ----------
    opened : OpenedRun
    draws : int, optional
        Of a prediction; the run's own number unless given.
    """
    dataset = opened.dataset
    parts = {"held-out": dataset.validation, "test": dataset.test, "training": dataset.train}
    part = next(name for name, examples in parts.items() if examples is not None)
    x, y = parts[part]
    x, y = x.take(slice(0, MOST_ROWS)), y[:MOST_ROWS]
    prediction = predict(
        opened.network,
        opened.parameters,
        x,
        y,
        draws=opened.settings["draws"] if draws is None else draws,
        seed=opened.settings["seed"],
        backend=opened.settings["backend"],
    )
    return Evidence(opened, part, x, y, prediction)
