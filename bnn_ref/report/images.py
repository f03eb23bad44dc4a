"""Inside a network of images: kernels as pictures, and feature maps with their deviation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..noise import Stream
from ..plot.theme import new_figure
from ..reference import sigma as sigma_of
from .figure import Plot

if TYPE_CHECKING:
    from .evidence import Evidence

FILTERS, CHANNELS = 8, 6  # most that are shown of a kernel, and of a layer's maps
LAYERS = 5  # most whose maps are shown
SPREAD, MEAN = "magma", "viridis"


class Strip(NamedTuple):
    """Tiles (n, h, w) side by side on one scale.

    Attributes
    ----------
    label : str
    tiles : array (n, h, w)
    colours : str
        A colormap of matplotlib; one that has a middle puts 0 there.
    """

    label: str
    tiles: NDArray[Any]
    colours: str


def image_layers(evidence: Evidence) -> list[int]:
    """Return the numbers of the layers, outermost ones alone, whose outputs are images."""
    layers = enumerate(evidence.opened.network.layers)
    return [k for k, layer in layers if len(layer.output_shape) == 3]


def plots(evidence: Evidence) -> list[Plot]:
    """Return the figures of kernels and feature maps; none where no layer has images."""
    shown = image_layers(evidence)
    if not shown:
        return []
    entropies = getattr(evidence.prediction, "total_entropy", None)
    rows = {"first": 0}
    if entropies is not None:
        rows = {"surest": int(np.argmin(entropies)), "least-sure": int(np.argmax(entropies))}
    return [*_kernels(evidence), *(_maps(evidence, name, row, shown[:LAYERS])
                                   for name, row in rows.items())]  # fmt: skip


def feature_maps(evidence: Evidence, row: int, shown: list[int]) -> dict[int, NDArray[np.float64]]:
    """Return, by layer, the outputs of one held-out row under every draw of whole weights.

    Parameters
    ----------
    evidence : Evidence
    row : int
    shown : list of int
        Which layers.

    Returns
    -------
    dict of int to array (S, H, W, C)
    """
    opened = evidence.opened
    by_layer = {k: [] for k in shown}
    first = np.asarray(evidence.x[row : row + 1])
    for draw in range(evidence.draws):
        h = first.reshape(1, -1).astype(opened.parameters.dtype)
        for k in range(shown[-1] + 1):
            layer = opened.network.layers[k]
            stream = Stream(evidence.seed, "predict", k, draw=draw, dtype=h.dtype, first_row=row)
            h = layer.draw_outputs(opened.parameters.layers[k], h, stream, "weights")
            if k in by_layer:
                by_layer[k].append(h.reshape(layer.output_shape).astype(np.float64))
    return {k: np.stack(maps) for k, maps in by_layer.items()}


def _kernels(evidence):
    """Return the picture of the first convolution with a posterior, in a list; [] without one."""
    every = enumerate(evidence.opened.parameters.layers)
    drawn = ((k, p) for k, p in every if np.ndim(getattr(p, "kernel_mu", None)) == 4
             and getattr(p, "kernel_rho", None) is not None)  # fmt: skip
    k, p = next(drawn, (None, None))
    if p is None:
        return []
    mu, sigma = p.kernel_mu, sigma_of(p.scale_shift, p.kernel_rho)
    ratio = np.abs(mu) / sigma
    filters = np.argsort(-ratio.mean(axis=(0, 1, 2)), kind="stable")[:FILTERS]
    channels = range(min(mu.shape[2], 3))
    strips = []
    for c in channels:
        of = f", channel {c}" if len(channels) > 1 else ""
        strips += [Strip(f"mu{of}", np.moveaxis(mu[:, :, c, filters], -1, 0), "RdBu_r"),
                   Strip(f"sigma{of}", np.moveaxis(sigma[:, :, c, filters], -1, 0),
                         MEAN)]  # fmt: skip
    few = f" {len(filters)} of {mu.shape[3]} filters." if len(filters) < mu.shape[3] else ""
    few += f" The first 3 of {mu.shape[2]} channels." if len(channels) < mu.shape[2] else ""
    return [Plot(
        "images-kernels",
        "Kernels",
        f"Of layer {k}: each filter's posterior means, below them the standard deviations, the "
        f"filters with the largest |mu| / sigma first.{few}",
        f"Pictures of {len(filters)} kernels of {mu.shape[0]} by {mu.shape[1]}: means from "
        f"{mu.min():.2g} to {mu.max():.2g}, standard deviations from {sigma.min():.2g} to "
        f"{sigma.max():.2g}; mean |mu| / sigma "
        + ", ".join(f"{ratio[..., f].mean():.2g}" for f in filters) + ".",
        lambda theme: _draw(theme, strips),
    )]  # fmt: skip


def _maps(evidence, name, row, shown):
    """Return the figure of one row's feature maps."""
    maps = feature_maps(evidence, row, shown)
    image = np.asarray(evidence.x[row]).reshape(evidence.opened.network.layers[0].input_shape)
    strips, words = [Strip("input", np.moveaxis(image, -1, 0)[:CHANNELS], "gray")], []
    for k, draws in maps.items():
        mean, spread = draws.mean(axis=0), draws.std(axis=0)  # (H, W, C)
        channels = np.argsort(-mean.var(axis=(0, 1)), kind="stable")[:CHANNELS]
        kind = evidence.opened.network.layers[k].type
        tiles = (np.moveaxis(value[:, :, channels], -1, 0) for value in (mean, spread))
        named = zip((f"{k}: mean", "deviation"), tiles, (MEAN, SPREAD), strict=True)
        strips += [Strip(*strip) for strip in named]
        words.append(f"layer {k}, {kind}: mean {mean.mean():.2g}, deviation {spread.mean():.2g}")
    title = {"surest": "Feature maps of the surest row", "first": "Feature maps of the first row",
             "least-sure": "Feature maps of the least sure row"}[name]  # fmt: skip
    return Plot(
        f"images-maps-{name}",
        title,
        f"Over {evidence.draws} draws of the weights: what each layer makes of the row on "
        f"average, below it by how much the draws differ. At most {CHANNELS} channels, those that "
        "vary most. Every strip has a scale of its own.",
        f"Pictures of the layers' outputs for {evidence.part} row {row}; " + "; ".join(words) + ".",
        lambda theme: _draw(theme, strips),
    )


