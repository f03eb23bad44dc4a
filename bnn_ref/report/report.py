"""The report of a run: evidence gathered, figures made, the page put together."""

import os
from typing import NamedTuple

from .._version import __version__
from ..reference import kl, kl_parts
from . import calibration, curves, predictions, regression, uncertainty, weights
from .evidence import Evidence, gather
from .page import Section, command, folded, render, table, tiles
from .theme import save_png

DIGITS_CREDIT = (
    'Data: "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak (1998), UCI '
    "Machine Learning Repository, licensed CC BY 4.0."
)


class Report(NamedTuple):
    """A report's evidence and sections; `write_page` and `save_plots` make files of it."""

    evidence: Evidence
    sections: list

    @property
    def plots(self):
        """Every figure, in the order of the page."""
        return [plot for section in self.sections for plot in section.plots]


def make_report(opened, draws=None):
    """Return the `Report` of a run.

    Parameters
    ----------
    opened : OpenedRun
    draws : int, optional
        Of a prediction; the run's own number unless given.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError(
            "report: expected matplotlib (python -m pip install matplotlib), found none"
        ) from None
    evidence = gather(opened, draws)
    return Report(evidence, [
        _run(evidence), _training(evidence), _weights(evidence), *_predictions(evidence)
    ])  # fmt: skip


def write_page(report, path):
    """Write the page to a file, which appears whole or not at all.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    from ..wholefile import whole_file

    text = render(_title(report.evidence), _lead(report.evidence), tiles(_tiles(report.evidence)),
                  report.sections, _footer(report.evidence))  # fmt: skip
    with whole_file(path) as file:
        file.write(text.encode())


def save_plots(report, folder):
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


def _lead(evidence):
    opened = evidence.opened
    units = " - ".join(str(n) for n in [opened.network.inputs, *(
        layer.outputs for layer in opened.network.layers)])  # fmt: skip
    source = opened.dataset.source if opened.dataset.kind == "digits" else os.path.basename(
        os.path.normpath(opened.dataset.source))  # fmt: skip
    name = {"held-out": "validation", "training": "train"}.get(evidence.part, evidence.part)
    whole = opened.config["data"]["rows"][name]
    return (
        f"A Bayesian neural network of Flipout layers, {units}, trained on "
        f"{len(opened.dataset.train.x):,} rows of {source} for "
        f"{opened.checkpoint.state.step:,} steps. What is shown of {evidence.part} rows is of "
        f"{'all' if whole == len(evidence.y) else 'the first'} {len(evidence.y):,}; predictions "
        f"are averages of {evidence.draws} draws of the weights."
    )


def _tiles(evidence):
    """Return the numbers at the top of the page."""
    scores, found = evidence.scores, []
    for key, name in (("heldout", "held-out"), ("test", "test")):
        if scores.get(f"{key}_nats") is None:
            continue
        if scores.get(f"{key}_accuracy") is not None:
            found.append((f"{100 * scores[f'{key}_accuracy']:.2f} %", f"{name} accuracy"))
        if scores.get(f"{key}_rmse") is not None:
            found.append((f"{scores[f'{key}_rmse']:.4g}", f"{name} RMSE, target unit"))
        found.append((f"{scores[f'{key}_nats']:.4f}", f"{name} log-probability, nats"))
        if scores.get(f"{key}_calibration_error") is not None:
            error = scores[f"{key}_calibration_error"]
            found.append((f"{error:.4f}", f"{name} calibration error"))
    if not found:
        name = "accuracy" if evidence.metric == "accuracy" else "RMSE, target unit"
        value = evidence.score(evidence.prediction)
        shown = f"{100 * value:.2f} %" if name == "accuracy" else f"{value:.4g}"
        found.append((shown, f"{evidence.part} {name} (no row was held out)"))
    total = float(kl(evidence.opened.network, evidence.opened.parameters).sum())
    found.append((f"{total:.1f}", "KL of the posterior, nats"))
    return found


def _run(evidence):
    """Return the section on configuration, command and layers."""
    opened = evidence.opened
    environment = opened.checkpoint.environment
    made = ", ".join(f"{name} {value}" for name, value in environment.items() if value is not None)
    settings = [
        (name, ",".join(map(str, value)) if isinstance(value, list) else value)
        for name, value in opened.settings.items()
        if value is not None
    ]
    rows = opened.config["data"]["rows"]
    settings.append(("rows", ", ".join(f"{count} {part}" for part, count in rows.items())))
    layers = zip(opened.network.layers, kl_parts(opened.network, opened.parameters),
                 kl(opened.network, opened.parameters), strict=True)  # fmt: skip
    table_rows = [
        [f"layers[{k}]", f"{layer.inputs} to {layer.outputs}", layer.activation, layer.bias,
         f"N({layer.kernel_prior.loc:g}, {layer.kernel_prior.scale:g})",
         *(f"{part:.1f}" for part in parts), f"{total:.1f}"]
        for k, (layer, parts, total) in enumerate(layers)
    ]  # fmt: skip
    header = ["layer", "units", "activation", "bias", "prior", "squared mean", "variance", "log",
              "constant", "KL"]  # fmt: skip
    html = (
        command(opened.command)
        + table("Layers, and what the KL of each is made of, in nats", header, table_rows)
        + folded("Every setting, as a table", table("Settings", ["setting", "value"], settings))
    )
    text = (
        "This command repeats the run, every setting spelled out; with the same libraries and "
        f"machine to the last bit. Trained with {made}."
    )
    return Section("run", "The run", text, [], html)


def _training(evidence):
    found = curves.plots(evidence)
    text = "What training reported, averaged over the steps between two points."
    if not found:
        text = "The history has fewer than two records: there are no curves to show."
    return Section("training", "Training", text, found)


def _weights(evidence):
    text = (
        "Every kernel weight is a Normal with a mean and a standard deviation of its own. Where "
        "the data say nothing of a weight, it stays at the prior; what is known of a weight shows "
        "in its signal-to-noise ratio."
    )
    return Section("weights", "What was learned", text, weights.plots(evidence))


def _predictions(evidence):
    """Return the sections on predictions, calibration and uncertainty."""
    names = ("predictions", "calibration", "uncertainty")
    if evidence.task == "normal":
        found = regression.plots(evidence)
        parts = {name: [p for p in found if p.name.startswith(name)] for name in names}
        parts["calibration"] = [
            p for p in found if p.name.startswith(("regression", "calibration"))
        ]
    else:
        modules = (predictions, calibration, uncertainty)
        parts = {name: m.plots(evidence) for name, m in zip(names, modules, strict=True)}
    return [
        Section(
            "predictions",
            "Predictions, one by one",
            "Each draw of the weights is a network of its own. Where the draws agree the "
            "prediction is sure; where each draw is sure of something else, it is the network that "
            "does not know (epistemic uncertainty).",
            parts["predictions"],
        ),
        Section(
            "calibration",
            "Calibration",
            "Whether the probabilities can be taken at their word.",
            parts["calibration"],
        ),
        Section(
            "uncertainty",
            "Uncertainty, also where the data end",
            "Total uncertainty is aleatoric (the data's own ambiguity, which every draw sees) plus "
            "epistemic (the disagreement of the draws). The second should grow on data that the "
            "network never saw.",
            parts["uncertainty"],
        ),
    ]


def _footer(evidence):
    text = f"Made by bnn-ref {__version__} with: bnn-ref report {evidence.opened.folder}."
    return f"{text} {DIGITS_CREDIT}" if evidence.opened.dataset.kind == "digits" else text
