"""The KL: what it is made of, per weight, per layer, and per example after division by N."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from .. import priors, reference
from ..network import bracketed
from .rounding import add_up, common_decimals, printed, share_out, units
from .sheet import NO_MPMATH, Sheet, mpmath_or_none, number

if TYPE_CHECKING:
    from .subject import Subject

EXACT_WEIGHTS = 4000  # weights of a layer that mpmath is asked about
ESTIMATE_DRAWS = 200
CHUNK = 1 << 20
DECIMALS = 6  # of a mean per weight, and of a share per example
START_RHO = -3.0  # where training starts: the mean of the initial values of rho


def explain(subject: Subject, seed: int = 0) -> Sheet:
    """Return the sheet on the KL of a subject's layers.

    Parameters
    ----------
    subject : Subject
    seed : int
        Of the Monte Carlo check.
    """
    sheet = Sheet("KL: how far the posterior is from the prior")
    sheet.say(f"Of {subject.name}. All in nats.")
    sheet.heading("Formula, for one weight")
    sheet.formula(
        "KL(N(mu, sigma) || N(m, s)) = (mu - m)^2 / (2 s^2)    squared mean",
        "                            + sigma^2 / (2 s^2)       variance",
        "                            - log(sigma / s)          log",
        "                            - 1/2                     constant",
    )
    _one_weight(sheet, 0.5, 0.1, priors.NormalPrior(0.25, 2.0))
    rows = _layers(sheet, subject)
    _per_weight(sheet, subject, rows)
    _per_example(sheet, subject, rows)
    _as_written_for_tfp(sheet, subject, sum(row["kl"] for row in rows))
    _estimate(sheet, subject, seed, sum(row["kl"] for row in rows))
    return sheet


def _one_weight(sheet, mu, sigma, prior):
    """Put numbers into the formula, and check with mpmath."""
    value = float(prior.kl(np.float64(mu), np.float64(sigma)))
    parts = prior.kl_parts(mu, sigma)
    terms = " + ".join(number(part, 8) for part in parts).replace("+ -", "- ")
    sheet.say(
        f"mu = {mu}, sigma = {sigma}, prior mean m = {prior.loc}, prior standard deviation "
        f"s = {prior.scale:g} (a standard deviation, not a variance):"
    )
    sheet.formula(f"{terms} = {number(value, 8)}")
    mpmath = mpmath_or_none()
    if mpmath is None:
        sheet.leave_out("the KL of this weight", NO_MPMATH)
        return
    exact = _exact(mpmath, mu, sigma, prior)
    sheet.check("the KL of this weight", value, "mpmath, 30 digits", exact, 1e-15)


def _exact(mpmath, mu, sigma, prior):
    """Return one weight's KL with 30 digits."""
    with mpmath.workdps(30):
        m, s = mpmath.mpf(prior.loc), mpmath.mpf(prior.scale)
        mu, sigma = mpmath.mpf(float(mu)), mpmath.mpf(sigma)
        half = mpmath.mpf(1) / 2
        return mpmath.log(s / sigma) + (sigma**2 + (mu - m) ** 2) / (2 * s**2) - half


