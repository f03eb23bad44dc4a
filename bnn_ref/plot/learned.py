"""What was learned, and how: the posterior's means and deviations, the loss's parts over steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import expected
from ..network import shortened
from .axes import new_axes, new_figure
from .model import model_of
from .theme import PRINT, SERIES, legend, logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..training.fitting import Fit
    from ..training.history import History

MOST_IMAGES = 16
SMALLEST = 1e-4  # what is below counts there


def posterior(model: Any, *, image: tuple[int, int] | None = None) -> Figure:
    """Return a figure of every layer's kernel: means, deviations, signal to noise; its images.

    Histograms of kernel_mu, of sigma and of abs(mu) / sigma, on a square-root axis so that a peak
    of idle weights leaves the others visible. With `image`, below them the first layer's kernel_mu
    and sigma as pictures, the units with the largest signal first.

    Parameters
    ----------
    model : estimator, pipeline, `Fit`, `Trainer` or (network, parameters)
    image : (H, W), optional
        The shape of the inputs, H W of them.

    Raises
    ------
    ValueError
        Where the inputs do not make such an image.
    """
    model = model_of(model)
    parameters = model.parameters.astype("float64")
    layers = [
        (f"layer {shortened(place)}", p.kernel_mu, parameters.sigma(f"{place}.kernel"))
        for place, layer, p in parameters.walk()
        if "kernel" in layer.priors
    ]
    if image is not None and math.prod(image) != model.network.inputs:
        raise expected("image", f"a shape of {model.network.inputs} pixels", image)
    figure, axes = new_figure(3, 3.2, [2.6] if image is None else [2.6, 0.85, 0.85])
    panels = (
        ("posterior mean", lambda mu, s: mu, False),
        ("posterior deviation", lambda mu, s: s, True),
        ("signal to noise, |mean| / deviation", lambda mu, s: np.abs(mu) / s, True),
    )
    for panel, (label, value, decades) in zip(axes[0], panels, strict=True):
        _histograms(panel, [(name, value(mu, s).ravel()) for name, mu, s in layers], label, decades)
    legend(axes[0, 0], PRINT, 3)
    if image is not None:
        _pictures(figure, axes, layers[0][1], layers[0][2], image)
    return figure


def _histograms(axes: Any, named: list[tuple[str, npt.NDArray[np.float64]]], label: str,
                decades: bool) -> None:  # fmt: skip
    """Draw each layer's density; `decades`: over the decimal logarithm of the values."""
    shown = [(name, np.log10(np.maximum(v, SMALLEST)) if decades else v) for name, v in named]
    low, high = np.quantile(np.concatenate([v for _, v in shown]), [0.001, 0.999])
    pad = 0.05 * (high - low) or 0.5
    for k, (name, value) in enumerate(shown[: len(SERIES)]):
        color, style = PRINT.series(k)
        edges = np.linspace(low - pad, high + pad, int(np.clip(2 * np.sqrt(value.size), 8, 60)) + 1)
        count, _ = np.histogram(value, edges)
        axes.stairs(count / (value.size * np.diff(edges)), edges, color=color, linestyle=style,
                    linewidth=1.4, baseline=None, label=name)  # fmt: skip
    axes.set_yscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
    axes.set_xlabel(label)
    axes.set_ylabel("density" + (" a decade" if decades else ""))
    if decades:
        from matplotlib.ticker import FuncFormatter

        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{10.0**v:.2g}"))


def _pictures(figure: Any, axes: Any, mu: npt.NDArray[np.float64], s: npt.NDArray[np.float64],
              image: tuple[int, int]) -> None:  # fmt: skip
    """Put the first layer's means and deviations as pictures in the two lower rows."""
    units = np.argsort(-np.mean(np.abs(mu) / s, axis=0))[:MOST_IMAGES]
    grid = axes[0, 0].get_gridspec()
    for row, (label, values, colours) in enumerate(
        (("kernel_mu", mu, "RdBu_r"), ("sigma", s, "viridis")), start=1
    ):
        for panel in axes[row]:
            panel.remove()
        wide = figure.add_subplot(grid[row, :])
        tiles = [values[:, unit].reshape(image) for unit in units]
        gutter = np.full((image[0], 1), np.nan)
        strip = np.concatenate([part for tile in tiles for part in (tile, gutter)][:-1], axis=1)
        top = np.abs(values).max()
        shown = wide.imshow(strip, cmap=colours, vmin=-top if label == "kernel_mu" else 0, vmax=top)
        wide.set_xticks([])
        wide.set_yticks([])
        wide.set_ylabel(label, fontsize=9, color=PRINT.ink)
        figure.colorbar(shown, ax=wide, fraction=0.012, pad=0.01)


def learning(run: Fit | History, *, ax: Axes | None = None) -> Axes:
    """Return axes with the loss over steps, and its two parts: nll and kl_weight * kl, in nats.

    Every record is the mean over the examples since the last one, so the curves have the noise of
    the batches and of the draws. What still falls at the right edge has not settled.

    Parameters
    ----------
    run : Fit or History
    ax : matplotlib Axes, optional

    Raises
    ------
    ValueError
        Where there is no record.
    """
    records = getattr(getattr(run, "history", run), "records", None)
    if not records:
        raise expected("run", "a Fit or a History with records", type(run).__name__)
    axes = new_axes(ax)
    steps = [record["step"] for record in records]
    parts = {
        "loss": [record["loss"] for record in records],
        "nll": [record["nll"] for record in records],
        "kl_weight * kl": [record["loss"] - record["nll"] for record in records],
    }
    for k, (name, values) in enumerate(parts.items()):
        color, style = PRINT.series(k)
        axes.plot(steps, values, color=color, linestyle=style, linewidth=1.5,
                  label=f"{name}, at last {values[-1]:.3g}")  # fmt: skip
    every = np.concatenate([np.asarray(v, float) for v in parts.values()])
    if every.min() > 0:
        logarithmic(axes, every.min(), every.max())
    axes.set_xlabel("step")
    axes.set_ylabel("nats an example")
    legend(axes, PRINT, 2)
    return axes
