"""Regression: the predictive band, and whether its intervals hold what they say.

Everything is of the first output where there are several, and in the target's own unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..elementary import normal_cdf
from ..plot.theme import legend, new_figure
from .figure import Plot

if TYPE_CHECKING:
    from .evidence import Evidence

BAND_ROWS = 200  # observations drawn, and places of a band over one input
BEYOND = 0.4  # how far a band over one input goes past the data, in their own range
TRAINING = "training rows"
LEVELS = np.linspace(0.05, 0.95, 19)


def plots(evidence: Evidence) -> list[Plot]:
    """Return the predictive band and the reliability diagram of its intervals."""
    single = evidence.x.shape[1] == 1
    return [_band_over_input(evidence) if single else _band_over_rows(evidence),
            _coverage(evidence)]  # fmt: skip


def own_units(
    evidence: Evidence, mean: NDArray[Any], *variances: NDArray[Any]
) -> tuple[NDArray[Any], ...]:
    """Return mean and standard deviations of the first output, (N,) each."""
    encoding = evidence.opened.dataset.encoding
    return (
        encoding.decode_mean(mean)[:, 0],
        *(encoding.decode_scale(np.sqrt(variance))[:, 0] for variance in variances),
    )


def drawn_normals(evidence: Evidence, x: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return every draw's Normal of the first target: mean and scale, (S, N) each, as trained."""
    learned = evidence.opened.parameters.likelihood
    own = {name: array.astype(np.float64) for name, array in learned.items()}
    mean, scale = evidence.opened.network.likelihood.normals(evidence.outputs(x), own)
    return mean[:, :, 0], np.broadcast_to(scale, mean.shape)[:, :, 0]


def target_name(evidence: Evidence) -> str:
    """Return what an axis of the target is called."""
    target = evidence.opened.dataset.encoding.target
    network = evidence.opened.network
    several = network.likelihood.targets_of(network.outputs)
    if several > 1:
        return f"target 0 of {several}, its unit"
    return f"{target}, target unit" if isinstance(target, str) else "target, its unit"


def _observed(evidence):
    """Return (predicted mean, total, epistemic, observed) of the rows shown, (N,) each."""
    p = evidence.prediction
    y = evidence.opened.dataset.encoding.decode_mean(p.targets)[:, 0]
    return (*own_units(evidence, p.mean, p.variance, p.epistemic), y)


def _draw_band(theme, evidence, grid, band, observed, label):
    """Return the figure of a band (mean, total, epistemic) and of name to observed (x, y)."""
    figure, axes = new_figure(theme, height=3.1)
    mean, total, epistemic = band
    axes.fill_between(grid, mean - 2 * total, mean + 2 * total, color=theme.blue, alpha=0.22,
                      linewidth=0, label="2 standard deviations")  # fmt: skip
    axes.fill_between(grid, mean - 2 * epistemic, mean + 2 * epistemic, color=theme.blue,
                      alpha=0.5, linewidth=0, label="epistemic alone")  # fmt: skip
    axes.plot(grid, mean, color=theme.ink, linewidth=1.2, label="predicted mean")
    for name, (places, y) in observed.items():
        marker, color = ("x", theme.muted) if name == TRAINING else (".", theme.orange)
        axes.plot(places, y, marker, color=color, markersize=4, markeredgewidth=0.7, label=name)
    axes.set_xlabel(label)
    axes.set_ylabel(target_name(evidence))
    legend(axes, theme)
    return figure


def _band_plot(evidence, caption, draw):
    mean, total, epistemic, y = _observed(evidence)
    inside = 100 * np.mean(np.abs(y - mean) <= 2 * total)
    return Plot(
        "regression-band",
        "The predictive band",
        f"{inside:.0f} % of the {len(y):,} {evidence.part} rows are within 2 predictive standard "
        f"deviations (of a Normal 95 % are). {caption}",
        f"Predicted mean with a band of 2 standard deviations beside the observed values; "
        f"{inside:.0f} % of {len(y)} {evidence.part} rows are inside. Median standard deviation "
        f"{np.median(total):.3g}, of which epistemic {np.median(epistemic):.3g}.",
        draw,
    )


