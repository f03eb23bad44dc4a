"""Draw the pictures of the README and the site: `python tools/pictures.py [DIR]`.

Writes layer.svg (one Flipout layer, forward and backward), noise.png and moons.png (what a
posterior says of two toys) to DIR, by default `docs/pictures`.
"""

import math
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
INK, BACK, EDGE, GIVEN, MADE = "#1b1f24", "#c24e00", "#0072b2", "#e3eff8", "#ffffff"
BOX = (134, 48)  # width and height of a node
SIZE = (800, 640)
APART = 7  # half the distance of an edge's two arrows
BESIDE = 11  # from an arrow to its label


class Node(NamedTuple):
    """A box: its middle, the name, what stands below it, and whether it is given to the layer."""

    x: int
    y: int
    name: str
    below: str
    given: bool = False


class Edge(NamedTuple):
    """An arrow there and, where `back` says what flows, one back; labels lie `at` along it."""

    start: str
    end: str
    forth: str = ""
    back: str = ""
    at: tuple = (0.5, 0.5)


NODES = {
    "mu": Node(84, 130, "kernel_mu", "(I, O)", True),
    "h": Node(290, 44, "h, the inputs", "(B, I)", True),
    "rho": Node(530, 44, "kernel_rho", "(I, O)", True),
    "hs": Node(330, 216, "h * sign_input", "(B, I), E2"),
    "sigma": Node(530, 166, "sigma", "(I, O), E1"),
    "eps": Node(718, 166, "kernel_eps", "(I, O)", True),
    "mean": Node(120, 376, "h kernel_mu", "(B, O), E3"),
    "delta": Node(624, 280, "delta", "(I, O), E2"),
    "turned": Node(450, 376, "perturbation", "(B, O), E2"),
    "bias": Node(660, 496, "bias", "(O,) or (B, O)", True),
    "a": Node(300, 496, "a", "(B, O), E3"),
    "outputs": Node(300, 600, "outputs", "(B, O), E3"),
}
EDGES = (
    Edge("rho", "sigma", "c + softplus", "sigmoid, E14", (0.42, 0.42)),
    Edge("sigma", "delta", "", "* eps, E11", (0.5, 0.5)),
    Edge("eps", "delta", "*"),
    Edge("h", "hs", "* sign_input", "E12", (0.34, 0.6)),
    Edge("h", "mean", "", "E12", (0.5, 0.55)),
    Edge("mu", "mean", "", "E9", (0.5, 0.5)),
    Edge("hs", "turned", "", "E12", (0.5, 0.5)),
    Edge("delta", "turned", "* sign_output", "E10", (0.45, 0.45)),
    Edge("mean", "a", "+", "", (0.5, 0.5)),
    Edge("turned", "a", "+", "", (0.5, 0.5)),
    Edge("bias", "a", "+", "sum over B, E15", (0.55, 0.5)),
    Edge("a", "outputs", "f", "* f'(a), E8", (0.5, 0.5)),
)
JOINS = ((8, 92, "+ kl_weight * dKL/dmu, E14"), (580, 128, "+ kl_weight * dKL/dsigma, E14"))


def border(node, dx, dy):
    """Return how far from a box's middle its border is in a direction of length 1."""
    return min(
        (half + 9) / abs(d) if abs(d) > 1e-9 else math.inf
        for half, d in zip((BOX[0] / 2, BOX[1] / 2), (dx, dy), strict=True)
    )


