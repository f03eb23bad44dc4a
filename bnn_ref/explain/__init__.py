"""The window: a topic's formula, the numbers put into it, the result, and a check beside it."""

from importlib import import_module

from ..errors import expected
from .sheet import Check, Sheet
from .subject import Subject, run_subject, small_subject

TOPICS = {
    "kl": "what the KL is made of: per weight, per layer, per example",
    "flipout": "one shared draw, a perturbation of its own for every example",
    "step": "one training step with every intermediate",
    "adam": "the update, and the three places for its epsilon",
    "elbo": "why the loss is nll + KL/N, and what another divisor does",
}

__all__ = ["TOPICS", "Check", "Sheet", "Subject", "explain", "run_subject", "small_subject"]


def explain(topic, subject=None, seed=0):
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
        For an unknown topic.
    """
    if topic not in TOPICS:
        raise expected("topic", "one of " + ", ".join(TOPICS), repr(topic))
    module = import_module(f".{topic}", __name__)
    return module.explain(small_subject(seed) if subject is None else subject, seed)
