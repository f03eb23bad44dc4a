"""Where pictures are drawn: axes of the person's own, or new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import missing
from .theme import HEIGHT, PRINT, WIDTH, dress

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def pyplot() -> Any:
    """Return `matplotlib.pyplot`, or raise an `ImportError` that names the extra."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise missing("plot", "matplotlib", "plot") from None
    return pyplot


def new_figure(columns: int = 1, width: float = WIDTH, heights: Sequence[float] = (HEIGHT,),
               ) -> tuple[Any, Any]:  # fmt: skip
    """Return (figure, array of axes (rows, columns)) in the house's colours.

    Parameters
    ----------
    columns : int
    width : float
        Inches, of each panel.
    heights : sequence of float
        Inches, of each row of panels.
    """
    figure, axes = pyplot().subplots(
        len(heights),
        columns,
        figsize=(columns * width, sum(heights)),
        height_ratios=heights,
        layout="constrained",
        squeeze=False,
    )
    for panel in axes.flat:
        dress(panel, PRINT)
    return figure, axes


def new_axes(ax: Axes | None = None) -> Axes:
    """Return the axes given, or those of a new figure, in the house's colours.

    Parameters
    ----------
    ax : matplotlib Axes, optional
    """
    if ax is None:
        return new_figure(1, 1.35 * WIDTH, [1.2 * HEIGHT])[1][0, 0]
    dress(ax, PRINT)
    return ax