def _draw(theme, strips):
    """Return a figure of strips below each other."""
    shapes = [strip.tiles.shape for strip in strips]
    longest = max(n * (w + 1) / h for n, h, w in shapes)
    heights = [max(0.42, min(1.0, 3.0 * h / (n * (w + 1)))) for n, h, w in shapes]
    figure, axes = new_figure(theme, height=0.25 + sum(heights) * (1.1 if longest > 1 else 1.0),
                              rows=len(strips), squeeze=False, height_ratios=heights)  # fmt: skip
    figure.get_layout_engine().set(hspace=0.04, h_pad=0.02)
    for panel, strip in zip(axes[:, 0], strips, strict=True):
        gutter = np.full((strip.tiles.shape[1], 1), np.nan)
        whole = np.concatenate([part for tile in strip.tiles for part in (tile, gutter)][:-1], 1)
        low, high = float(strip.tiles.min()), float(strip.tiles.max())
        top = max(abs(low), abs(high)) or 1.0
        middle = strip.colours == "RdBu_r"
        panel.imshow(whole, cmap=strip.colours, vmin=-top if middle else low,
                   vmax=top if middle else high, interpolation="nearest")  # fmt: skip
        panel.set_anchor("W")
        panel.grid(visible=False)
        panel.set_xticks([])
        panel.set_yticks([])
        for spine in panel.spines.values():
            spine.set_visible(False)
        panel.set_ylabel(f"{strip.label}\n{low:.2g} to {high:.2g}", rotation=0, ha="right",
                       va="center", fontsize=7.5, color=theme.ink)  # fmt: skip
    return figure
