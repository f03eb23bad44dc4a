"""The first sweep, over the weights: noise, sigma, delta, the KL and what its gradient needs.

Twins: `reference.sigma`, the priors' KL. What differs: everything transcendental is done here,
once; the update sweep finds eps * sigmoid(rho) and the KL's derivative by rho ready. Weights go
through in stretches that stay in the first cache, in loops of few arrays each (LLVM gives up on a
loop that needs many checks of overlap).
"""

import numpy as np

from .addresses import view
from .arrays import put, total, total_magnitude
from .elementary import exp, softplus, softplus_sigmoid_of
from .jit import inner, kernel
from .machine import use_whole_vectors
from .philox import ROOM, Key, normals
from .priors import NORMAL, kl_terms, largest_kl_mu
from .records import DRAWN, TRAINING

STRETCH = 512  # weights whose KL is added up first
U = np.uint32


@inner
def key_of(run, stream):
    """Return the key of a tensor's noise."""
    return Key(U(run.seed_low), U(run.seed_high), U(run.step), U(run.draw), U(run.stream | stream))


@kernel
def _decay(rho, out):
    """Set out = exp(-|rho|)."""
    use_whole_vectors()
    for i in range(rho.size):
        out[i] = exp(-abs(rho[i]))


@kernel
def _spread(rho, shift, sigma, slope):
    """Set sigma, which holds exp(-|rho|), to shift + softplus(rho), and slope to its derivative."""
    use_whole_vectors()
    for i in range(rho.size):
        soft, slope[i] = softplus_sigmoid_of(rho[i], sigma[i])
        sigma[i] = shift + soft


@kernel
def _perturb(sigma, delta, factor):
    """Multiply delta, which holds eps, by sigma, and factor, which holds d sigma/d rho, by eps."""
    use_whole_vectors()
    for i in range(sigma.size):
        factor[i] *= delta[i]
        delta[i] *= sigma[i]


@kernel
def _settle(rho, shift, sigma):
    """Set sigma = shift + softplus(rho)."""
    use_whole_vectors()
    for i in range(rho.size):
        sigma[i] = shift + softplus(rho[i])


@kernel
def _draw(sigma, delta):
    """Multiply delta, which holds eps, by sigma."""
    use_whole_vectors()
    for i in range(sigma.size):
        delta[i] *= sigma[i]


@kernel
def _square(sigma, delta, factor):
    """Set delta = sigma^2, and factor, which holds d sigma/d rho, to its derivative by rho."""
    use_whole_vectors()
    for i in range(sigma.size):
        factor[i] *= type(sigma[0])(2.0) * sigma[i]
        delta[i] = sigma[i] * sigma[i]


@kernel
def take_kl(prior, first, part):
    """Leave in a tensor's first task's part what `other_priors.py` found of all of it."""
    part.kl = prior.kl if first else 0.0
    part.kl_slopes = prior.slopes if first else 0.0


@kernel
def sample(tensor, scale_shift, begin, end, whole, run, memory, part):
    """Fill a tensor's delta, factor and KL derivatives, and leave its KL in `part`.

    Parameters
    ----------
    tensor : record
        Where delta lies in work, eps lies on the way in unless it is drawn.
    scale_shift : float64
    begin, end : int
        The stretch of weights; begin is a multiple of 64.
    whole : bool
        Of a prediction: set delta to mu + sigma * eps, the weights.

    A prediction has no use for derivatives: it keeps sigma in factor, where the draws after it find
    it.
    """
    sigma, kl = view(memory.scratch, 0, STRETCH), view(memory.scratch, STRETCH, STRETCH)
    room = view(memory.scratch, 2 * STRETCH, ROOM)
    shift = type(sigma[0])(scale_shift)
    key = key_of(run, tensor.stream)
    sum_kl = sum_slopes = 0.0
    for s in range(begin, end, STRETCH):
        n = min(STRETCH, end - s)
        mu = view(memory.parameters, tensor.mu + s, n)
        rho = view(memory.parameters, tensor.rho + s, n)
        delta = view(memory.work, tensor.delta + s, n)
        factor = view(memory.work, tensor.factor + s, n)
        kl_rho = view(memory.work, tensor.kl_rho + s, n)
        kl_mu = view(memory.work, tensor.kl_mu + s, n if tensor.kl_mu >= 0 else 0)
        sigma_s, kl_s = view(sigma, 0, n), view(kl, 0, n)
        if run.eps == DRAWN and run.local == 0:
            normals(delta, s, room, key)
        if run.kind != TRAINING:
            if run.sigmas == 0:
                _settle(rho, shift, factor)
            _draw(factor, delta)
            if whole:
                put(mu, delta, True)
            continue
        _decay(rho, sigma_s)
        _spread(rho, shift, sigma_s, factor)
        if tensor.prior.code == NORMAL:
            kl_terms(tensor.prior, mu, rho, sigma_s, factor, kl_s, kl_mu, kl_rho)
            sum_kl += total(kl_s)
            sum_slopes += total_magnitude(kl_rho)
        if run.local == 1:
            _square(sigma_s, delta, factor)
        else:
            _perturb(sigma_s, delta, factor)
    if tensor.prior.code == NORMAL:
        part.kl = sum_kl
        part.kl_slopes = sum_slopes + largest_kl_mu(tensor.prior, sum_kl)
    else:
        take_kl(tensor.prior, begin == 0, part)
