"""The KL: what it is made of, per weight, per layer, and per example after division by N."""

import numpy as np

from .. import priors, reference
from .rounding import add_up, common_decimals
from .sheet import NO_MPMATH, Sheet, mpmath_or_none, number

EXACT_WEIGHTS = 4000  # weights of a layer that mpmath is asked about
ESTIMATE_DRAWS = 200
CHUNK = 1 << 20


def explain(subject, seed=0):
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
    _per_weight(sheet, rows)
    _per_example(sheet, subject, rows)
    _estimate(sheet, subject, seed, sum(row["kl"] for row in rows))
    return sheet


def _one_weight(sheet, mu, sigma, prior):
    """Put numbers into the formula, and check with mpmath."""
    value = float(priors.kl(np.float64(mu), np.float64(sigma), prior))
    parts = priors.kl_parts(mu, sigma, prior)
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
        mu, sigma, m, s = (mpmath.mpf(float(v)) for v in (mu, sigma, *prior))
        half = mpmath.mpf(1) / 2
        return mpmath.log(s / sigma) + (sigma**2 + (mu - m) ** 2) / (2 * s**2) - half


def _tensors(layer, p):
    """Return (name, mu, rho, prior) of each tensor of a layer that has a posterior."""
    found = [("kernel", p.kernel_mu, p.kernel_rho, layer.kernel_prior)]
    if layer.bias_is_random:
        found.append(("bias", p.bias_mu, p.bias_rho, layer.bias_prior))
    return found


def _layers(sheet, subject):
    """Print each layer's parts, rounded so that they add up; check them; return the numbers."""
    network, parameters = subject.network, subject.parameters
    totals = reference.kl(network, parameters)
    parts = reference.kl_parts(network, parameters)
    rows = [
        {"layer": f"layers.{k}", "weights": layer.num_random, "parts": parts[k], "kl": totals[k]}
        for k, layer in enumerate(network.layers)
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
    sheet.say(
        "The squared mean is the L2 norm that people expect the KL to be; here it is "
        f"{_percent(rows, 0)} of it. "
        "Every row and every column adds up in the digits printed; for that a last digit may be "
        "rounded the other way. A deterministic bias has no posterior and no KL."
    )
    sheet.check(
        "the four parts, each summed in float64, against the KL as a training step computes it "
        f"({parameters.dtype})",
        summed,
        "reference.kl",
        whole,
        2e-6 if parameters.dtype == np.float32 else 1e-11,
    )
    _check_exactly(sheet, subject)
    return rows


def _percent(rows, part):
    """Return a part's share of the whole KL as text."""
    total = sum(row["kl"] for row in rows)
    return f"{100 * sum(row['parts'][part] for row in rows) / total:.2g} %"


def _check_exactly(sheet, subject):
    """Hold the KL of the weights (some of them in a large layer) against mpmath."""
    what = "the KL of each layer"
    mpmath = mpmath_or_none()
    if mpmath is None:
        sheet.leave_out(what, NO_MPMATH)
        return
    found = exact = 0.0
    asked = weights = 0
    parameters = subject.parameters
    for layer, p in zip(subject.network.layers, parameters.layers, strict=True):
        for _, mu, rho, prior in _tensors(layer, p):
            every = -(-mu.size // EXACT_WEIGHTS)
            mu, sigma = mu.reshape(-1), reference.sigma(p.scale_shift, rho).reshape(-1)
            weights += mu.size
            mu, sigma = mu[::every], sigma[::every]
            asked += mu.size
            found += float(np.sum(priors.kl(mu, sigma, prior), dtype=np.float64))
            exact += float(
                mpmath.fsum(_exact(mpmath, m, s, prior) for m, s in zip(mu, sigma, strict=True))
            )
    what = "the KL summed over "
    what += f"all {asked} weights" if asked == weights else f"{asked} of {weights} weights"
    limit = 1e-6 if parameters.dtype == np.float32 else 1e-13
    sheet.check(what, found, "mpmath, 30 digits", exact, limit)


def _per_weight(sheet, rows):
    """Print the mean over a layer's weights."""
    sheet.heading("Per weight")
    table = []
    for row in rows:
        each = [number(part / row["weights"], 5) for part in (*row["parts"], row["kl"])]
        table.append([row["layer"], *each])
    sheet.table(["", "squared mean", "variance", "log", "constant", "KL"], table)
    sheet.say(
        "Where training starts, mu near 0 and rho near -3 (sigma about 0.05), the log term is by "
        "far the largest: a sigma so much smaller than the prior's costs 2.5 nats a weight, "
        "whatever the mean is. A weight that the data say nothing of returns to the prior, where "
        "variance, log and constant cancel and the KL is 0."
    )


def _per_example(sheet, subject, rows):
    """Print what the loss gets: KL / N, and what it would get had one divided by B."""
    n, b = subject.num_examples, subject.batch_size
    sheet.heading("Per example: what the loss adds to the mean nll of a batch")
    table = [
        [row["layer"], number(row["kl"], 8), number(row["kl"] / n, 6), number(row["kl"] / b, 6)]
        for row in rows
    ]
    total = sum(row["kl"] for row in rows)
    table.append(["sum", number(total, 8), number(total / n, 6), number(total / b, 6)])
    sheet.table(["", "KL", f"KL / N, N = {n}", f"KL / B, B = {b}"], table)
    text = (
        f"The nll is a mean over examples, so the KL of the whole network is divided by N = {n}, "
        f"the number of examples trained on. Divided by the batch size it would weigh "
        f"{number(n / b, 4)} times as much: the commonest mistake, and the posterior then hardly "
        "leaves the prior."
    )
    if subject.kl_weight != 1 / n:
        weighted = number(subject.kl_weight * total, 6)
        text += f" This run's own kl_weight, {number(subject.kl_weight)}, adds {weighted}."
    if subject.history:
        last = subject.history[-1]
        text += (
            f" The last record of the history (step {last['step']}): nll {last['nll']:.4f}, loss "
            f"{last['loss']:.4f}; its KL, {number(last['kl'], 8)}, is the one before that step's "
            "update."
        )
    sheet.say(text)


def _estimate(sheet, subject, seed, found):
    """Estimate KL = E_q[log q(w) - log p(w)] from draws of all weights."""
    rng = np.random.default_rng(seed)
    draws = ESTIMATE_DRAWS if subject.parameters.flat.size > 1000 else 100 * ESTIMATE_DRAWS
    values = np.zeros(draws)
    for layer, p in zip(subject.network.layers, subject.parameters.layers, strict=True):
        for _, mu, rho, prior in _tensors(layer, p):
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
