"""The report of a run: evidence gathered, figures made, the page put together."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

from .._version import __version__
from ..errors import missing
from ..storage.wholefile import whole_file
from . import (
    calibration,
    curves,
    images,
    mistakes,
    predictions,
    pruning,
    regression,
    spreads,
    uncertainty,
    weights,
)
from .evidence import Evidence, gather
from .figure import save_png
from .page import Section, paragraphs, render, tiles
from .summary import lead, run_section, scores
from .verdict import verdict

if TYPE_CHECKING:
    from ..runs.opened import OpenedRun
    from .figure import Plot

DIGITS_CREDIT = (
    'Data: "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak (1998), UCI '
    "Machine Learning Repository, licensed CC BY 4.0."
)


class Report(NamedTuple):
    """A report's evidence and sections; `write_page` and `save_plots` make files of it."""

    evidence: Evidence
    sections: list[Section]

    @property
    def plots(self) -> list[Plot]:
        """Every figure, in the order of the page."""
        return [plot for section in self.sections for plot in section.plots]


def make_report(
    opened: OpenedRun,
    draws: int | None = None,
    on_part: Callable[[str], object] | None = None,
) -> Report:
    """Return the `Report` of a run.

    Parameters
    ----------
    opened : OpenedRun
    draws : int, optional
        Of a prediction; the run's own number unless given.
    on_part : function(str), optional
        Called with what comes next, in a word or two, before each part of the work.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise missing("report", "matplotlib", "plot") from None
    say = on_part or (lambda words: None)
    say("predictions")
    evidence, sections = gather(opened, draws), []
    for words, part in PARTS.items():
        say(words)
        made = part(evidence)
        if made is not None:
            sections.append(made)
    return Report(evidence, sections)


def write_page(report: Report, path: str | PathLike[str]) -> None:
    """Write the page to a file, which appears whole or not at all.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    head = paragraphs(verdict(report.evidence)) + tiles(scores(report.evidence))
    text = render(_title(report.evidence), lead(report.evidence), head, report.sections,
                  _footer(report.evidence))  # fmt: skip
    with whole_file(path) as file:
        file.write(text.encode(errors="backslashreplace"))


def save_plots(report: Report, folder: str | PathLike[str]) -> list[str]:
    """Write every figure as a PNG file into a folder, made where it is not there.

    Returns
    -------
    list of str, the paths
    """
    os.makedirs(folder, exist_ok=True)
    paths = [os.path.join(folder, f"{plot.name}.png") for plot in report.plots]
    for plot, path in zip(report.plots, paths, strict=True):
        save_png(plot, path)
    return paths


def _title(evidence):
    return f"Report of the run {os.path.basename(os.path.abspath(evidence.opened.folder))}"


def _training(evidence):
    plots = curves.plots(evidence)
    text = "What training reported, averaged over the steps between two points."
    if not plots:
        text = "The history has fewer than two records: there are no curves to show."
    return Section("training", "Training", text, plots)


def _weights(evidence):
    if not weights.kernels(evidence.opened.parameters):
        return Section("weights", "What was learned", "No kernel has a posterior here.", [])
    text = (
        "Every kernel weight of a Bayesian layer is a Normal with a mean and a standard deviation "
        "of its own, and these alone are shown. "
        + _idle(evidence)
        + "what is known of a weight shows in its signal-to-noise ratio. The "
        "density axes are square roots, so that a peak of idle weights leaves the others visible. "
        + weights.active(evidence.opened)
    )
    plots = [*weights.plots(evidence), *pruning.plots(evidence)]
    return Section("weights", "What was learned", text, plots)


def _idle(evidence):
    """Return the sentence on weights of which the data say nothing."""
    layers = [layer for _, layer, _ in evidence.opened.network.walk() if "kernel" in layer.priors]
    with_kl = [layer for layer in layers if layer.priors["kernel"].has_kl]
    if not with_kl:
        return "None of them has a prior: a weight of which the data say nothing stays as it was; "
    some = "" if len(with_kl) == len(layers) else ", where its tensor has one"
    return f"Where the data say nothing of a weight, the KL takes it to its prior{some}; "


def _images(evidence):
    """Return the section on kernels and feature maps, or None where nothing sees images."""
    plots = images.plots(evidence)
    text = (
        "A convolution looks for the same pattern at every place: its kernels are the patterns, "
        "its feature maps where it found them. Where the draws of the weights differ, the map says "
        "so by its deviation."
    )
    return Section("images", "Inside the network: images", text, plots) if plots else None


def _predictions(evidence):
    return Section(
        "predictions",
        "Predictions, one by one",
        "Each draw of the weights is a network of its own. Where the draws agree the prediction is "
        "sure; where each draw is sure of something else, it is the network that does not know "
        "(epistemic uncertainty).",
        spreads.example_plots(evidence) if evidence.are_numbers else predictions.plots(evidence),
        columns=3,
    )


def _calibration(evidence):
    numbers = evidence.are_numbers
    return Section(
        "calibration",
        "Predictive band and calibration" if numbers else "Calibration and mistakes",
        f"Whether the {'intervals' if numbers else 'probabilities'} can be taken at their word.",
        regression.plots(evidence)
        if numbers
        else [*calibration.plots(evidence), *mistakes.plots(evidence)],
    )


def _uncertainty(evidence):
    numbers = evidence.are_numbers
    kind = "variance" if numbers else "uncertainty"
    said, figures = (spreads.shift_look if numbers else uncertainty.look)(evidence)
    return Section(
        "uncertainty",
        "Uncertainty, also where the data end",
        f"Total {kind} is aleatoric (the data's own ambiguity, which every draw sees) plus "
        "epistemic (the disagreement of the draws). On rows like none in training one would wish "
        f"it larger. {said} A mean-field posterior, whose weights are independent of each other, "
        "promises neither.",
        figures,
    )


PARTS: dict[str, Callable[[Evidence], Section | None]] = {
    "the run": run_section,
    "training": _training,
    "weights": _weights,
    "images": _images,
    "predictions, one by one": _predictions,
    "calibration": _calibration,
    "uncertainty": _uncertainty,
}


def _footer(evidence):
    call = shlex.join(["bnn-ref", "report", evidence.opened.folder])
    text = f"Made by bnn-ref {__version__} ({call})."
    return f"{text} {DIGITS_CREDIT}" if evidence.opened.dataset.kind == "digits" else text
