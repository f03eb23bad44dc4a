"""The plot of the variance bench."""

import numpy as np

from .. import plots

LOOKS = {  # colours of Okabe and Ito, and a marker each
    "shared": ("#e69f00", "s"),
    "flipout": ("#d55e00", "o"),
    "local": ("#0072b2", "^"),
    "independent": ("#009e73", "D"),
}


def plot(measured, path):
    """Draw variance against batch size, a panel for each case and tensor."""
    cases = list(dict.fromkeys(row["case"] for row in measured["curves"]))
    tensors = list(dict.fromkeys(row["tensor"] for row in measured["curves"]))
    title = f"Variance of the gradient over the noise ({measured['draws']} draws a point)"
    figure, axes = plots.panels(len(tensors), len(cases), title, 4.2, 3.6)
    for row, tensor in enumerate(tensors):
        for column, case in enumerate(cases):
            axis = axes[row * len(cases) + column]
            for curve in measured["curves"]:
                if (curve["case"], curve["tensor"]) == (case, tensor):
                    _draw(axis, curve)
            axis.set(xscale="log", yscale="log", title=f"{case}: {tensor}", xlabel="batch size")
            plots.plain_ticks(axis, [16, 64, 256, 1024])
    axes[0].set(ylabel="variance, summed over entries")
    plots.legend(axes[0])
    plots.save(figure, path)


def _draw(axis, row):
    """Draw one curve, the closed form where there is one, the floor where it is known."""
    colour, marker = LOOKS[row["estimator"]]
    value, low, high = np.array(row["variances"]).T
    axis.errorbar(row["batches"], value, yerr=[value - low, high - value], color=colour,
                  marker=marker, markersize=4.5, linewidth=1.4, capsize=2,
                  label=f"{row['estimator']} ({row['slope'][0]:.2f})")  # fmt: skip
    if row["closed"] and row["estimator"] == "flipout":
        axis.plot(row["batches"], row["closed"], color="black", linestyle="--", linewidth=1,
                  label="closed form", zorder=5)  # fmt: skip
    if row["closed_floor"]:
        axis.axhline(row["closed_floor"], color="black", linestyle=":", linewidth=1,
                     label="Flipout's floor")  # fmt: skip
