"""The top of the page: what the run is, its scores, its command, its layers, its settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..noise import draw_noise
from ..reference import kl, kl_parts
from ..training import prior_line
from .page import Section, beside, command, counted, folded, table

if TYPE_CHECKING:
    from .evidence import Evidence


def lead(evidence: Evidence) -> str:
    """Return the paragraph under the page's title."""
    opened = evidence.opened
    units = " - ".join(str(n) for n in [opened.network.inputs, *(
        layer.outputs for layer in opened.network.layers)])  # fmt: skip
    source = opened.dataset.source if opened.dataset.kind == "digits" else os.path.basename(
        os.path.normpath(opened.dataset.source))  # fmt: skip
    name = {"held-out": "validation", "training": "train"}.get(evidence.part, evidence.part)
    whole = opened.config["data"]["rows"][name]
    rows = f"{'all' if whole == len(evidence.y) else 'the first'} {len(evidence.y):,}"
    warning = ""
    if evidence.part == "training":
        warning = " No row was held out: what is shown is of rows the network was trained on."
    return _end_of_training(opened) + (
        f"{_made_of(opened.network)}, {units}, trained on "
        f"{counted(len(opened.dataset.train.x), 'row')} of {source} for "
        f"{counted(opened.checkpoint.state.step, 'step')}. Predictions are of {rows} "
        f"{evidence.part} rows, each an average over {counted(evidence.draws, 'draw')} of the "
        f"weights.{warning}"
    )


def _made_of(network):
    """Return what kind of network it is, by the types of its layers, inner ones too."""
    kinds = list(dict.fromkeys(layer.type for _, layer, _ in network.walk()))
    if kinds == ["DenseFlipout"]:
        return "A Bayesian neural network of Flipout layers"
    return f"A neural network of {counted(len(network.layers), 'layer')} ({', '.join(kinds)})"


def _noise(opened):
    """Return one draw of the weights, for a prior whose KL is taken at one."""
    return draw_noise(opened.network, 1, opened.settings["seed"], dtype=opened.parameters.dtype)


def _total(opened):
    return float(kl(opened.network, opened.parameters, _noise(opened)).sum())


def _end_of_training(opened):
    """Return what the first line says of a run: whether it has settled, and learned anything."""
    convergence, lines = opened.convergence, [prior_line(opened.parameters, _total(opened))]
    if convergence is not None:
        lines.append(convergence.line)
    said = (f"{line[0].upper()}{line[1:]}" for line in lines if line)
    return "".join(f"{line}{'' if line[-1] in '.?' else '.'} " for line in said)


def scores(evidence: Evidence) -> list[tuple[str, str, str]]:
    """Return the numbers at the top of the page: (value, what it is, a note) each."""
    lines = _scores(evidence)
    total = _total(evidence.opened)
    rows = len(evidence.opened.dataset.train.x)
    return [*lines, (f"{total:,.1f}", "KL of the posterior, nats", f"{total / rows:.4g} a row")]


def _scores(evidence):
    """Return held-out scores with those of the test rows beside them, or the test rows' alone."""
    shown = {
        "accuracy": ("accuracy", lambda value: f"{100 * value:.2f} %"),
        "rmse": ("RMSE, target unit", lambda value: f"{value:.4g}"),
        "nats": ("log-probability, nats a row", lambda value: f"{value:.4f}"),
        "calibration_error": ("calibration error", lambda value: f"{value:.4f}"),
    }
    parts = [("held-out", "heldout"), ("test", "test")]
    parts = [part for part in parts if evidence.scores.get(f"{part[1]}_nats") is not None]
    if not parts:
        name, text = shown[evidence.metric]
        return [(text(evidence.score(evidence.prediction)), f"training {name}", "")]
    lines = []
    for key, (name, text) in shown.items():
        values = [(part, evidence.scores[f"{word}_{key}"]) for part, word in parts]
        if values[0][1] is None:
            continue
        (part, first), *others = values
        note = "".join(f"{other}: {text(value)}" for other, value in others)
        lines.append((text(first), f"{part} {name}", note))
    return lines


def _asked(evidence):
    """Return how many steps the run was to take, or None where it is done."""
    steps = evidence.opened.steps
    return steps if evidence.opened.checkpoint.state.step < steps else None


def run_section(evidence: Evidence) -> Section:
    """Return the section on configuration, command and layers."""
    opened = evidence.opened
    asked = _asked(evidence)
    text = (
        "This command repeats the run, every setting spelled out; to the last bit with the same "
        "libraries on a processor of the same kind (both are in the table of settings)."
        if asked is None
        else f"The run was stopped at step {opened.checkpoint.state.step:,} of {asked:,}: what is "
        "shown here is what it had learned by then. This command repeats it and goes on to the "
        "end."
    )
    repeat = command(opened.command)
    if not opened.is_repeatable:
        why = (
            "The network was made in Python, with layers that the command line has no options for"
            if opened.settings["network"] is None
            else f"{opened.settings['network']} does not describe this network any more"
        )
        text = f"{why}: no command repeats the run. Its settings and layers are below."
        repeat = ""
    html = repeat + _layers(opened) + folded(
        "Every setting, as a table", table("Settings", ["setting", "value"], _settings(opened))
    )  # fmt: skip
    return Section("run", "The run", text, [], html)


def _settings(opened):
    """Return (name, value) pairs: the settings, the rows, what it was trained with."""
    lines = [
        (name, ",".join(map(str, value)) if isinstance(value, list) else value)
        for name, value in opened.settings.items()
        if value is not None
    ]
    rows = opened.config["data"]["rows"]
    lines.append(("rows", ", ".join(f"{count} {part}" for part, count in rows.items())))
    made = opened.checkpoint.environment
    return lines + [(f"with {name}", value) for name, value in made.items() if value is not None]


def _layers(opened):
    """Return two tables: what the layers are, and what the KL of each is made of."""
    layers = list(enumerate(opened.network.layers))
    kinds = table(
        "Layers",
        ["layer", "type", "what it is"],
        [[k, layer.type, layer.describe()] for k, layer in layers],
    )  # fmt: skip
    parts = kl_parts(opened.network, opened.parameters, _noise(opened))
    totals = kl(opened.network, opened.parameters, _noise(opened))
    lines = [[k, *parts[k], totals[k]] for k, _ in layers]
    if len(layers) > 1:
        lines.append(["all", *(sum(column) for column in zip(*parts, strict=True)), sum(totals)])
    made_of = table(
        "What the KL of each is made of, nats",
        ["layer", "squared mean", "variance", "log", "constant", "KL"],
        [[line[0], *(f"{float(value):,.1f}" for value in line[1:])] for line in lines],
        numbers=range(1, 6),
    )
    return beside(kinds, made_of)
