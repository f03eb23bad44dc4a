"""Calibration: is a prediction of 0.8 right in 8 cases of 10?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..plot.classes import reliability_bins
from ..plot.theme import legend, new_figure
from ..prediction import calibration_bins, chance_calibration_error, wilson_interval
from .figure import Plot

if TYPE_CHECKING:
    from .evidence import Evidence

BINS = 10


def plots(evidence: Evidence) -> list[Plot]:
    """Return the reliability diagram, and how often each confidence occurs."""
    prediction = evidence.prediction
    confidence = prediction.confidence.ravel()
    hits = (prediction.classes == prediction.targets).ravel()
    count, mean, accuracy = calibration_bins(confidence, hits, BINS)
    errors = prediction.calibration_error, chance_calibration_error(confidence, BINS)
    return [
        _reliability(evidence, count, mean, accuracy, *errors),
        _how_often(evidence, confidence, hits),
    ]


def _reliability(evidence, count, mean, accuracy, error, chance):
    filled = count > 0
    low, _ = wilson_interval(accuracy[filled], count[filled])

    def draw(theme):
        figure, axes = new_figure(theme)
        reliability_bins(axes, theme, count, mean, accuracy)
        left = max(0.0, min(mean[filled].min(), low.min()) - 0.1)
        axes.set_xlim(left=left - 0.03)
        axes.set_ylim(left - 0.05, 1.1)
        axes.set_yticks([tick for tick in np.linspace(0, 1, 6) if tick >= left])
        legend(axes, theme)
        return figure

    worst = int(np.argmax(count * np.abs(accuracy - mean)))
    return Plot(
        "calibration-reliability",
        "Reliability diagram",
        f"Expected calibration error {error:.4f}, over {BINS} bins of equal width; chance alone "
        f"gives a perfectly calibrated network {chance:.4f} on so many rows. The numbers are "
        "predictions in the bin, the bars 95 % intervals (Wilson). Above the line the network is "
        "less sure than it could be, below it too sure.",
        f"Reliability diagram of {count.sum()} {evidence.part} predictions, expected calibration "
        f"error {error:.4f}. Most of it comes from the bin of mean confidence {mean[worst]:.2f}, "
        f"in which {accuracy[worst]:.2f} are right.",
        draw,
    )


def _how_often(evidence, confidence, hits):
    edges = np.linspace(0, 1, 21)
    right, wrong = (np.histogram(confidence[part], edges)[0] for part in (hits, ~hits))

    def draw(theme):
        from matplotlib.ticker import NullLocator

        figure, axes = new_figure(theme)
        axes.stairs(right, edges, color=theme.blue, linewidth=1.6, label=f"right ({right.sum():,})")
        axes.stairs(wrong, edges, color=theme.orange, linewidth=1.6, linestyle="--",
                    label=f"wrong ({wrong.sum():,})")  # fmt: skip
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(0, 2 * max(right.max(), wrong.max(), 1))
        powers = [10**k for k in range(1 + int(np.log10(max(right.max(), wrong.max(), 1))))]
        axes.set_yticks([0, *powers], ["0", *(f"{power:,}" for power in powers)])
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_xlim(max(0.0, confidence.min() - 0.05), 1.0)
        axes.set_xlabel("probability of the predicted class")
        axes.set_ylabel("predictions, logarithmic axis")
        legend(axes, theme)
        return figure

    sure = confidence >= 0.95
    return Plot(
        "calibration-confidence",
        "Confidence, right and wrong",
        "Predictions by the probability of the class they chose: the wrong ones should be to the "
        "left.",
        f"Histogram of the predicted probability: {100 * np.mean(sure):.0f} % of {evidence.part} "
        f"predictions are above 0.95, of these {100 * np.mean(hits[sure]) if sure.any() else 0:.1f}"
        f" % right; of all {100 * np.mean(hits):.1f} %.",
        draw,
    )
