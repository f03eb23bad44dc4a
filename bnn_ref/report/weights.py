"""What was learned: means and standard deviations of every layer's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import reference
from ..network import shortened
from ..plot.theme import SERIES, legend, new_figure
from ..priors import NormalPrior
from .figure import Plot

if TYPE_CHECKING:
    from ..parameters import Parameters
    from ..runs.opened import OpenedRun
    from .evidence import Evidence

MOST_BINS = 70
ACTIVE = 1.0  # nats
RATIOS = (1e-3, 1e3)  # signal-to-noise ratios outside are counted at the ends


class Kernel(NamedTuple):
    """One layer's kernel, float64.

    Attributes
    ----------
    name : str
    mu, sigma : arrays (I O,)
    """

    name: str
    mu: NDArray[Any]
    sigma: NDArray[Any]


def kernels(parameters: Parameters) -> list[Kernel]:
    """Return the `Kernel` of every layer whose kernel has a posterior."""
    layers = []
    for place, layer, p in parameters.walk():
        for name, _, mu, rho in layer.posteriors(p):
            if name == "kernel":
                sigma = reference.sigma(p.scale_shift, rho.astype(np.float64)).ravel()
                layers.append(
                    Kernel(f"layer {shortened(place)}", mu.astype(np.float64).ravel(), sigma)
                )
    return layers


def ratios(kernel: Kernel) -> NDArray[Any]:
    """Return the signal-to-noise ratios |mu| / sigma; infinite where sigma is 0 and mu is not."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(kernel.mu) / kernel.sigma
    return np.where(kernel.mu == 0, 0.0, ratio)


def active(opened: OpenedRun) -> str:
    """Return sentences on how many units of each hidden layer the posterior holds, or "".

    A unit counts where the weights that leave it have moved more than `ACTIVE` nats from the
    prior: what is left of the others is the prior's own noise. Of a layer without a KL, or with
    one that is known at a draw alone, nothing is said.

    Parameters
    ----------
    opened : OpenedRun
    """
    if len(opened.network.layers) == 1:
        return "There is no hidden layer."
    words, idle, before = [], 0, None
    for place, layer, p in opened.parameters.walk():
        prior, before, k = layer.priors.get("kernel"), place, before
        dense = prior is not None and p.kernel_mu.ndim == 2
        if k is None or not dense or not prior.has_kl or prior.is_sampled:
            continue
        sigma = reference.sigma(p.scale_shift, p.kernel_rho.astype(np.float64))
        prior = layer.bound("kernel", prior, p, None)
        kl = prior.kl(p.kernel_mu.astype(np.float64), sigma)  # (I, O)
        used = int(np.sum(kl.sum(axis=1) > ACTIVE))
        idle += layer.inputs - used
        words.append(f"{used} of {layer.inputs} units of layer {shortened(k)}")
    if not words:
        return ""
    return (
        f"Units whose leaving weights hold more than {ACTIVE:g} nat of KL: "
        + ", ".join(words)
        + "."
        + (" The weights that leave the others are close to the prior: a mean-field posterior "
           "prunes what helps little." if idle else "")
        + ("" if opened.convergence is None or opened.convergence.settled else
           " Training has not settled, so part of that KL is still that of the initial values.")
    )  # fmt: skip


def plots(evidence: Evidence) -> list[Plot]:
    """Return the figures on a run's kernels."""
    every = kernels(evidence.opened.parameters)
    if not every:
        return []
    shown = every
    if len(every) > len(SERIES):  # as many lines as can be told apart
        places = np.linspace(0, len(every) - 1, len(SERIES)).round().astype(int)
        shown = [every[k] for k in places]
    few = f" Of {len(every)} layers {len(shown)} are shown." if len(shown) < len(every) else ""
    layers = [layer for _, layer, _ in evidence.opened.network.walk()]
    priors = {layer.priors["kernel"] for layer in layers if "kernel" in layer.priors}
    prior = priors.pop() if len(priors) == 1 else None
    if np.ndim(getattr(prior, "loc", 0)) or np.ndim(getattr(prior, "scale", 0)):
        prior = None  # another for each weight
    drawn_in = any(layer.priors["kernel"].has_kl for layer in layers if "kernel" in layer.priors)
    return [_means(shown, prior, few, drawn_in), _scales(shown, prior, few, drawn_in),
            _ratios(shown, few)]  # fmt: skip


