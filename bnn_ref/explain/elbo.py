"""The ELBO: why the loss is nll + KL/N, shown where everything is known exactly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import priors, reference
from ..layers import DenseFlipout
from ..likelihoods import Normal
from ..network import Network
from ..noise import draw_noise
from .sheet import NO_MPMATH, Sheet, mpmath_or_none, number

if TYPE_CHECKING:
    from .subject import Subject

X = np.array([[0.5], [1.0], [-1.5], [2.0]])
Y = np.array([[0.8], [0.7], [-2.1], [2.6]])
NOISE = 0.5  # the likelihood's standard deviation
BATCH = 2
DRAWS = 4000
RUN_ROWS, RUN_DRAWS = 1000, 30


class Posterior(NamedTuple):
    """A Normal over the one weight, and what it is called in the table.

    Attributes
    ----------
    name : str
    mu, sigma : float
    """

    name: str
    mu: float
    sigma: float


def explain(subject: Subject, seed: int = 0) -> Sheet:
    """Return the sheet on the ELBO: one weight with four examples, then the subject's network.

    Parameters
    ----------
    subject : Subject
    seed : int
        Of the Monte Carlo checks.
    """
    sheet = Sheet("The ELBO: what the loss is a bound of")
    sheet.heading("Formula")
    sheet.formula(
        "log p(y | x)  >=  ELBO = E_q[ log p(y | x, w) ] - KL(q || prior)",
        "log p(y | x)   -  ELBO = KL(q || exact posterior)",
        "loss = nll + KL / N = -ELBO / N",
        "nll  = -E_q[ mean over the N examples of log p(y_n | x_n, w) ]",
    )
    _one_weight(sheet, seed)
    _one_epoch(sheet)
    if subject.train is not None:
        _network(sheet, subject, seed)
    return sheet


def exact_posterior(weight: float = 1.0) -> tuple[float, float]:
    """Return (mu, sigma) of the posterior of w in y = w x + noise, prior N(0, 1).

    Parameters
    ----------
    weight : float
        How much the data count: 1 for the posterior; B/N for what nll + KL/B is least at.
    """
    precision = 1 + weight * float(np.sum(X * X)) / NOISE**2
    return weight * float(np.sum(X * Y)) / NOISE**2 / precision, precision**-0.5


def expected_nll(mu: float, sigma: float) -> float:
    """Return the mean over the four examples of E_q[-log p(y_n | x_n, w)], in closed form.

    Parameters
    ----------
    mu, sigma : float
        Of the posterior of the one weight.
    """
    squares = (Y - mu * X) ** 2 + (sigma * X) ** 2
    constant = math.log(NOISE) + 0.5 * math.log(2 * math.pi)
    return float(np.mean(squares / (2 * NOISE**2))) + constant


def _weight_kl(mu, sigma):
    return float(priors.NormalPrior().kl(np.float64(mu), np.float64(sigma)))


def _one_weight(sheet, seed):
    """Compare four posteriors of one weight; check evidence, gap and the Flipout estimate."""
    n = len(X)
    best = Posterior("exact posterior", *exact_posterior())
    choices = [
        Posterior("the prior", 0.0, 1.0),
        best,
        Posterior("mean right, ten times too sure", best.mu, best.sigma / 10),
        Posterior(f"least of nll + KL / {BATCH}", *exact_posterior(BATCH / n)),
    ]
    sheet.heading(f"One weight, {n} examples: y = w x + noise")
    sheet.say(
        f"x = {X[:, 0].tolist()}, y = {Y[:, 0].tolist()}, noise of standard deviation {NOISE}, "
        "prior w ~ N(0, 1). Here the posterior is Normal and known exactly. In nats:"
    )
    rows = []
    for name, mu, sigma in choices:
        nll, kl = expected_nll(mu, sigma), _weight_kl(mu, sigma)
        values = (mu, sigma, n * nll, kl, n * nll + kl, nll + kl / n, nll + kl / BATCH)
        rows.append([name, *(f"{value:.4f}" for value in values)])
    header = ["q", "mu", "sigma", "N nll", "KL", "-ELBO", "nll+KL/N", f"nll+KL/{BATCH}"]
    sheet.table(header, rows)
    sheet.say(
        "nll + KL/N is least at the exact posterior, where the bound is tight. Divided by the "
        f"batch size, {BATCH}, the least is elsewhere: the weight is drawn to the prior and less "
        f"sure of itself, as if only {BATCH} of the {n} examples had been seen. With N = 60000 and "
        "B = 128: as if 128 had been seen."
    )
    minus_elbo = n * expected_nll(best.mu, best.sigma) + _weight_kl(best.mu, best.sigma)
    _check_evidence(sheet, choices, minus_elbo)
    estimate, error = _by_flipout(best, seed)
    sheet.check_estimate("nll at the exact posterior", expected_nll(best.mu, best.sigma),
                         f"{DRAWS} Flipout draws of the layer", estimate, error)  # fmt: skip


def _check_evidence(sheet, choices, minus_elbo):
    """Hold -ELBO at the exact posterior, and another one's gap, against integrals by mpmath."""
    mpmath = mpmath_or_none()
    if mpmath is None:
        sheet.leave_out("-log p(y | x)", NO_MPMATH)
        return

    pairs = [(float(x), float(y)) for x, y in zip(X[:, 0], Y[:, 0], strict=True)]

    def joint(w):
        squares = mpmath.fsum(((y - w * x) / NOISE) ** 2 for x, y in pairs)
        return mpmath.npdf(w) * mpmath.exp(-squares / 2) / (NOISE * root) ** len(pairs)

    with mpmath.workdps(30):
        root = mpmath.sqrt(2 * mpmath.pi)
        evidence = mpmath.quad(joint, [-8, 0, 1, 1.5, 2, 8])
        sheet.check("-ELBO at the exact posterior", minus_elbo,
                    "mpmath, -log of the integral of p(w) p(y | x, w)", -mpmath.log(evidence),
                    1e-12)  # fmt: skip
        name, mu, sigma = choices[-1]
        gap = len(X) * expected_nll(mu, sigma) + _weight_kl(mu, sigma) - minus_elbo
        exact = priors.NormalPrior(*choices[1][1:])
        other = float(exact.kl(np.float64(mu), np.float64(sigma)))
        sheet.check(f'what "{name}" loses', gap, "KL from it to the exact posterior", other, 1e-12)


