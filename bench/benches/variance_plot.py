"""The plot of the variance bench."""

import numpy as np

from .. import plots

LOOKS = {  # colours of Okabe and Ito, and a marker each
    "shared": ("#e69f00", "s"),
    "flipout": ("#d55e00", "o"),
    "local": ("#0072b2", "^"),
    "independent": ("#009e73", "D"),
}


def plot(found, path):
    """Draw variance against batch size, a panel for each case and tensor."""
    cases = list(dict.fromkeys(one["case"] for one in found["curves"]))
    tensors = list(dict.fromkeys(one["tensor"] for one in found["curves"]))
    title = f"Variance of the gradient over the noise ({found['draws']} draws a point)"
    figure, axes = plots.panels(len(tensors), len(cases), title, 4.2, 3.6)
    for row, tensor in enumerate(tensors):
        for column, case in enumerate(cases):
            axis = axes[row * len(cases) + column]
            for one in found["curves"]:
                if (one["case"], one["tensor"]) == (case, tensor):
                    _draw(axis, one)
            axis.set(xscale="log", yscale="log", title=f"{case}: {tensor}", xlabel="batch size")
            plots.plain_ticks(axis, [16, 64, 256, 1024])
    axes[0].set(ylabel="variance, summed over entries")
    plots.legend(axes[0])
    plots.save(figure, path)


def _draw(axis, one):
    """Draw one curve, the closed form where there is one, the floor where it is known."""
    colour, marker = LOOKS[one["estimator"]]
    value, low, high = np.array(one["variances"]).T
    axis.errorbar(one["batches"], value, yerr=[value - low, high - value], color=colour,
                  marker=marker, markersize=4.5, linewidth=1.4, capsize=2,
                  label=f"{one['estimator']} ({one['slope'][0]:.2f})")  # fmt: skip
    if one["closed"] and one["estimator"] == "flipout":
        axis.plot(one["batches"], one["closed"], color="black", linestyle="--", linewidth=1,
                  label="closed form", zorder=5)  # fmt: skip
    if one["closed_floor"]:
        axis.axhline(one["closed_floor"], color="black", linestyle=":", linewidth=1,
                     label="Flipout's floor")  # fmt: skip
