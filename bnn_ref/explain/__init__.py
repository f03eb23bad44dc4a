"""The window: a topic's formula, the numbers put into it, the result, and a check beside it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ..border import check_choice
from ..errors import expected
from ..network import bracketed
from .sheet import Check, Sheet
from .subject import Subject, run_subject, small_subject

if TYPE_CHECKING:
    from ..network import Network

TOPICS = {
    "kl": "what the KL is made of: per weight, per layer, per example",
    "flipout": "one shared draw, a perturbation of its own for every example",
    "step": "one training step with every intermediate",
    "adam": "the update, and the three places for its epsilon",
    "elbo": "why the loss is nll + KL/N, and what another divisor does",
}

LINE_BY_LINE = ("flipout",)  # topics that print each of a layer's lines

__all__ = ["TOPICS", "Check", "Sheet", "Subject", "explain", "run_subject", "small_subject"]


def explain(topic: str, subject: Subject | None = None, seed: int = 0) -> Sheet:
    """Return the `Sheet` of a topic.

    Parameters
    ----------
    topic : str
        A key of `TOPICS`.
    subject : Subject, optional
        A run's step; the small network's unless given.
    seed : int
        Of the small network and of every Monte Carlo check.

    Raises
    ------
    ValueError
        For an unknown topic, or a prior or likelihood that the sheets have no formula of.
    """
    check_choice(topic, "topic", TOPICS)
    module = import_module(f".{topic}", __name__)
    subject = small_subject(seed) if subject is None else subject
    refuse_unwritten(subject.network, topic)
    return module.explain(subject, seed)


def refuse_unwritten(network: Network, topic: str) -> None:
    """Raise where a network has something that no sheet is written for.

    Parameters
    ----------
    network : Network
    topic : str
    """
    for k, layer in enumerate(network.layers):
        if topic in LINE_BY_LINE and not layer.explained:
            wanted = f"a kind whose every line explain {topic} prints"
            raise expected(f"layers[{k}]", wanted, layer.type)
    for name, layer, _ in network.walk():
        name = bracketed(name)
        for tensor, prior in {**layer.priors, **layer.point_priors}.items():
            if prior.type != "normal" or tensor in layer.point_priors:
                raise expected(f"{name}.{tensor}_prior", "N(m, s) of a posterior, which the "
                               "sheets are written for", prior.describe())  # fmt: skip
    if all(layer.num_random == 0 for layer in network.layers):
        raise expected("layers", "one with a posterior", "point estimates alone")
    if network.likelihood.type not in ("categorical", "bernoulli", "normal"):
        raise expected("likelihood", "categorical, bernoulli or normal, which the sheets are "
                       "written for", network.likelihood.type)  # fmt: skip