def _by_flipout(q, seed):
    """Return the mean nll and its standard error over draws of a 1 -> 1 Flipout layer."""
    network = Network([DenseFlipout(1, 1, bias="none", scale_shift=0.0)], Normal(NOISE))
    rho = q.sigma + math.log(-math.expm1(-q.sigma))  # softplus(rho) = sigma
    parameters = network.parameters(
        {"layers.0.kernel_mu": [[q.mu]], "layers.0.kernel_rho": [[rho]]}, "float64"
    )
    values = np.empty(DRAWS)
    for draw in range(DRAWS):
        noise = draw_noise(network, len(X), seed, draw=draw, dtype="float64")
        outputs = reference.forward(network, parameters, X, noise)
        values[draw] = np.mean(network.likelihood.nll_rows(outputs, Y))
    return values.mean(), values.std(ddof=1) / math.sqrt(DRAWS)


def _one_epoch(sheet):
    """Put an epoch of unequal batches together."""
    sheet.heading("An epoch in batches")
    sizes, nlls = (4, 4, 2), (1.0, 1.0, 4.0)
    total = sum(size * nll for size, nll in zip(sizes, nlls, strict=True))
    sheet.say(
        "The mean nll of a batch estimates the mean over all examples, and KL/N stands in every "
        "batch's loss, whatever its size. N = 10 in batches of 4, 4 and 2 with mean nll 1, 1 and 4:"
    )
    sheet.formula(
        f"nll of the epoch = (4 * 1 + 4 * 1 + 2 * 4) / 10 = {total / sum(sizes):.1f}, "
        f"not (1 + 1 + 4) / 3 = {sum(nlls) / 3:.1f}"
    )


def _network(sheet, subject, seed):
    """Estimate the run's ELBO in two ways: draws of whole weights, and Flipout."""
    x, y = subject.train
    rows = min(len(x), RUN_ROWS)
    n = subject.num_examples
    x, y = x[:rows], np.asarray(y[:rows])
    kl = float(np.sum(reference.kl(subject.network, subject.parameters)))
    whole = _draw_nll(subject, x, y, seed, "weights")
    flipped = _draw_nll(subject, x, y, seed + 1, "flipout")
    nll, error = whole.mean(), _error(whole)
    sheet.heading(f"This network: {subject.name}")
    sheet.say(
        f"The nll over the first {rows} of {n} training examples, {RUN_DRAWS} draws of whole "
        "weights; the KL is exact."
    )
    b = subject.batch_size
    sheet.formula(
        f"nll             {nll:.5f} +- {error:.5f} nats per example",
        f"KL / N          {kl / n:.5f}    (N = {n})",
        f"-ELBO / N       {nll + kl / n:.5f}",
        f"ELBO            {-(n * nll + kl):.1f} nats in all, KL {kl:.1f} of them",
        f"KL / B          {kl / b:.5f}    what dividing by the batch size {b} would have added",
    )
    sheet.check_estimate("the nll, by draws of whole weights", nll,
                         f"{RUN_DRAWS} Flipout draws, both errors together", flipped.mean(),
                         math.hypot(error, _error(flipped)))  # fmt: skip
    if subject.kl_weight != 1 / n:
        sheet.say(
            f"This run's own kl_weight is {number(subject.kl_weight)}, not 1/N: what it minimises, "
            f"nll + {number(subject.kl_weight)} * KL = {nll + subject.kl_weight * kl:.5f}, is not "
            "-ELBO / N."
        )
    if subject.history:
        last = subject.history[-1]
        sheet.say(
            f"Training itself last reported nll {last['nll']:.4f} and loss {last['loss']:.4f} "
            f"(step {last['step']}), means over the steps since the record before."
        )


def _draw_nll(subject, x, y, seed, kind):
    """Return the mean nll (RUN_DRAWS,) of each draw of the outputs."""
    network, likelihood = subject.network, subject.network.likelihood
    y = likelihood.check_targets(y, (len(x),), network.outputs)
    own = {name: array.astype(np.float64) for name, array in subject.parameters.likelihood.items()}
    values = np.empty(RUN_DRAWS)
    for draw in range(RUN_DRAWS):
        z = reference.draw_outputs(network, subject.parameters, x, seed, draw, kind=kind)
        values[draw] = np.mean(likelihood.nll_rows(z.astype(np.float64), y, own))
    return values


def _error(values):
    return float(values.std(ddof=1) / math.sqrt(len(values)))