def _layers(sheet, subject):
    """Print each layer's parts, rounded so that they add up; check them; return the numbers."""
    network, parameters = subject.network, subject.parameters
    random = [k for k, layer in enumerate(network.layers) if layer.num_random]
    totals = reference.kl(network, parameters)[random]
    parts = [reference.kl_parts(network, parameters)[k] for k in random]
    rows = [
        {"layer": f"layers.{k}", "weights": network.layers[k].num_random, "parts": part, "kl": kl}
        for k, part, kl in zip(random, parts, totals, strict=True)
    ]
    whole, summed = float(np.sum(totals)), float(np.sum([sum(p) for p in parts]))
    twice = [(sum(part), total) for part, total in zip(parts, totals, strict=True)]
    decimals = common_decimals([*twice, (summed, whole)])
    sheet.heading("The KL of each layer, taken apart")
    text = add_up([list(p) for p in parts], list(totals), whole, decimals)
    names = [*(row["layer"] for row in rows), "sum"]
    counts = [*(row["weights"] for row in rows), sum(row["weights"] for row in rows)]
    header = ["", "weights", "squared mean", "variance", "log", "constant", "KL"]
    sheet.table(header, [[n, c, *t] for n, c, t in zip(names, counts, text, strict=True)])
    share = f"{100 * sum(p[0] for p in parts) / whole:.1f}%" if whole else "nothing"
    sheet.say(
        "The squared mean is what people expect the KL to be: an L2 penalty, half the squared "
        f"distance of the means from the prior's in units of its scale. Here it is {share} of "
        "the KL. A deterministic bias has no posterior and no KL."
    )
    sheet.say(
        "Every row and every column adds up in the digits printed; for that a last digit may be "
        "rounded the other way."
    )
    terms = sum(abs(term) for part in parts for term in part)
    sheet.check(
        f"the four parts, summed in float64, and the KL of a training step in {parameters.dtype}",
        summed,
        "bnn_ref.reference.kl",
        whole,
        1e-6 if parameters.dtype == np.float32 else 1e-13,
        terms,
    )
    _check_exactly(sheet, subject)
    return rows


