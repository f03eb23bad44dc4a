"""Say what an objective is: `explain_objective`, from what a person knows of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, pi, sqrt
from typing import Any

from ...border import check_choice, check_number
from .naming import Named, name_weight

REDUCTIONS = ("sum", "mean", "layer_means")
# Each loss: what one example adds, as (factor on the sum of squares, divided by the outputs).
LOSSES: dict[str, Any] = {
    "nll": None,
    "mse": (1.0, True),
    "squared_error": (1.0, False),
    "half_mse": (0.5, True),
    "half_squared_error": (0.5, False),
}
LINES = {
    "TFP, in the layer": "kernel_divergence_fn=lambda q, p, _: tfp.distributions.kl_divergence"
    "(q, p) / {n}   # then loss = nll + sum(model.losses)",
    "TFP, in the loop": "loss = nll + sum(model.losses) / {n}",
    "Keras compile": "model.compile(loss=nll)   # adds model.losses by itself: divide in the "
    "layer, add nothing",
    "Bayesian-Torch": "kl = sum(each kl_div(...) * its count of weights); loss = nll + kl / {n}   "
    "# get_kl_loss sums means",
    "torchbnn": "loss = nll + BKLLoss(reduction='sum')(model).squeeze() / {n}",
    "Blitz": "model.sample_elbo(x, y, nll, sample_nbr=1, complexity_cost_weight=1 / {n})",
}


@dataclass(frozen=True)
class Objective:
    """What an objective is; ``str`` of it is for people.

    Attributes
    ----------
    weight : float
        On the KL summed over weights, where the rest is a mean over examples.
    num_examples : int
    temperature : float
        weight * N: 1 for Bayes' posterior.
    named : Named
    scale : float or None
        Of the Normal likelihood that a squared error implies, None for an nll.
    residual_factor : float or None
        How many times more the KL weighs than at the scale of the residuals.
    text : str
    """

    weight: float
    num_examples: int
    temperature: float
    named: Named
    scale: float | None
    residual_factor: float | None
    text: str

    @property
    def key(self) -> str:
        """The name of the mistake, "right" where there is none, "tempered" for .1/N to 1/N."""
        return self.named.key

    def __str__(self) -> str:
        return self.text


def _positive(**values):
    for name, value in values.items():
        check_number(value, name, "(0, inf)")


def effective_weight(
    num_weights: int | Sequence[int],
    kl: str,
    kl_factor: float,
    added: float,
    reduction: str,
    batch_size: int,
) -> float:
    """Return the weight on the summed KL, where the fit is a mean over examples."""
    counts = num_weights if isinstance(num_weights, (list, tuple)) else [num_weights]
    share = {"sum": 1.0, "mean": 1 / sum(counts), "layer_means": len(counts) / sum(counts)}[kl]
    return (kl_factor * share + added) / (batch_size if reduction == "sum" else 1)


def implied_scale(loss: str, outputs: int) -> float | None:
    """Return the scale of the Normal likelihood whose nll a squared error is, constants apart."""
    if LOSSES[loss] is None:
        return None
    factor, averaged = LOSSES[loss]
    return sqrt((outputs if averaged else 1) / (2 * factor))


def explain_objective(
    num_examples: int,
    batch_size: int,
    num_weights: int | Sequence[int],
    *,
    kl: str = "sum",
    kl_factor: float | None = None,
    added: float = 0.0,
    loss: str = "nll",
    reduction: str = "mean",
    outputs: int = 1,
    residual: float | None = None,
) -> Objective:
    """Return the `Objective` that a person's loss is.

    Parameters
    ----------
    num_examples, batch_size : int
        N training rows, B of them in a batch.
    num_weights : int or sequence of int
        Weights with a posterior, P in all or of each layer (which "layer_means" needs).
    kl : "sum", "mean" or "layer_means"
        What the library's KL is: a sum over weights; its mean; the sum of each layer's mean, as in
        Bayesian-Torch.
    kl_factor : float, optional
        What that KL is multiplied by in the loss; 1/N unless given.
    added : float
        A second factor, on the summed KL, that the framework adds by itself: 1 where Keras adds
        model.losses of a TFP layer with its default divergence, 1/N where that divides by N.
    loss : "nll", "mse", "squared_error", "half_mse" or "half_squared_error"
        What stands beside the KL: a negative log-likelihood; squared errors averaged ("mse") or
        summed over outputs, whole or halved.
    reduction : "mean" or "sum"
        Over the batch.
    outputs : int
        O.
    residual : float, optional
        The root mean square of the residuals, in the targets' unit.

    Raises
    ------
    ValueError
        For a word that is none of these, or a number that is not above 0.
    """
    kl_factor = 1 / num_examples if kl_factor is None else kl_factor
    for name, value, words in (("kl", kl, REDUCTIONS), ("loss", loss, tuple(LOSSES)),
                               ("reduction", reduction, ("mean", "sum"))):  # fmt: skip
        check_choice(value, name, words)
    count = sum(num_weights) if isinstance(num_weights, (list, tuple)) else num_weights
    _positive(num_examples=num_examples, batch_size=batch_size, num_weights=count, outputs=outputs)
    for name, value in (("kl_factor", kl_factor), ("added", added)):
        check_number(value, name)
    weight = effective_weight(num_weights, kl, kl_factor, added, reduction, batch_size)
    scale = implied_scale(loss, outputs)
    if residual is not None:
        _positive(residual=residual)
    factor = None if scale is None or residual is None else (scale / residual) ** 2
    return describe(weight, num_examples, batch_size, count, scale, factor,
                    averaged=kl != "sum" and not added)  # fmt: skip


def describe(
    weight: float,
    num_examples: int,
    batch_size: int,
    num_weights: int,
    scale: float | None = None,
    residual_factor: float | None = None,
    *,
    averaged: bool = False,
) -> Objective:
    """Return the `Objective` of a weight on the summed KL and an implied scale."""
    temperature = weight * num_examples
    named = name_weight(weight, num_examples, batch_size, num_weights)
    if averaged and named.key in ("kl-weight", "tempered"):
        named = Named("kl-mean-over-weights", "the KL is averaged over weights, so that a network "
                      "of more weights has less of a prior")  # fmt: skip
    no_bayes = "" if named.key == "right" else ": not Bayes' posterior"
    lines = [f"{named.key}: {named.what}",
             f"weight on the summed KL {weight:.3g}; 1/N is {1 / num_examples:.3g}; temperature "
             f"{temperature:.3g}{no_bayes}"]  # fmt: skip
    lines += _of_sigma(temperature)
    if scale is not None:
        constant = log(scale) + log(2 * pi) / 2
        lines.append(f"the squared error is a Normal likelihood of scale {scale:.3g} without its "
                     f"constant, {constant:.3g} nats an output; no noise is learned")  # fmt: skip
    if residual_factor is not None:
        lines.append(f"the KL weighs {residual_factor:.3g} times what it would at the residuals' "
                     "own scale")  # fmt: skip
    if named.key != "right":
        lines += ["write instead:"]
        lines += [f"  {name}: {line.format(n=num_examples)}" for name, line in LINES.items()]
    return Objective(weight, num_examples, temperature, named, scale, residual_factor,
                     "\n".join(lines))  # fmt: skip


def _of_sigma(temperature):
    """Return what sigma does at its optimum: 1/sigma^2 = 1/scale^2 + curvature / temperature."""
    rule = "at the optimum 1/sigma^2 = 1/prior scale^2 + (curvature of the summed nll)"
    if temperature == 0:
        return ["sigma: nothing holds it up, it falls towards 0 as training goes on"]
    if abs(temperature - 1) < 1e-3:
        return [f"sigma: {rule}"]
    less = "smaller" if temperature < 1 else "larger, up to the prior's scale"
    ratio = sqrt(max(temperature, 1 / temperature))
    return [f"sigma: {rule} / {temperature:.3g}; where the data decide it is {ratio:.3g} times "
            f"{less}"]  # fmt: skip
