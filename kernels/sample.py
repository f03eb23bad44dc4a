"""The first sweep, over the weights: noise, sigma, delta, the KL and what its gradient needs.

Twins: `reference.sigma`, `priors.kl`, `priors.kl_gradient`. What differs: everything
transcendental is done here, once; the update sweep finds eps * sigmoid(rho) and the KL's
derivative by rho ready. Weights go through in stretches that stay in the first cache, in loops of
few arrays each (LLVM gives up on a loop that needs many checks of overlap).
"""

from .elementary import LOG2_HIGH, LOG2_LOW, log1p_gap, mantissa, softplus_sigmoid
from .jit import kernel, reassociate
from .machine import select, use_whole_vectors, view
from .philox import normals

STRETCH = 512  # weights


@reassociate
def total(a):
    """Return the sum of a flat array, in the compiler's order."""
    T = type(a[0])
    found = T(0.0)
    for i in range(a.size):
        found += a[i]
    return found


@reassociate
def total_magnitude(a):
    """Return the sum of the magnitudes of a flat array, in the compiler's order."""
    T = type(a[0])
    found = T(0.0)
    for i in range(a.size):
        found += abs(a[i])
    return found


@kernel
def _spread(rho, shift, sigma, slope):
    """Set sigma = shift + softplus(rho) and slope = d sigma / d rho."""
    use_whole_vectors()
    for i in range(rho.size):
        soft, slope[i] = softplus_sigmoid(rho[i])
        sigma[i] = shift + soft


@kernel
def _variance_kl(sigma, slope, prior_scale, kl, pull):
    """Set kl to the variance's part of the KL and pull to the KL's derivative by rho.

    With d = (sigma - s)/s, kl = d^2/2 + (d - log1p(d)); where sigma/s = 2^n (1 + f) with n not 0,
    d - log1p(d) = (d - f) - n log 2 + (f - log1p(f)).
    """
    use_whole_vectors()
    T = type(prior_scale)
    inverse = T(1.0) / prior_scale
    for i in range(sigma.size):
        d = (sigma[i] - prior_scale) / prior_scale
        n, m = mantissa(sigma[i] * inverse)
        f = select(n == T(0.0), d, m - T(1.0))
        far = ((d - f) - n * T(LOG2_HIGH)) - n * T(LOG2_LOW)
        kl[i] = T(0.5) * d * d + (far + log1p_gap(f))
        pull[i] = d * ((sigma[i] + prior_scale) * inverse) / sigma[i] * slope[i]


@kernel
def _mean_kl(mu, loc, prior_scale, kl):
    """Add the mean's part of the KL, ((mu - m)/s)^2 / 2, to kl."""
    use_whole_vectors()
    T = type(prior_scale)
    for i in range(mu.size):
        z = (mu[i] - loc) / prior_scale
        kl[i] += T(0.5) * z * z


@kernel
def _perturb(sigma, delta, factor):
    """Multiply delta, which holds eps, by sigma, and factor, which holds d sigma/d rho, by eps."""
    use_whole_vectors()
    for i in range(sigma.size):
        factor[i] *= delta[i]
        delta[i] *= sigma[i]


@kernel
def _add(a, b):
    use_whole_vectors()
    for i in range(a.size):
        a[i] += b[i]


@kernel
def sample(mu, rho, delta, factor, pull, shift, loc, prior_scale, scratch, draws, start,
           k0, k1, step, draw, stream, training, whole):  # fmt: skip
    """Fill delta, factor and pull of some weights; return their KL and the sum of |pull|.

    Parameters
    ----------
    mu, rho : arrays (n,)
    delta : array (n,)
        Where draws is False it holds eps on the way in. Out: sigma * eps, or, where `whole`,
        mu + sigma * eps.
    factor, pull : arrays (n,), out
    shift, loc, prior_scale : numbers of their dtype
    scratch : array, 2 * STRETCH + 64 or more
    start : int
        The weights' place in their tensor, a multiple of 64.
    k0, k1, step, draw, stream : uint32
        The key, see `philox.normals`.

    Returns
    -------
    (float64, float64), nats; zeros where training is False
    """
    sigma, kl = view(scratch, 0, STRETCH), view(scratch, STRETCH, STRETCH)
    spare = view(scratch, 2 * STRETCH, 64)
    sum_kl = sum_pull = 0.0
    for s in range(0, mu.size, STRETCH):
        n = min(STRETCH, mu.size - s)
        mu_s, rho_s, delta_s = view(mu, s, n), view(rho, s, n), view(delta, s, n)
        factor_s, pull_s = view(factor, s, n), view(pull, s, n)
        sigma_s, kl_s = view(sigma, 0, n), view(kl, 0, n)
        if draws:
            normals(delta_s, start + s, n, spare, k0, k1, step, draw, stream)
        _spread(rho_s, shift, sigma_s, factor_s)
        if training:
            _variance_kl(sigma_s, factor_s, prior_scale, kl_s, pull_s)
            _mean_kl(mu_s, loc, prior_scale, kl_s)
            sum_kl += float(total(kl_s))
            sum_pull += float(total_magnitude(pull_s))
        _perturb(sigma_s, delta_s, factor_s)
        if whole:
            _add(delta_s, mu_s)
    return sum_kl, sum_pull
