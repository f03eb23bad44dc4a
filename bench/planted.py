"""Contenders made dishonest or slow on purpose, to see the bench catch them.

``--plant no-kl:ours_numpy`` adds a contender of that name, which is refused before it is timed:

- no-kl: the KL is left out of the loss;
- stale-noise: every step uses the first step's noise;
- no-flips: one weight draw is shared by the batch, without Flipout's signs;
- no-update: nothing is learned;
- slow-1.2: honest, and 1.2 times slower (`versus` and `compare` must see it);
- again: the contender once more, in processes of its own: the A/A row of every run.

All but the last two need one of this project's back ends.
"""

import re
import time

KIND = re.compile(r"again|slow-\d+(\.\d+)?|no-kl|stale-noise|no-flips|no-update")


def split_name(name):
    """Return (planted kind or "", contender) of "kind:contender" or "contender"."""
    kind, colon, contender = name.partition(":")
    return (kind, contender) if colon and KIND.fullmatch(kind) else ("", name)


def _with_trainer(contender, change):
    """Change every trainer that the contender makes."""

    def reset(learning_rate, original=contender.reset):
        original(learning_rate)
        change(contender.trainer)

    contender.reset = reset


def _no_kl(trainer):
    trainer.kl_weight = 0.0


def _stale(trainer):
    step = trainer.step

    def stale(x, y):
        taken = trainer.state.step
        trainer.state.step = 0
        metrics = step(x, y)
        trainer.state.step = taken + 1
        return metrics

    trainer.step = stale


def _frozen(trainer):
    step = trainer.step

    def frozen(x, y):
        before = trainer.state.copy()
        metrics = step(x, y)
        before.step += 1
        trainer.state = before
        return metrics

    trainer.step = frozen


def _no_flips(trainer):
    trainer.estimator = "shared"


CHANGES = {
    "no-kl": _no_kl,
    "stale-noise": _stale,
    "no-flips": _no_flips,
    "no-update": _frozen,
}


def slow(contender, factor):
    """Stretch every `run` to `factor` times its time."""

    def run(steps, original=contender.run):
        start = time.perf_counter()
        losses = original(steps)
        end = start + factor * (time.perf_counter() - start)
        while time.perf_counter() < end:
            continue
        return losses

    contender.run = run


def plant(contender, kind):
    """Change a contender in the way of a kind.

    Raises
    ------
    ValueError
        For an unknown kind.
    """
    if kind.startswith("slow-"):
        slow(contender, float(kind.removeprefix("slow-")))
    elif kind in CHANGES:
        _with_trainer(contender, CHANGES[kind])
    elif kind != "again":
        raise ValueError(
            f"plant: expected again, slow-FACTOR or one of {', '.join(CHANGES)}, found {kind!r}"
        )
