"""Pictures of a convolution in letters: its kernels, and an example's feature maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .sheet import LONGEST, number

if TYPE_CHECKING:
    from ..layers import Conv2DFlipout
    from ..layers.records import LayerParameters, LayerTrace
    from .sheet import Sheet

SHADES = " .:-=+*#%@"
TWICE = 12  # images up to so wide have two letters a pixel, as letters are high
WIDEST = LONGEST - 6


def picture(sheet: Sheet, name: str, tiles: NDArray[Any]) -> None:
    """Add tiles side by side to a sheet, as many as fit, each pixel a letter.

    Parameters
    ----------
    sheet : Sheet
    name : str
    tiles : array (n, h, w)
    """
    n, height, width = tiles.shape
    letters = 2 if width <= TWICE else 1
    n = max(1, min(n, (WIDEST + 2) // (letters * width + 2)))
    shown = tiles[:n]
    low, high = float(shown.min()), float(shown.max())
    span = high - low or 1.0
    levels = np.minimum((shown - low) / span * len(SHADES), len(SHADES) - 1).astype(int)
    few = f", {n} of {len(tiles)}" if n < len(tiles) else ""
    sheet.lines += ["", f"    {name}{few}: '{SHADES[0]}' {number(low, 3)} to '{SHADES[-1]}' "
                    f"{number(high, 3)}"]  # fmt: skip
    for row in range(height):
        parts = ("".join(SHADES[k] * letters for k in tile[row]) for tile in levels)
        sheet.lines.append("      " + "  ".join(parts).rstrip())


def _of_filters(kernel: NDArray[Any]) -> NDArray[Any]:
    """Return the first channel of a kernel (kh, kw, C, F) as tiles (F, kh, kw)."""
    return np.moveaxis(kernel[:, :, 0], -1, 0)


def deviation(layer: Conv2DFlipout, t: LayerTrace) -> NDArray[np.float64]:
    """Return the standard deviation of the perturbation over draws of the weights, (B, P, F).

    sqrt(sum over the patch of (x sigma)^2): signs do not matter to it.

    Parameters
    ----------
    layer : Conv2DFlipout
    t : LayerTrace
        Of its forward pass.
    """
    sigma = t.kernel_sigma.reshape(-1, layer.filters)
    return np.sqrt(t.patches**2 @ sigma**2)


def show_convolution(sheet: Sheet, layer: Conv2DFlipout, p: LayerParameters, t: LayerTrace) -> None:
    """Add the pictures of a convolution of images to a sheet.

    Parameters
    ----------
    sheet : Sheet
    layer : Conv2DFlipout
    p : LayerParameters
    t : LayerTrace
        Of a forward pass.
    """
    first = " of the first channel" if layer.channels > 1 else ""
    picture(sheet, f"kernel_mu{first}", _of_filters(p.kernel_mu))
    picture(sheet, f"kernel_sigma{first}", _of_filters(t.kernel_sigma))
    maps = {
        "pre_activation of the first example": t.pre_activation,
        "its deviation over draws of the kernel": deviation(layer, t),
    }
    for name, values in maps.items():
        tiles = values[0].reshape(layer.output_shape)
        picture(sheet, name, np.moveaxis(tiles, -1, 0))