def _histograms(theme, names, values, label, *, prior=None, line=None, log=False):
    """Return a figure of each layer's density.

    prior: a curve's function; line: a place; log: of the values. The density's axis is a square
    root: a peak of idle weights leaves the others visible.
    """
    figure, axes = new_figure(theme)
    values = [np.log10(np.maximum(v, 1e-30)) if log else v for v in values]
    low, high = np.quantile(np.concatenate(values), [0.002, 0.998])
    pad = 0.05 * (high - low) or 0.5
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        color, style = theme.series(k)
        bins = int(np.clip(2 * np.sqrt(value.size), 8, MOST_BINS))
        edges = np.linspace(low - pad, high + pad, bins + 1)
        count, _ = np.histogram(value, edges)
        axes.stairs(count / (value.size * np.diff(edges)), edges, color=color, linestyle=style,
                    linewidth=1.5, label=f"{name}: {value.size:,}", baseline=None)  # fmt: skip
    grid = np.linspace(low - pad, high + pad, 200)
    if prior is not None:
        axes.plot(grid, prior(grid), color=theme.muted, linewidth=1.2, label="prior")
    if line is not None:
        axes.axvline(line, color=theme.muted, linewidth=1.2, label="prior")
    if log:
        _decades(axes)
    axes.set_yscale("function", functions=(_root, np.square))
    _few_ticks(axes)
    axes.set_xlabel(label)
    axes.set_ylabel("density" + (" per decade" if log else ""))
    legend(axes, theme)
    return figure


def _root(values):
    return np.sqrt(np.maximum(values, 0))


def _few_ticks(axes):
    """Put round numbers on a square-root axis that starts at 0."""
    top = axes.get_ylim()[1]
    unit = 10.0 ** np.floor(np.log10(top))
    ticks = [0.0]
    for step in (0.02, 0.1, 0.2, 0.5, 1, 2, 4, 6, 8):
        if step * unit <= top and np.sqrt(step * unit / top) - np.sqrt(ticks[-1] / top) > 0.09:
            ticks.append(step * unit)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_ylim(0, top)


def _decades(axes):
    """Label an axis of log10 values with the values themselves."""
    low, high = axes.get_xlim()
    every = max(1, round((high - low) / 6))
    ticks = np.arange(np.ceil(low), np.floor(high) + 1, every)
    if len(ticks) < 3:
        fine = np.log10(
            [m * 10.0**e for e in range(int(low) - 2, int(high) + 2) for m in (1, 2, 5)]
        )
        ticks = fine[(fine >= low) & (fine <= high)]
    axes.set_xticks(ticks, [f"{10.0**tick:.3g}" for tick in ticks])
    axes.set_xlim(low, high)


def _means(shown, prior, few, drawn_in):
    """Return the figure of means; drawn_in: whether any kernel has a prior with a KL."""
    words = "; ".join(f"{k.name}: standard deviation {k.mu.std():.3g}" for k in shown)

    def density(x):
        return np.exp(-prior.penalty(x))

    known = density if hasattr(prior, "penalty") else None
    return Plot(
        "weights-means",
        "Posterior means",
        "Of the kernel weights, per layer (with their number)."
        + " A sharp peak at the prior's mean: weights that the data did not ask for." * drawn_in
        + few,
        f"Histograms of the posterior means of each layer. {words}.",
        lambda theme: _histograms(theme, [k.name for k in shown], [k.mu for k in shown],
                                  "posterior mean of a weight", prior=known),
    )  # fmt: skip


def _scales(shown, prior, few, drawn_in):
    words = "; ".join(f"{k.name}: median {np.median(k.sigma):.3g}" for k in shown)
    line = np.log10(prior.scale) if isinstance(prior, NormalPrior) else None
    return Plot(
        "weights-scales",
        "Posterior standard deviations",
        "Of the kernel weights, per layer, on a logarithmic axis."
        + " Weights at the prior's own standard deviation have learned nothing." * drawn_in
        + few,
        f"Histograms of the posterior standard deviations of each layer. {words}.",
        lambda theme: _histograms(theme, [k.name for k in shown], [k.sigma for k in shown],
                                  "posterior standard deviation of a weight", line=line, log=True),
    )  # fmt: skip


def _ratios(shown, few):
    values = [ratios(kernel) for kernel in shown]
    words = "; ".join(
        f"{kernel.name}: median {np.median(r):.2g}, {100 * np.mean(r > 1):.0f} % above 1"
        for kernel, r in zip(shown, values, strict=True)
    )
    return Plot(
        "weights-snr",
        "Signal-to-noise ratio",
        "|mu| / sigma of the kernel weights, per layer. Below 1 not even a weight's sign is sure; "
        f"what is below {RATIOS[0]:g} is counted there.{few}",
        f"Histograms of the signal-to-noise ratio of each layer. {words}.",
        lambda theme: _histograms(theme, [k.name for k in shown],
                                  [np.clip(r, *RATIOS) for r in values],
                                  "signal-to-noise ratio |mu| / sigma", log=True),
    )  # fmt: skip
