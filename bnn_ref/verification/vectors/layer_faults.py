"""Which layer of a forward pass is wrong, and what is wrong with it, where the others are right.

An answer that gives its pre-activations (version 2) is followed layer by layer: each one's are
recomputed from what the answer itself gave it, so that an error is not seen again in all that
follows. Without them the mistakes of the catalogue are tried in one layer at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...activations import get_activation
from .comparison import error_of
from .mistakes import FIT, MISTAKES
from .variants import FORWARD, Problem, Variant, forward, forward_layer, is_known

if TYPE_CHECKING:
    from .comparison import Comparison
    from .files import Vector


def _forward_changes():
    """Yield (mistake, change) of every known mistake of a forward pass with nothing to fit."""
    for mistake in MISTAKES.values():
        for change in mistake.changes:
            if FIT not in change.values() and set(change) <= set(FORWARD) - {"activation_first"}:
                yield mistake, change


def explain_layers(vector: Vector, comparison: Comparison) -> tuple[str, ...]:
    """Return sentences on the layers whose own forward pass is wrong; () where none is found.

    Parameters
    ----------
    vector : Vector
        An answer.
    comparison : Comparison
    """
    rows = {row.name: row for row in comparison.rows}
    wrong = not rows["outputs"].agrees or any(
        not row.agrees for name, row in rows.items() if name.endswith("pre_activation")
    )
    if not wrong or not all(np.all(np.isfinite(row.found)) for row in comparison.rows):
        return ()
    problem = Problem(vector)
    with np.errstate(all="ignore"):
        if any(name.endswith("pre_activation") for name in rows):
            return tuple(_followed(vector, problem, rows))
        return tuple(_tried(vector, problem, rows["outputs"]))


def _followed(vector, problem, rows):
    """Yield a sentence for each layer that is wrong by what the answer itself gave it."""
    h, last = problem.x, len(problem.network.layers) - 1
    layers = zip(
        problem.network.layers, problem.parameters.layers, problem.noise.layers, strict=True
    )
    for k, (layer, p, noise) in enumerate(layers):
        right, row = layer.forward(p, noise, h), rows.get(f"layers.{k}.pre_activation")
        if row is None:
            h = right.outputs
            continue
        before = getattr(right, "pre_activation", right.inputs).reshape(row.found.shape)
        error = error_of(before, row.found)
        if error > row.limit:
            yield _sentence(vector, layer, p, noise, h, row, error, k)
        h = get_activation(layer.activation).function(row.found)
    row = rows["outputs"]
    if hasattr(layer, "activation") and error_of(h, row.found) > row.limit:
        yield f"outputs: not the {layer.activation} of the pre-activations given of layer {last}"


def _sentence(vector, layer, p, noise, h, row, error, k):
    """Return what is to be said of one wrong layer."""
    head = f"layer {k}: its own forward pass is wrong, by {error:.2g} of its largest pre-activation"
    for mistake, change in _forward_changes() if is_known(vector) else ():
        variant = Variant(**change)
        inputs = h - np.mean(h, axis=0) if variant.centred else h * variant.hidden_scale
        a = forward_layer(layer, p, noise, inputs, variant).a
        if error_of(a, row.found) <= row.limit:
            return f"{head}: {mistake.key}: {mistake.what}"
    return head


def _tried(vector, problem, row):
    """Yield a sentence for each mistake that, made in one layer alone, gives the outputs."""
    found, right = np.asarray(row.found), np.asarray(row.expected)
    wrong = np.abs(found - right) > row.limit * np.max(np.abs(right))
    if not is_known(vector) or np.all(found[wrong] == found[wrong][:1]):
        return  # one number alone, a 0 of units that are off: too many mistakes give that
    for k in range(len(problem.network.layers)):
        for mistake, change in _forward_changes():
            outputs = forward(problem, Variant(**change), only=k)[-1].h
            if error_of(outputs, row.found) <= row.limit:
                yield f"layer {k} alone: {mistake.key} gives the outputs: {mistake.what}"
