"""The loss of one draw and its gradients, through layers of any kind: the loop over the layers.

Twin: `reference.loss_and_gradients`. A network of compiled Flipout layers and likelihood is one
run; in any other each chain of such layers is one there and one back, and what lies between them
runs by its twin.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Draw(NamedTuple):
    """What one draw of a step gave, beside the gradients.

    Attributes
    ----------
    nll, loss : float64
    kl_layers : array (L,)
    outputs : array (B, O)
        A view until the next run.
    grad_x : array (B, I) or None
        Likewise; not asked for where None.
    statistics : dict of str to array
        As `step.statistics_after`.
    """

    nll: float
    loss: float
    kl_layers: np.ndarray
    outputs: np.ndarray
    grad_x: np.ndarray | None
    statistics: dict[str, Any]


class Batch(NamedTuple):
    """A batch as `check_batch` returns it."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None


def differentiate(sequence, parameters, batch, noise, kl_weight, gradients, share=1.0, add=False):
    """Set the gradients of one draw's loss, and return the `Draw`.

    Parameters
    ----------
    sequence : Sequence
    parameters : Parameters
    batch : Batch
    noise : as `Sequence.draw` and `Sequence.given` return it
    kl_weight : float
    gradients : Parameters
        Set in place.
    share : float
        What the nll's gradient is multiplied by: 1 over the draws of a step.
    add : bool
        Add to the gradients instead; of a sequence that is one chain with its likelihood.
    """
    p, g = parameters.layers, gradients.layers
    last = -1 if sequence.has_likelihood else None
    h = sequence.forward(p, noise, batch.x, last)
    if sequence.has_likelihood:
        part = sequence.parts[-1]
        stretch = slice(part.begin, part.end)
        outputs, nll, grad_h = part.chain.finish(p[stretch], noise[-1], h, batch, kl_weight,
                                                 g[stretch], share, add)  # fmt: skip
    else:
        outputs, likelihood = h, parameters.network.likelihood
        nll, grad_h, own = likelihood.nll_and_gradient(h, batch.y, batch.weight,
                                                       parameters.likelihood)  # fmt: skip
        for name, gradient in own.items():
            gradients.likelihood[name][...] = share * gradient
        grad_h = grad_h if share == 1 else grad_h * grad_h.dtype.type(share)
    grad_x = sequence.backward(grad_h, kl_weight, g, last)
    kl_layers = sequence.kl(p, noise)
    loss = nll + kl_weight * np.sum(kl_layers)
    if sequence.is_one_run:  # which has it already
        loss = np.float64(sequence.parts[0].chain.runner.this.loss)
    return Draw(nll, loss, kl_layers, outputs, grad_x, sequence.statistics_after(p))
