"""The Adam update: formula, numbers, and the three places for its epsilon."""

from __future__ import annotations

import math
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING

import numpy as np

from .. import reference
from ..step import adam as adam_rule
from ..step.adam import EPSILONS, Adam
from .sheet import Sheet, number

if TYPE_CHECKING:
    from .subject import Subject

GRADIENT = 1e-8  # so small that epsilon decides: a weight that hardly matters to the loss
RATE = 1e-3
STEPS = 100
DIGITS = 40
IN_DECIMALS = f"the printed formula in decimal numbers, {DIGITS} digits"


def explain(subject: Subject, seed: int = 0) -> Sheet:
    """Return the sheet on Adam: one weight of a subject, and the conventions side by side.

    Parameters
    ----------
    subject : Subject
    seed : int
        Not used: nothing here is drawn.
    """
    sheet = Sheet("Adam: the update and its epsilon")
    sheet.heading("Formula, at step t")
    sheet.formula(
        "m = beta_1 m + (1 - beta_1) g          a running mean of the gradient",
        "v = beta_2 v + (1 - beta_2) g^2        and of its square",
        "",
        "paper        p -= lr * (m / (1 - beta_1^t)) / (sqrt(v / (1 - beta_2^t)) + epsilon)",
        "tensorflow1  p -= lr * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)",
        "keras        the same as tensorflow1 with epsilon 1e-7",
    )
    _one_weight(sheet, subject.in_float64())
    _conventions(sheet)
    if not subject.small:
        _where_epsilon_matters(sheet, subject)
    return sheet


def one_update(adam: Adam, step: int, p: float, g: float, m: float, v: float) -> Decimal:
    """Return one weight after one step, from the printed formula with 40 decimal digits.

    Parameters
    ----------
    adam : Adam
    step : int
        t >= 1.
    p, g, m, v : float
        Weight, gradient, and the moments before the step; their binary values are taken exactly.
    """
    with localcontext(Context(prec=DIGITS)):
        p, g, m, v, beta_1, beta_2, rate, epsilon = map(
            Decimal, (p, g, m, v, adam.beta_1, adam.beta_2, adam.learning_rate, adam.epsilon)
        )
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        correct_1, correct_2 = 1 - beta_1**step, 1 - beta_2**step
        if adam.convention == "paper":
            return p - rate * (m / correct_1) / ((v / correct_2).sqrt() + epsilon)
        return p - rate * correct_2.sqrt() / correct_1 * m / (v.sqrt() + epsilon)


def _one_weight(sheet, subject):
    """Put one weight of the subject into the formula."""
    noise = subject.noise()
    result = reference.loss_and_gradients(
        subject.network, subject.parameters, subject.x, subject.y, noise, subject.kl_weight
    )
    adam, t = subject.adam, subject.state.step + 1
    name, (index, p, g, m, v) = subject.shown_tensor, subject.shown_weight(result)
    place = f"{name}[{', '.join(map(str, index))}]"
    new_m = adam.beta_1 * m + (1 - adam.beta_1) * g
    new_v = adam.beta_2 * v + (1 - adam.beta_2) * g * g
    sheet.heading(f"One weight: {place}, step t = {t}")
    several = (
        f" A step of this run averages {subject.draws_per_step} noise draws; g is the first one's."
        if subject.draws_per_step > 1
        else ""
    )
    sheet.say(
        f"Of {subject.name}; the weight with the largest gradient of its kernel.{several} "
        "m and v on the right are those before the step."
    )
    new_weight = float(subject.state_after(result).parameters[name][index])
    keep_1, keep_2 = (number(beta, 8) for beta in (adam.beta_1, adam.beta_2))
    take_1, take_2 = (number(1 - beta, 8) for beta in (adam.beta_1, adam.beta_2))
    sheet.formula(
        f"p = {number(p, 8)},  g = {number(g, 8)},  lr = {number(adam.learning_rate)},  "
        f"epsilon = {number(adam.epsilon)} ({adam.convention})",
        f"m = {keep_1} * ({number(m, 8)}) + {take_1} * ({number(g, 8)}) = {number(new_m, 8)}",
        f"v = {keep_2} * {number(v, 8)} + {take_2} * ({number(g, 8)})^2 = {number(new_v, 8)}",
        f"1 - beta_1^t = {number(1 - adam.beta_1**t, 8)},  "
        f"1 - beta_2^t = {number(1 - adam.beta_2**t, 8)}",
        *_last_line(adam, t, p, new_m, new_v, new_weight),
    )
    exact = one_update(adam, t, p, g, m, v)
    scale = max(abs(p), adam.learning_rate)
    sheet.check("the new weight", new_weight, IN_DECIMALS, exact, 1e-13, scale)