def arrow(edge):
    """Return the SVG of an edge: the way forward, the way back beside it, and their labels."""
    start, end = NODES[edge.start], NODES[edge.end]
    length = math.hypot(end.x - start.x, end.y - start.y)
    dx, dy = (end.x - start.x) / length, (end.y - start.y) / length
    first, last = border(start, dx, dy), length - border(end, dx, dy)
    both = start.given is False or edge.back
    side = APART if both else 0
    lines = []
    for name, shift, color, ends in (
        ("forth", side, INK, (first, last)),
        ("back", -side, BACK, (last, first)),
    ):
        if name == "back" and not both:
            continue
        (x1, y1), (x2, y2) = (
            (start.x + dx * t + dy * shift, start.y + dy * t - dx * shift) for t in ends
        )
        dashes = ' stroke-dasharray="7 4"' if name == "back" else ""
        lines.append(
            f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke="{color}" '
            f'stroke-width="1.8" marker-end="url(#{name})"{dashes}/>'
        )
    for label, shift, color, at in (
        (edge.forth, side + BESIDE, INK, edge.at[0]),
        (edge.back, -side - BESIDE, BACK, edge.at[1]),
    ):
        if label:
            lines.append(words(label, start, end, at, shift, color))
    return "\n".join(lines)


def words(label, start, end, at, shift, color):
    """Return a label beside an edge, on the side to which `shift` moves it."""
    length = math.hypot(end.x - start.x, end.y - start.y)
    dx, dy = (end.x - start.x) / length, (end.y - start.y) / length
    x = start.x + dx * length * at + dy * shift
    y = start.y + dy * length * at - dx * shift + 5
    side = dy * shift
    anchor = "middle" if abs(side) < 2 else "start" if side > 0 else "end"
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{color}" font-size="14" '
        f'paint-order="stroke" stroke="#fff" stroke-width="5">{label}</text>'
    )


def box(node):
    """Return the SVG of a node."""
    wide, high = BOX
    return (
        f'<rect x="{node.x - wide // 2}" y="{node.y - high // 2}" width="{wide}" height="{high}" '
        f'rx="7" fill="{GIVEN if node.given else MADE}" stroke="{EDGE}" stroke-width="1.6"/>\n'
        f'<text x="{node.x}" y="{node.y - 3}" text-anchor="middle" fill="{INK}" '
        f'font-weight="bold">{node.name}</text>\n'
        f'<text x="{node.x}" y="{node.y + 15}" text-anchor="middle" fill="#4a525c" '
        f'font-size="13">{node.below}</text>'
    )


def layer():
    """Return the SVG of one layer's computation graph."""
    heads = "".join(
        f'<marker id="{name}" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        f'<path d="M0,0L8,4L0,8z" fill="{color}"/></marker>'
        for name, color in (("forth", INK), ("back", BACK))
    )
    joins = "\n".join(
        f'<text x="{x}" y="{y}" fill="{BACK}" font-size="14">{text}</text>' for x, y, text in JOINS
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" '
        'font-family="DejaVu Sans, Verdana, sans-serif" font-size="15">',
        "<title>One Flipout layer, forward (solid) and backward (dashed)</title>",
        f"<defs>{heads}</defs>",
        f'<rect width="{SIZE[0]}" height="{SIZE[1]}" fill="#ffffff"/>',
        *map(arrow, EDGES),
        *map(box, NODES.values()),
        joins,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def noise(path):
    """Draw the band of a regressor that predicts its own noise over the heteroscedastic toy."""
    from bnn_ref import plot, toys
    from bnn_ref.plot.theme import PRINT, new_figure
    from bnn_ref.sklearn import FlipoutRegressor

    x, y = toys.heteroscedastic()
    figure, axes = new_figure(PRINT, 5.2, 3.0)
    plot.band(FlipoutRegressor(scale="predicted", random_state=0).fit(x, y), x, y, ax=axes)
    save(figure, path)


def moons(path):
    """Draw the probability and the disagreement over the plane of the moons."""
    from bnn_ref import plot, toys
    from bnn_ref.sklearn import FlipoutClassifier

    x, y = toys.moons()
    save(plot.boundary(FlipoutClassifier(random_state=0).fit(x, y), x, y), path)


def save(figure, path):
    """Write a figure on white paper, without a date or a version in it."""
    figure.patch.set_alpha(1)
    figure.patch.set_facecolor("#ffffff")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main(folder=ROOT / "docs" / "pictures"):
    """Write the three pictures to a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "layer.svg").write_text(layer(), encoding="utf-8")
    noise(folder / "noise.png")
    moons(folder / "moons.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
