"""Is it the same work? Asked of every contender, about the steps that will be timed.

Four questions, each against the NumPy back end of this project:

1. replay: on the same initial values, batch and noise, the same loss and the same gradients (for
   contenders that can be given noise);
2. rest: over many steps that move nothing, on one row repeated, is every step's loss another (fresh
   noise), and are its mean and its spread over the noise those of Flipout, the KL counted once?
3. training: do the first steps lower the loss as far?
4. moved: does the first Adam step move every tensor by about the learning rate?

A contender that fails one is refused and not timed.
"""

from typing import NamedTuple

import numpy as np

import bnn_ref
from bnn_ref import Adam, State, reference

LIMIT = {"float32": 2e-4, "float64": 1e-9}  # replay, relative to the largest magnitude
# Of a million hidden units of a batch some stand nearer to a ReLU's kink than float32 can tell, and
# honest contenders find them on either side. One unit of one example (784-2400-2400-10 at batch
# 1024: at 1e-6, where 2 is usual) moved an entry by 1e-2 of the largest, a tensor's norm by 5e-4.
MANY_UNITS, AT_KINKS = 1_000_000, (5e-2, 2e-3)
WIDE = 6.0  # standard errors: a chance of 2e-9 to refuse an honest contender
SLACK = 0.1  # of the loss's fall in training: Adam's epsilon, other rounding
SEED = 7


class Expected(NamedTuple):
    """What the reference finds for a workload.

    Attributes
    ----------
    loss, gradients
        Replay's answer, computed in float64.
    rest : array (D,)
        Losses of D steps at rest on the probe.
    training : array (seeds, T)
        Losses of the first T steps.
    learning_rate : float
    limits : (float, float)
        How far an entry of a replayed gradient may be off, over the tensor's largest, and how far
        the tensor, over its norm.
    """

    loss: float
    gradients: dict
    rest: np.ndarray
    training: np.ndarray
    learning_rate: float
    limits: tuple


def replayed_noise(problem):
    """Return the noise that every contender replays."""
    return bnn_ref.draw_noise(
        problem.network, problem.workload.batch, SEED, dtype=problem.parameters.dtype
    )


def sizes_for(workload):
    """Return (D, T, seeds): fewer where the reference is slow."""
    work = workload.weights * max(workload.batch, 64)
    return (24, 6, 3) if work > 30_000_000 else (64, 12, 3)


def expect(problem):
    """Return the `Expected` of a problem."""
    network, kl_weight = problem.network, problem.kl_weight
    wide = problem.parameters.astype("float64")
    noise = bnn_ref.noise.Noise(
        tuple(
            layer._replace(**{n: a.astype("float64") for n, a in layer._asdict().items()
                              if a is not None})
            for layer in replayed_noise(problem).layers
        )
    )  # fmt: skip
    x, y = problem.batches[0]  # the last batch is the probe
    answer = bnn_ref.loss_and_gradients(network, wide, x.astype("float64"), y, noise, kl_weight)

    draws, steps, seeds = sizes_for(problem.workload)
    kl = float(np.sum(bnn_ref.kl(network, problem.parameters)))
    x, y = problem.batches[-1]
    own = problem.parameters.likelihood
    rest = []
    for draw in range(draws):
        noise = bnn_ref.draw_noise(network, len(x), SEED + 1, draw=draw, dtype=x.dtype)
        logits = bnn_ref.forward(network, problem.parameters, x, noise)
        nll = network.likelihood.nll_and_gradient(logits, y, None, own)[0]
        rest.append(nll + kl_weight * kl)
    training = []
    for seed in range(seeds):
        state = State.start(problem.parameters.copy())
        training.append(
            [
                reference.train_step(
                    state,
                    *problem.batches[t % (len(problem.batches) - 1)],
                    seed=SEED + 2 + seed,
                    kl_weight=kl_weight,
                    adam=Adam(problem.learning_rate),
                ).loss
                for t in range(steps)
            ]
        )
    return Expected(
        float(answer.loss),
        dict(answer.gradients.items()),
        np.array(rest),
        np.array(training),
        problem.learning_rate,
        limits_of(problem.workload, str(problem.parameters.dtype)),
    )


def limits_of(workload, dtype):
    """Return how far an entry of a replayed gradient, and a whole tensor, may be off."""
    units = workload.batch * sum(workload.sizes[1:-1])
    many = dtype == "float32" and units >= MANY_UNITS
    return AT_KINKS if many else (LIMIT[dtype], LIMIT[dtype])