def _last_line(adam, t, p, m, v, new_weight):
    """Return the lines that put the corrected moments into the update."""
    root = math.sqrt(v)
    if adam.convention == "paper":
        m, root = m / (1 - adam.beta_1**t), math.sqrt(v / (1 - adam.beta_2**t))
        rate, names = adam.learning_rate, ("m / (1 - beta_1^t)", "sqrt(v / (1 - beta_2^t))")
    else:
        rate = adam.learning_rate * math.sqrt(1 - adam.beta_2**t) / (1 - adam.beta_1**t)
        names = (f"rate = {number(rate, 8)}, m", "sqrt(v)")
    return (
        f"{names[0]} = {number(m, 8)},  {names[1]} = {number(root, 8)}",
        f"p becomes {number(p, 8)} - {number(rate, 8)} * ({number(m, 8)}) / "
        f"({number(root, 8)} + {number(adam.epsilon)}) = {number(new_weight, 10)}",
    )


def _conventions(sheet):
    """Take 100 steps with a gradient of 1e-8 under each convention."""
    sheet.heading(f"The epsilon: a gradient that is always {GRADIENT:g}, learning rate {RATE:g}")
    rows, moves = [], {}
    for convention in EPSILONS:
        adam = Adam(RATE, convention=convention)
        p, g, m, v = np.zeros(1), np.full(1, GRADIENT), np.zeros(1), np.zeros(1)
        path = [0.0]
        for step in range(1, STEPS + 1):
            adam_rule.update(adam, step, p, g, m, v)
            path.append(float(p[0]))
        first, last = path[0] - path[1], path[-2] - path[-1]
        moves[convention] = -path[-1]
        rows.append([f"{convention}, epsilon {adam.epsilon:g}", f"{first:.7e}", f"{last:.7e}",
                     f"{-path[-1]:.8f}"])  # fmt: skip
    sheet.table(["", "step 1", f"step {STEPS}", f"{STEPS} steps"], rows)
    sheet.say(
        "Adam is meant to move every weight by about the learning rate, whatever the size of its "
        "gradient. Where gradients are as small as epsilon it does not, and there the conventions "
        f"differ: by a factor of {max(moves.values()) / min(moves.values()):.0f} after {STEPS} "
        "steps. An epsilon outside the bias correction counts for 1 / sqrt(1 - beta_2^t) times as "
        f"much, {(1 - Adam().beta_2) ** -0.5:.0f} times at the first step. PyTorch and optax "
        "follow the paper."
    )
    for convention, total in moves.items():
        exact = -constant_gradient(Adam(RATE, convention=convention))
        sheet.check(f"{convention}: the sum of {STEPS} steps", total, IN_DECIMALS, exact, 1e-12)


def constant_gradient(adam: Adam) -> Decimal:
    """Return where a weight is after STEPS steps: for a constant g, m and v have closed forms.

    m = g (1 - beta_1^t) and v = g^2 (1 - beta_2^t), so the corrected moments are g and g^2.

    Parameters
    ----------
    adam : Adam
    """
    with localcontext(Context(prec=DIGITS)):
        p, g, beta_1, beta_2, rate, epsilon = map(
            Decimal, (0, GRADIENT, adam.beta_1, adam.beta_2, adam.learning_rate, adam.epsilon)
        )
        for t in range(1, STEPS + 1):
            m, root = g * (1 - beta_1**t), g * (1 - beta_2**t).sqrt()
            if adam.convention == "paper":
                p -= rate * g / (g + epsilon)
            else:
                p -= rate * (1 - beta_2**t).sqrt() / (1 - beta_1**t) * m / (root + epsilon)
        return p


def _where_epsilon_matters(sheet, subject):
    """Print how many of the run's weights have gradients as small as an epsilon."""
    t = subject.state.step
    sheet.heading("In this run: weights whose gradients are as small as epsilon")
    if t == 0:
        sheet.say("No step has been taken: the moments are still 0.")
        return
    correct_2 = -math.expm1(t * math.log(subject.adam.beta_2))
    rows = []
    for name, v in subject.state.moment_2.items():
        size = np.sqrt(v.astype(np.float64) / correct_2)
        shares = [f"{100 * np.mean(size < limit):.2f} %" for limit in (1e-6, 1e-7, 1e-8)]
        rows.append([name, number(np.median(size), 3), *shares])
    header = ["", "median sqrt(v^)", "below 1e-6", "below 1e-7", "below 1e-8"]
    sheet.table(header, rows)
    sheet.say(
        "sqrt(v^) is the root mean square of a weight's recent gradients. Where it is not far "
        "above epsilon, another convention would train another network."
    )