def _band_over_input(evidence):
    """Return the band over the one input, past both ends of the data."""
    encoding = evidence.opened.dataset.encoding
    train = np.asarray(evidence.opened.dataset.train.x.values, np.float64)[:, 0]
    reach = BEYOND * (train.max() - train.min()) or 1.0
    grid = np.linspace(train.min() - reach, train.max() + reach, BAND_ROWS)
    p = evidence.predict(np.asarray(encoding.encode_x(grid[:, None], evidence.x.dtype)),
                         draws=evidence.draws)  # fmt: skip
    band = own_units(evidence, p.mean, p.variance, p.epistemic)
    observed = {}
    if evidence.part != "training":
        observed[TRAINING] = _some(encoding, *evidence.opened.dataset.train)
    observed[f"{evidence.part} rows"] = _some(encoding, evidence.x, evidence.y)
    name = encoding.columns[0] if encoding.columns else "input, its own unit"
    return _band_plot(
        evidence,
        f"Training rows lie between {train.min():.4g} and {train.max():.4g}.",
        lambda theme: _draw_band(theme, evidence, grid, band, observed, name),
    )


def _some(encoding, x, y):
    """Return (input, target) of at most `BAND_ROWS` rows in their own units."""
    some = slice(None, None, -(-len(y) // BAND_ROWS))
    y = np.asarray(y, np.float64).reshape(len(y), -1)
    return np.asarray(x.values, np.float64)[some, 0], encoding.decode_mean(y)[some, 0]


def _band_over_rows(evidence):
    """Return the band over rows in the order of their predicted means."""
    mean, total, epistemic, y = _observed(evidence)
    order = np.argsort(mean, kind="stable")[:: -(-len(y) // BAND_ROWS)]
    order = np.repeat(order, 2) if len(order) == 1 else order  # a band has two ends
    band = (mean[order], total[order], epistemic[order])
    places = np.arange(1, len(order) + 1)
    return _band_plot(
        evidence,
        "" if len(order) >= len(y) else f"{len(order)} of them are drawn.",
        lambda theme: _draw_band(theme, evidence, places, band,
                                 {"observed": (places, y[order])},
                                 f"{evidence.part} rows, by predicted mean"),
    )  # fmt: skip


def central_probability(evidence: Evidence, x: Any, y: NDArray[Any]) -> NDArray[Any]:
    """Return for each row how central the target lies in its predictive mixture, 0 to 1.

    With u = mean over draws of Phi((y - z) / s), the row is inside every central interval of
    level |2 u - 1| and more.
    """
    z, s = drawn_normals(evidence, x)
    u = normal_cdf((y[:, 0] - z) / s).mean(axis=0)
    return np.abs(2 * u - 1)


def coverage(evidence: Evidence) -> NDArray[Any]:
    """Return the share of targets inside the central interval of each of `LEVELS`."""
    x, y = evidence.sweep
    central = central_probability(evidence, x, np.asarray(y, np.float64).reshape(len(y), -1))
    return np.array([np.mean(central <= level) for level in LEVELS])


def _coverage(evidence):
    share, rows = coverage(evidence), len(evidence.sweep[1])
    error = float(np.mean(np.abs(share - LEVELS)))

    def draw(theme):
        figure, axes = new_figure(theme, height=3.1)
        axes.plot([0, 100], [0, 100], color=theme.muted, linewidth=1.0, label="calibrated")
        axes.plot(100 * LEVELS, 100 * share, color=theme.blue, marker="o", markersize=3.5,
                  linewidth=1.4, label=f"{rows:,} {evidence.part} rows")  # fmt: skip
        axes.set_xlabel("level of the central predictive interval, %")
        axes.set_ylabel("targets inside, %")
        legend(axes, theme)
        return figure

    at = int(np.argmax(np.abs(share - LEVELS)))
    return Plot(
        "calibration-reliability",
        "Reliability diagram of the intervals",
        f"Calibration error {error:.4f}, the mean distance to the diagonal. Above the line "
        "intervals are wider than they need to be, below it too narrow.",
        f"Share of targets inside central predictive intervals against their level; mean distance "
        f"to the diagonal {error:.4f}, largest at {100 * LEVELS[at]:.0f} %, where "
        f"{100 * share[at]:.0f} % are inside.",
        draw,
    )
