"""How much of a network could be left out: the score against the share of weights set to zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..plot.theme import legend, new_figure
from .evidence import SWEEP_DRAWS
from .figure import Plot
from .weights import kernels, ratios

if TYPE_CHECKING:
    from ..parameters import Parameters
    from .evidence import Evidence

SHARES = (0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
TICKS = (0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)  # of an axis of -log10(1 - share)
LOST_ACCURACY, LOST_RMSE = 0.01, 0.05  # what may be lost: a difference, and a share


def _random(parameters):
    """Return the `LayerParameters` of the layers whose kernel has a posterior, as `kernels`."""
    return [p for _, layer, p in parameters.walk() if "kernel" in layer.priors]


def pruned(parameters: Parameters, share: float) -> Parameters:
    """Return parameters with that share of the kernel weights set to 0, lowest |mu|/sigma first.

    A weight that is set to 0 has mean 0 and no standard deviation (but scale_shift, which is 0 or
    the machine epsilon). Biases stay.
    """
    parameters = parameters.copy()
    pooled = np.concatenate([ratios(kernel) for kernel in kernels(parameters)])
    chosen = np.zeros(pooled.size, bool)
    chosen[np.argsort(pooled, kind="stable")[: round(share * pooled.size)]] = True
    start = 0
    for p in _random(parameters):
        part = chosen[start : start + p.kernel_mu.size].reshape(p.kernel_mu.shape)
        p.kernel_mu[part] = 0
        p.kernel_rho[part] = -1e4  # softplus is 0 there in both dtypes
        start += p.kernel_mu.size
    return parameters


def pruning(evidence: Evidence) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return (shares, averaged scores, posterior-mean scores) of a run with weights left out.

    Shares that would leave no weight or as many as a smaller one are left out.
    """
    x, y = evidence.sweep
    weights = sum(p.kernel_mu.size for p in _random(evidence.opened.parameters))
    counts = {round(share * weights): share for share in reversed(SHARES)}
    shares = sorted(share for count, share in counts.items() if count < weights)
    averaged, means = [], []
    for share in shares:
        parameters = pruned(evidence.opened.parameters, share)
        for scores, kind in ((averaged, "weights"), (means, "mean")):
            prediction = evidence.predict(x, y, parameters=parameters, kind=kind)
            scores.append(evidence.score(prediction))
    return np.array(shares), np.array(averaged), np.array(means)


def prunable(shares: NDArray[Any], scores: NDArray[Any], metric: str) -> float:
    """Return the largest share up to which no more is lost than the two constants allow."""
    if metric == "accuracy":
        kept = scores >= scores[0] - LOST_ACCURACY - 1e-12
    else:
        kept = scores <= (1 + LOST_RMSE) * scores[0]
    return shares[-1] if kept.all() else shares[np.argmin(kept) - 1]


def plots(evidence: Evidence) -> list[Plot]:
    """Return the figure of the score against the share of weights set to zero."""
    shares, averaged, means = pruning(evidence)
    most = prunable(shares, averaged, evidence.metric)
    accuracy = evidence.metric == "accuracy"
    factor, unit = (100, "accuracy, %") if accuracy else (1, "RMSE, target unit")
    lost = (
        f"a loss of at most {100 * LOST_ACCURACY:g} point of accuracy"
        if accuracy
        else f"an RMSE at most {100 * LOST_RMSE:g} % larger"
    )
    lines = ((f"average of {SWEEP_DRAWS} draws", averaged), ("posterior mean", means))

    def draw(theme):
        figure, axes = new_figure(theme)
        for k, (name, values) in enumerate(lines):
            color, style = theme.series(k)
            axes.plot(-np.log10(1 - shares), factor * values, linestyle=style, color=color,
                      label=name, marker="os"[k], markersize=(5, 3)[k], linewidth=1.4)  # fmt: skip
        axes.axvline(-np.log10(1 - most), color=theme.muted, linewidth=1.0)
        ticks = np.array([tick for tick in TICKS if tick <= shares[-1]])
        axes.set_xticks(-np.log10(1 - ticks), [f"{100 * tick:g}" for tick in ticks])
        axes.set_xlabel("kernel weights set to zero, %")
        axes.set_ylabel(unit)
        legend(axes, theme)
        return figure

    return [
        Plot(
            "weights-pruning",
            "How much could be pruned",
            f"{100 * most:g} % of the kernel weights, lowest |mu| / sigma first, can be set to "
            f"zero for {lost} (the vertical line). {len(evidence.sweep[1]):,} "
            f"{evidence.part} rows; the axis is stretched towards 100 %.",
            f"Line chart of {unit} against the share of weights set to zero: "
            f"{factor * averaged[0]:.3g} with every weight, {factor * averaged[-1]:.3g} with "
            f"{100 * shares[-1]:g} % set to zero; {100 * most:g} % can go for {lost}.",
            draw,
        )
    ]