def _check_exactly(sheet, subject):
    """Hold the KL of the weights (some of them in a large layer) against mpmath.

    The difference is counted against the KL and what rounding can move it by where it is near 0:
    d KL / d log(sigma) = (sigma/s)^2 - 1, d KL / d m = (mu - m)/s^2, and for a posterior at its
    prior, where both vanish, a millionth of a nat for every weight.
    """
    what = "the KL summed over the weights"
    mpmath = mpmath_or_none()
    if mpmath is None:
        sheet.leave_out(what, NO_MPMATH)
        return
    found = exact = moves = 0.0
    asked = weights = 0
    parameters = subject.parameters
    for _, layer, p in parameters.walk():
        for _, prior, mu, rho in layer.posteriors(p):
            every = -(-mu.size // EXACT_WEIGHTS)
            weights += mu.size
            mu, rho = mu.reshape(-1)[::every], rho.reshape(-1)[::every]
            sigma = reference.sigma(p.scale_shift, rho)
            asked += mu.size
            found += float(np.sum(prior.kl(mu, sigma), dtype=np.float64))
            m, s = prior.loc, prior.scale
            moves += float(np.sum(np.abs((sigma / s) ** 2 - 1), dtype=np.float64))
            moves += float(np.sum(np.abs((mu - m) / s * (m / s)), dtype=np.float64))
            with mpmath.workdps(30):
                shift = mpmath.mpf(p.scale_shift)
                exact += mpmath.fsum(
                    _exact(mpmath, m, shift + mpmath.log1p(mpmath.exp(float(r))), prior)
                    for m, r in zip(mu, rho, strict=True)
                )
    what = "the KL summed over "
    what += f"all {asked} weights" if asked == weights else f"{asked} of {weights} weights"
    limit = 1e-6 if parameters.dtype == np.float32 else 1e-13
    by = "mpmath, 30 digits, from mu and rho"
    sheet.check(what, found, by, exact, limit, float(exact) + moves + 1e-6 * asked)


def _per_weight(sheet, subject, rows):
    """Print the mean over a layer's weights, and what a new weight costs."""
    sheet.heading("Per weight: the mean over each layer's")
    table = []
    for row in rows:
        total = units(row["kl"] / row["weights"], DECIMALS)
        parts = [Decimal(part / row["weights"]).scaleb(DECIMALS) for part in row["parts"]]
        each = [*share_out(parts, total), total]
        table.append([row["layer"], *(printed(value, DECIMALS) for value in each)])
    sheet.table(["", "squared mean", "variance", "log", "constant", "KL"], table)
    name, prior = next(
        (name, layer.priors["kernel"])
        for name, layer, _ in subject.parameters.walk()
        if layer.num_random
    )
    sigma = float(reference.sigma(0.0, np.array(START_RHO)))
    cost = float(prior.kl(np.float64(0), np.float64(sigma)))
    sheet.say(
        f"A new weight has mu near 0 and rho near {START_RHO:g}, so sigma is about "
        f"{number(sigma, 2)}. Against the prior N({number(prior.loc)}, "
        f"{number(prior.scale)}) of {bracketed(name)} that costs {number(cost, 3)} nats. "
        "Where the prior is wider, nearly all of it is the log term: the posterior is surer than "
        "the prior, and pays for it whatever its mean. A weight that the data say nothing of "
        "returns to the prior, where the four terms cancel and the KL is 0."
    )


def _per_example(sheet, subject, rows):
    """Print what the loss gets: KL / N, and what it would get had one divided by B."""
    n, b = subject.num_examples, subject.batch_size
    sheet.heading("Per example: what the loss adds to the mean nll of a batch")
    total = sum(row["kl"] for row in rows)
    columns = []
    for divisor in (1, n, b):
        whole = units(total / divisor, DECIMALS)
        each = [Decimal(float(row["kl"] / divisor)).scaleb(DECIMALS) for row in rows]
        columns.append([printed(value, DECIMALS) for value in (*share_out(each, whole), whole)])
    names = [*(row["layer"] for row in rows), "sum"]
    sheet.table(["", "KL", f"KL / N, N = {n}", f"KL / B, B = {b}"],
                list(zip(names, *columns, strict=True)))  # fmt: skip
    text = (
        f"The nll is a mean over examples, so the KL of the whole network is divided by N = {n}, "
        f"the number of examples trained on. Divided by the batch size it would weigh "
        f"{number(n / b, 4)} times as much: the commonest mistake, which holds the posterior to "
        "the prior as if only B examples had been seen."
    )
    if subject.kl_weight != 1 / n:
        weighted = number(subject.kl_weight * total, 6)
        text += (
            f" This run has a kl_weight of its own, {number(subject.kl_weight)}, not 1/N: its "
            f"loss gets {weighted}."
        )
    if subject.history:
        last = subject.history[-1]
        text += (
            f" The run's last line (step {last['step']}) had KL {number(last['kl'], 8)}: a step "
            "reports what was before its update."
        )
    sheet.say(text)


def _as_written_for_tfp(sheet, subject, total):
    """Print what `sum(model.losses)` is in both of TFP's forms, and what is left to divide."""
    n = subject.num_examples
    sheet.heading("In TFP's words: sum(model.losses)")
    sheet.table(
        ["kernel_divergence_fn", "sum(model.losses)", "the loss"],
        [
            ["left alone, or kl(q, p)", f"{number(total, 6)} = KL", f"nll + it / {n}"],
            ["kl(q, p) / N", f"{number(total / n, 6)} = KL / N", "nll + it, divided no more"],
        ],
    )
    sheet.say(
        "Both are the same loss. Dividing the second form again makes the prior N times too weak; "
        "Keras' compile and fit add model.losses by themselves, so there only the second is right."
    )


def _estimate(sheet, subject, seed, found):
    """Estimate KL = E_q[log q(w) - log p(w)] from draws of all weights."""
    rng = np.random.default_rng(seed)
    draws = ESTIMATE_DRAWS if subject.parameters.flat.size > 1000 else 100 * ESTIMATE_DRAWS
    values = np.zeros(draws)
    for _, layer, p in subject.parameters.walk():
        for _, prior, mu, rho in layer.posteriors(p):
            mu = mu.astype(np.float64).reshape(-1)
            sigma = reference.sigma(p.scale_shift, rho.astype(np.float64)).reshape(-1)
            at_once = max(1, CHUNK // mu.size)
            for start in range(0, draws, at_once):
                part = values[start : start + at_once]
                eps = rng.standard_normal((len(part), mu.size))
                z = (mu + sigma * eps - prior.loc) / prior.scale
                log_ratio = np.sum(np.log(prior.scale / sigma))
                part += log_ratio + 0.5 * np.sum(z * z - eps * eps, axis=1)
    sheet.heading("The same by drawing weights")
    sheet.formula("KL = E_q[ log q(w) - log p(w) ],  w drawn from the posterior q")
    error = np.std(values, ddof=1) / np.sqrt(draws)
    sheet.check_estimate("the KL of the network", found, f"Monte Carlo, {draws} draws",
                         np.mean(values), error)  # fmt: skip
