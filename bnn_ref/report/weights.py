"""What was learned: means and standard deviations per layer, and how much could be left out."""

import numpy as np

from .. import reference
from .evidence import SWEEP_DRAWS
from .theme import Plot, legend, new_figure

BINS = 70
SHARES = (0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
TICKS = (0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)  # of an axis of -log10(1 - share)
RATIOS = (1e-3, 1e3)  # signal-to-noise ratios outside are counted at the ends


def plots(evidence):
    """Return the figures on a run's kernels."""
    layers = []
    for p in evidence.opened.parameters.layers:
        sigma = reference.sigma(p.scale_shift, p.kernel_rho.astype(np.float64)).ravel()
        layers.append((p.kernel_mu.astype(np.float64).ravel(), sigma))
    priors = {layer.kernel_prior for layer in evidence.opened.network.layers}
    prior = priors.pop() if len(priors) == 1 else None
    return [_means(layers, prior), _scales(layers, prior), _ratios(layers), _pruning(evidence)]


def _histograms(theme, values, label, *, prior=None, line=None, log=False):
    """Return a figure of each layer's density.

    prior: a curve's function; line: a place; log: of the values. The density's axis is a square
    root: a peak of idle weights leaves the others visible.
    """
    figure, axes = new_figure(theme)
    pooled = np.concatenate([np.log10(v) if log else v for v in values])
    low, high = np.quantile(pooled, [0.002, 0.998])
    pad = 0.05 * (high - low) or 0.5
    edges = np.linspace(low - pad, high + pad, BINS + 1)
    for k, value in enumerate(values):
        color, style = theme.series(k)
        density, _ = np.histogram(np.log10(value) if log else value, edges, density=True)
        axes.stairs(density, edges, color=color, linestyle=style, linewidth=1.5,
                    label=f"layer {k}: {value.size:,}", baseline=None)  # fmt: skip
    if prior is not None:
        axes.plot(edges, prior(edges), color=theme.muted, linewidth=1.2, label="prior")
    if line is not None:
        axes.axvline(line, color=theme.muted, linewidth=1.0, label="prior")
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
    steps = [0, 0.02, 0.1, 0.2, 0.5, 1, 2, 4, 6, 8]
    ticks = [step * unit for step in steps if step * unit <= top]
    ticks = [tick for tick in ticks if tick == 0 or np.sqrt(tick / top) > 0.06]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_ylim(0, top)


def _decades(axes):
    """Label an axis of log10 values with the values themselves."""
    low, high = axes.get_xlim()
    ticks = np.arange(np.ceil(low), np.floor(high) + 1)
    if len(ticks) < 3:
        fine = np.log10(
            [m * 10.0**e for e in range(int(low) - 2, int(high) + 2) for m in (1, 2, 5)]
        )
        ticks = fine[(fine >= low) & (fine <= high)]
    labels = [f"{10.0**tick:.3g}" for tick in ticks]
    axes.set_xticks(ticks, ["<= 0.001" if label == "0.001" else label for label in labels])
    axes.set_xlim(low, high)


def _means(layers, prior):
    values = [mu for mu, _ in layers]
    words = "; ".join(
        f"layer {k}: standard deviation {mu.std():.3g}" for k, mu in enumerate(values)
    )

    def density(x):
        return np.exp(-0.5 * ((x - prior.loc) / prior.scale) ** 2) / (
            prior.scale * np.sqrt(2 * np.pi)
        )

    return Plot(
        "weights-means",
        "Posterior means of the kernel weights, per layer (with their number). A sharp peak at "
        "the prior's mean is of weights that the data did not ask for.",
        f"Histograms of the posterior means of each layer. {words}.",
        lambda theme: _histograms(theme, values, "posterior mean of a weight",
                                  prior=density if prior else None),
    )  # fmt: skip


def _scales(layers, prior):
    values = [sigma for _, sigma in layers]
    words = "; ".join(f"layer {k}: median {np.median(s):.3g}" for k, s in enumerate(values))
    line = np.log10(prior.scale) if prior else None
    return Plot(
        "weights-scales",
        "Posterior standard deviations (sigma) of the kernel weights, per layer, on a logarithmic "
        "axis. Weights at the prior's own standard deviation have learned nothing.",
        f"Histograms of the posterior standard deviations of each layer. {words}.",
        lambda theme: _histograms(theme, values, "posterior standard deviation of a weight",
                                  line=line, log=True),
    )  # fmt: skip


def _ratios(layers):
    values = [np.clip(np.abs(mu) / sigma, *RATIOS) for mu, sigma in layers]
    words = "; ".join(
        f"layer {k}: median {np.median(r):.2g}, {100 * np.mean(r > 1):.0f} % above 1"
        for k, r in enumerate(values)
    )
    return Plot(
        "weights-snr",
        "Signal-to-noise ratio |mu| / sigma of the kernel weights, per layer. Below 1 not even a "
        "weight's sign is sure; what is below 0.001 is counted there.",
        f"Histograms of the signal-to-noise ratio of each layer. {words}.",
        lambda theme: _histograms(theme, values, "signal-to-noise ratio |mu| / sigma", log=True),
    )


def pruned(parameters, share):
    """Return parameters with that share of the kernel weights set to 0, lowest |mu|/sigma first.

    A weight that is set to 0 has mean 0 and no standard deviation (but scale_shift, which is 0 or
    the machine epsilon).
    """
    parameters = parameters.copy()
    ratios = []
    for p in parameters.layers:
        sigma = reference.sigma(p.scale_shift, p.kernel_rho.astype(np.float64))
        ratios.append((np.abs(p.kernel_mu) / sigma).ravel())
    pooled = np.concatenate(ratios)
    count = round(share * pooled.size)
    chosen = np.zeros(pooled.size, bool)
    chosen[np.argsort(pooled, kind="stable")[:count]] = True
    start = 0
    for p in parameters.layers:
        part = chosen[start : start + p.kernel_mu.size].reshape(p.kernel_mu.shape)
        p.kernel_mu[part] = 0
        p.kernel_rho[part] = -1e4  # softplus is 0 there in both dtypes
        start += p.kernel_mu.size
    return parameters


def pruning(evidence):
    """Return (shares, averaged scores, posterior-mean scores) of a run with weights left out."""
    x, y = evidence.sweep
    averaged, means = [], []
    for share in SHARES:
        parameters = pruned(evidence.opened.parameters, share)
        both = (
            evidence.score(evidence.predict(x, y, parameters=parameters, kind=kind))
            for kind in ("weights", "mean")
        )
        for found, score in zip((averaged, means), both, strict=True):
            found.append(score)
    return np.array(SHARES), np.array(averaged), np.array(means)


def _pruning(evidence):
    shares, averaged, means = pruning(evidence)
    accuracy = evidence.metric == "accuracy"
    factor, unit = (100, "accuracy, %") if accuracy else (1, "RMSE, target unit")
    kept = averaged >= averaged[0] - 0.01 if accuracy else averaged <= 1.05 * averaged[0]
    most = shares[: len(kept) if kept.all() else int(np.argmin(kept))][-1]
    within = "1 point of accuracy" if accuracy else "5 % of the RMSE"

    def draw(theme):
        figure, axes = new_figure(theme)
        for k, (name, values) in enumerate(
            ((f"average of {SWEEP_DRAWS} draws", averaged), ("posterior mean", means))
        ):
            color, style = theme.series(k)
            axes.plot(-np.log10(1 - shares), factor * values, style, color=color, label=name,
                      marker="os"[k], markersize=3.5, linewidth=1.4)  # fmt: skip
        axes.axvline(-np.log10(1 - most), color=theme.muted, linewidth=1.0)
        axes.set_xticks(-np.log10(1 - np.array(TICKS)), [f"{100 * tick:g}" for tick in TICKS])
        axes.set_xlabel("weights set to zero, lowest |mu| / sigma first, %")
        axes.set_ylabel(unit)
        legend(axes, theme)
        return figure

    return Plot(
        "weights-pruning",
        f"How much of the network could be pruned: {100 * most:g} % of the kernel weights can be "
        f"set to zero for less than {within} (the vertical line). {len(evidence.sweep[1])} "
        f"{evidence.part} rows.",
        f"Line chart of {unit} against the share of weights set to zero: "
        f"{factor * averaged[0]:.3g} with all, {factor * averaged[-1]:.3g} with one in a thousand; "
        f"{100 * most:g} % can go for less than {within}.",
        draw,
    )