def check_replay(expected, measured, dtype):
    """Return what is wrong with a replay, in words, or None."""
    gap = abs(measured["loss"] - expected.loss) / abs(expected.loss)
    if not gap <= LIMIT[dtype]:
        return f"loss on replayed noise {measured['loss']:.6f}, expected {expected.loss:.6f}"
    of_entry, of_norm = expected.limits
    for name, wanted in expected.gradients.items():
        off = measured["gradients"][name] - wanted
        gap = np.max(np.abs(off)) / np.max(np.abs(wanted))
        if not gap <= of_entry:
            return f"gradient of {name} on replayed noise off by {gap:.1e} of its largest entry"
        gap = np.linalg.norm(off) / np.linalg.norm(wanted)
        if not gap <= of_norm:
            return f"gradient of {name} on replayed noise off by {gap:.1e} of its norm"
    return None


def check_rest(expected, losses):
    """Return what is wrong with the losses at rest, in words, or None."""
    wanted = expected.rest
    if len(np.unique(losses)) < 0.9 * len(losses):
        return f"{len(np.unique(losses))} different losses in {len(losses)} steps: noise not fresh"
    error = np.sqrt(np.var(losses, ddof=1) / len(losses) + np.var(wanted, ddof=1) / len(wanted))
    gap = np.mean(losses) - np.mean(wanted)
    if not abs(gap) <= WIDE * error + 1e-4 * abs(np.mean(wanted)):
        return f"mean loss {np.mean(losses):.4f}, expected {np.mean(wanted):.4f} +- {error:.4f}"
    spread = np.log(np.std(losses, ddof=1) / np.std(wanted, ddof=1))
    if not abs(spread) <= WIDE * np.sqrt(0.5 / len(losses) + 0.5 / len(wanted)):
        return (
            f"the loss's standard deviation over the noise is {np.exp(spread):.2f} times Flipout's"
        )
    return None


def check_training(expected, losses):
    """Return what is wrong with the first steps' losses, in words, or None."""
    last = max(1, len(losses) // 3)
    wanted = expected.training[:, -last:]
    ending = losses[-last:]
    fall = np.mean(expected.training[:, 0]) - np.mean(wanted)
    noise = np.std(expected.rest, ddof=1) * np.sqrt(1 / ending.size + 1 / wanted.size)
    if fall < 0:  # a step far too long, and seeds part: 350 to 355 of 784-2400-2400-10/1024
        seeds = np.std(np.mean(wanted, axis=1), ddof=1) * np.sqrt(1 + 1 / len(wanted))
        noise = np.hypot(noise, seeds)
    gap = np.mean(ending) - np.mean(wanted)
    if not abs(gap) <= WIDE * noise + SLACK * abs(fall):
        return (
            f"loss {np.mean(ending):.4f} after {len(losses)} steps, expected {np.mean(wanted):.4f}"
        )
    return None


def check_moved(expected, moved):
    """Return what is wrong with the first Adam step, in words, or None."""
    for name in expected.gradients:
        step = moved[name] / expected.learning_rate
        if not 0.5 < step < 1.5:
            return f"the first step moved {name} by {step:.2f} learning rates, expected 1"
    return None


def check(worker, problem, expected):
    """Ask a worker that has opened the problem, and return (refusal or None, what was seen).

    Raises
    ------
    WorkerError
        Where the contender fails.
    """
    dtype = str(problem.parameters.dtype)
    draws, steps, _ = sizes_for(problem.workload)
    replayed = worker.call("replay", workload=problem.workload.name)
    seen = {"replayed": replayed is not None}
    if replayed is not None:
        seen["replayed_loss"] = replayed["loss"]
        refusal = check_replay(expected, replayed, dtype)
        if refusal:
            return refusal, seen
    for method, ask, judge in (
        ("losses_at_rest", {"steps": draws}, check_rest),
        ("losses_in_training", {"steps": steps}, check_training),
        ("moved", {}, check_moved),
    ):
        answer = worker.call(method, workload=problem.workload.name, **ask)
        seen[method] = answer if isinstance(answer, dict) else answer.tolist()
        refusal = judge(expected, answer)
        if refusal:
            return refusal, seen
    seen["mean_loss"], seen["expected_mean_loss"] = (
        float(np.mean(seen["losses_at_rest"])), float(np.mean(expected.rest)))  # fmt: skip
    return None, seen
